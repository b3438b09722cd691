"""Who may give what to whom: what roles hold, and that nobody gives more than they hold. Pure.

A role is held in the whole organization, or in a team and the teams below it. Whoever gives something (a role, a
token, a set of permissions) must hold all of it wherever it is given, so that no sequence of allowed acts makes
anybody hold what nobody who acted held.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from keystead.domain.access import PERMISSIONS, PLATFORM, Administrator, Permission, PrincipalKind, Role
from keystead.domain.errors import InvalidRequestError, PolicyDenied
from keystead.domain.ids import TeamId
from keystead.identity.tree import TeamTree

OwnRoles = Mapping[str, frozenset[Permission]]
"""An organization's own roles: id → what they hold."""

ALL: Final = frozenset(Permission) - PLATFORM
"""What an owner holds."""

_NOTHING: Final[frozenset[Permission]] = frozenset()
_SHOWN: Final = 5


class Assigned(msgspec.Struct, frozen=True, kw_only=True):
    """A role that a member has."""

    role: str
    """A built-in role's name, or the id of one of the organization's own."""
    team_id: TeamId | None
    """Where: in that team and below it, or (None) in the whole organization."""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What a member holds."""

    operator: bool
    everywhere: frozenset[Permission]
    in_teams: Mapping[TeamId, frozenset[Permission]]
    """What else, by team; the teams below are spelled out."""


def permissions_of(role: str, own_roles: OwnRoles) -> frozenset[Permission]:
    """Return what a role holds; one that is no more holds nothing."""
    built_in = _BUILT_IN.get(role)
    return own_roles.get(role, _NOTHING) if built_in is None else PERMISSIONS[built_in]


def holding(assigned: Iterable[Assigned], *, own_roles: OwnRoles, tree: TeamTree, operator: bool) -> Holding:
    """Add up what a member's roles hold."""
    everywhere = _NOTHING
    in_teams: dict[TeamId, frozenset[Permission]] = {}
    for one in assigned:
        held = permissions_of(one.role, own_roles)
        if one.team_id is None:
            everywhere |= held
            continue
        for team_id in tree.below(one.team_id):
            in_teams[team_id] = in_teams.get(team_id, _NOTHING) | held
    return Holding(
        operator=operator,
        everywhere=everywhere,
        in_teams={team_id: more for team_id, held in in_teams.items() if (more := held - everywhere)},
    )


def lacking(who: Administrator, given: frozenset[Permission], team_id: TeamId | None) -> frozenset[Permission]:
    """Return what of `given` the actor does not hold in that team, or (None) in the whole organization."""
    return frozenset(permission for permission in given if not who.may(permission, team_id))


def beyond(who: Administrator, other: Holding) -> frozenset[Permission]:
    """Return what the other member holds somewhere and the actor does not hold there."""
    missing = lacking(who, other.everywhere, None)
    for team_id, held in other.in_teams.items():
        missing |= lacking(who, held, team_id)
    return missing | (PLATFORM if other.operator and not who.operator else _NOTHING)


def require_held(who: Administrator, permission: Permission, team_id: TeamId | None) -> None:
    """Refuse whoever does not hold `permission` in that team, or (None) in the whole organization.

    Raises:
        PolicyDenied: they do not.
    """
    if not who.may(permission, team_id):
        where = "in the whole organization" if team_id is None else "in this team"
        raise PolicyDenied(
            f"You do not hold the permission {permission.value} {where}.",
            next_step="Ask an owner of your organization to do it, or for a role that holds it.",
        )


def require_operator(who: Administrator) -> None:
    """Refuse whoever does not run the platform.

    Raises:
        PolicyDenied: they do not.
    """
    if not who.operator:
        raise PolicyDenied("Only an operator can make an operator.", next_step="Ask who runs the platform.")


def require_giving(who: Administrator, given: frozenset[Permission], team_id: TeamId | None) -> None:
    """Refuse to give, in a team or (None) in the whole organization, what the actor does not hold there.

    Raises:
        PolicyDenied: `more_than_held`.
    """
    _require_none(lacking(who, given, team_id), "You cannot give what you do not hold yourself")


def require_covering(who: Administrator, other: Holding) -> None:
    """Refuse to act on a member who holds more than the actor: to sign in as them, disable them, take a role away.

    Raises:
        PolicyDenied: `more_than_held`.
    """
    _require_none(beyond(who, other), "This member holds more than you do")


def require_issuing(
    who: Administrator, team_id: TeamId, *, kind: PrincipalKind, principal_id: str, principal_team_id: TeamId
) -> None:
    """Refuse to issue a virtual key that would lend the actor what is granted to others.

    A key uses what is granted to its team and to its principal, so its issuer needs `key:write` in the key's team and
    in the principal's. With `key:own` members issue keys to themselves, in their own team or where they hold it.

    Raises:
        PolicyDenied: they may not.
    """
    if who.may(Permission.KEY_WRITE, team_id) and who.may(Permission.KEY_WRITE, principal_team_id):
        return
    if (kind, principal_id) == ("member", who.member_id):
        at_home = team_id == principal_team_id and who.may(Permission.KEY_OWN, team_id)
        if at_home or Permission.KEY_OWN in who.in_teams.get(team_id, _NOTHING):
            return
    raise PolicyDenied(
        "You may not issue this key: it takes the permission key:write in its team and in its principal's team.",
        next_step="Issue a key to yourself in your own team, or ask whoever administers that team.",
    )


def require_everything(who: Administrator) -> None:
    """Refuse whoever does not hold everything in the whole organization, as an owner does.

    Raises:
        PolicyDenied: `more_than_held`.
    """
    _require_none(ALL - who.everywhere, "This takes an owner")


def require_assignable(permissions: Iterable[Permission]) -> None:
    """Refuse an own role that holds what is the operator's: no organization can give it.

    Raises:
        InvalidRequestError: `platform_permission`.
    """
    platform = sorted(PLATFORM.intersection(permissions))
    if platform:
        raise InvalidRequestError(
            f"No role can hold {', '.join(platform)}: that is the operator's.",
            code="platform_permission",
            param="permissions",
        )


def teams_where(who: Administrator, permission: Permission) -> frozenset[TeamId] | None:
    """Return the teams in which the actor holds `permission`; None for the whole organization."""
    if who.may(permission):
        return None
    return frozenset(team_id for team_id, held in who.in_teams.items() if permission in held)


def narrowed_to(within: frozenset[TeamId] | None, team_id: TeamId) -> frozenset[TeamId]:
    """Return that one team, if it is among the teams `within` (None: all)."""
    return frozenset({team_id}) if within is None or team_id in within else frozenset()


_BUILT_IN: Final[Mapping[str, Role]] = {role.value: role for role in Role}


def _require_none(missing: frozenset[Permission], what: str) -> None:
    if not missing:
        return
    names = sorted(missing)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise PolicyDenied(
        f"{what}: {', '.join(names[:_SHOWN])}{more}.",
        code="more_than_held",
        next_step="Ask somebody who holds it, such as an owner of your organization.",
    )
