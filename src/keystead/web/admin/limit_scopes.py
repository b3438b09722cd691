"""What budgets and rate limits are about, as the admin API takes and shows it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import InvalidRequestError
from keystead.domain.means import ScopeKind
from keystead.limits.scopes import Scoped
from keystead.web.admin.credential_names import credential_id, credential_names
from keystead.web.admin.route import Call
from keystead.web.admin.values import ModelPattern, Reference


class ScopeGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is counted. Exactly one of these is given."""

    organization: bool = False
    """Everything."""
    team: Reference | None = None
    """Also the teams below it."""
    member: Reference | None = None
    service_account: Reference | None = None
    virtual_key: Reference | None = None
    credential: Reference | None = None
    """One of the organization's own, else one of the platform's."""
    model: ModelPattern | None = None
    """As its provider calls it."""


async def scope_of(call: Call[Any, Any], conn: AsyncConnection, given: ScopeGiven) -> tuple[ScopeKind, str]:
    """Return the kind and the id (of a model: the pattern) of what is given.

    Raises:
        InvalidRequestError: nothing is given, or more than one.
        NotFoundError: the organization has no such thing.
    """
    named: dict[ScopeKind, str | None] = {
        "team": given.team,
        "member": given.member,
        "service_account": given.service_account,
        "virtual_key": given.virtual_key,
        "credential": given.credential,
        "model": given.model,
    }
    found = [(kind, name) for kind, name in named.items() if name is not None]
    if len(found) + given.organization != 1:
        raise InvalidRequestError(
            "Say about exactly one thing what is counted.",
            param="team",
            next_step="Give one of team, member, service_account, virtual_key, credential, model, "
            "or organization: true for everything.",
        )
    if given.organization:
        return "organization", call.who.organization_id
    [(kind, name)] = found
    return kind, await _id_of(call, conn, kind, name)


async def scope_names(call: Call[Any, Any], conn: AsyncConnection, rules: Sequence[Scoped]) -> dict[str, str]:
    """Return the names of what some rules are about, by id; a pattern is its own name."""
    rooms, organization_id = call.rooms, call.who.organization_id
    ids: dict[str, set[str]] = {}
    for rule in rules:
        ids.setdefault(rule.scope_kind, set()).add(rule.scope_id)
    names = {pattern: pattern for pattern in ids.get("model", ())}
    if "team" in ids:
        names |= await rooms.directory.team_names(conn, organization_id, ids["team"])
    if people := ids.get("member", set()) | ids.get("service_account", set()):
        names |= await rooms.directory.principal_names(conn, organization_id, people)
    for key_id in ids.get("virtual_key", ()):
        names[key_id] = (await rooms.issuer.virtual_key(conn, organization_id, key_id)).name
    if "credential" in ids:
        names |= await credential_names(call, conn, ids["credential"])
    return names


async def _id_of(call: Call[Any, Any], conn: AsyncConnection, kind: ScopeKind, name: str) -> str:
    rooms, organization_id = call.rooms, call.who.organization_id
    match kind:
        case "team":
            return (await rooms.directory.team(conn, organization_id, name)).id
        case "member":
            return (await rooms.directory.member(conn, organization_id, name)).id
        case "service_account":
            return (await rooms.directory.service_account(conn, organization_id, name)).id
        case "virtual_key":
            return (await rooms.issuer.virtual_key(conn, organization_id, name)).id
        case "credential":
            return await credential_id(call, conn, name)
        case _:
            return name
