"""Nobody gives more than they hold."""

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keystead.domain.access import PERMISSIONS, PLATFORM, Administrator, Permission, Role
from keystead.domain.errors import InvalidRequestError, KeysteadError, PolicyDenied
from keystead.domain.ids import OrganizationId, TeamId
from keystead.identity import authority
from keystead.identity.authority import ALL, Assigned, Holding
from keystead.identity.tree import TeamTree

TOP, LEFT, RIGHT, LEAF = (TeamId(name) for name in ("top", "left", "right", "leaf"))
PARENTS: Mapping[TeamId, TeamId | None] = {TOP: None, LEFT: TOP, RIGHT: TOP, LEAF: LEFT}
TREE = TeamTree(PARENTS)


def held_by(*assigned: tuple[str, TeamId | None], operator: bool = False) -> Holding:
    roles = [Assigned(role=role, team_id=team_id) for role, team_id in assigned]
    return authority.holding(roles, own_roles={}, tree=TREE, operator=operator)


def acting(held: Holding, member_id: str = "mem_1") -> Administrator:
    return Administrator(
        organization_id=OrganizationId("org_1"),
        member_id=member_id,
        token_id="adm_1",
        operator=held.operator,
        everywhere=held.everywhere,
        in_teams=held.in_teams,
    )


OWNER = acting(held_by(("owner", None)))
ADMINISTRATOR = acting(held_by(("administrator", None)))
LEFT_LEAD = acting(held_by(("administrator", LEFT)))


def test_a_role_in_a_team_holds_in_the_teams_below_it_and_nowhere_else() -> None:
    held = held_by(("auditor", LEFT))
    assert held.everywhere == frozenset()
    assert held.in_teams == {LEFT: PERMISSIONS[Role.AUDITOR], LEAF: PERMISSIONS[Role.AUDITOR]}


def test_roles_add_up_and_a_team_only_tells_what_is_more() -> None:
    held = held_by(("finance", None), ("developer", LEAF), ("auditor", LEAF))
    assert held.everywhere == PERMISSIONS[Role.FINANCE]
    assert (
        held.in_teams[LEAF]
        == (PERMISSIONS[Role.DEVELOPER] | PERMISSIONS[Role.AUDITOR] - PERMISSIONS[Role.FINANCE])
        - PERMISSIONS[Role.FINANCE]
    )


def test_a_role_that_is_no_more_holds_nothing() -> None:
    assert held_by(("role_gone", None)).everywhere == frozenset()


def test_an_own_role_cannot_pass_for_a_built_in_one() -> None:
    own = {"auditor": ALL}
    held = authority.holding([Assigned(role="auditor", team_id=None)], own_roles=own, tree=TREE, operator=False)
    assert held.everywhere == PERMISSIONS[Role.AUDITOR]


def test_no_role_holds_what_is_the_operators() -> None:
    assert not any(held & PLATFORM for held in PERMISSIONS.values())
    for permission in Permission:
        if permission in PLATFORM:
            with pytest.raises(InvalidRequestError) as refused:
                authority.require_assignable([Permission.PRICE_READ, permission])
            assert refused.value.code == "platform_permission"
    authority.require_assignable(ALL)


def test_an_owner_gives_everything_but_what_is_the_operators() -> None:
    authority.require_giving(OWNER, ALL, None)
    with pytest.raises(PolicyDenied):
        authority.require_giving(OWNER, PLATFORM, None)


def test_an_administrator_makes_no_owner_and_touches_none() -> None:
    authority.require_giving(ADMINISTRATOR, PERMISSIONS[Role.ADMINISTRATOR], None)
    with pytest.raises(PolicyDenied) as refused:
        authority.require_giving(ADMINISTRATOR, PERMISSIONS[Role.OWNER], None)
    assert refused.value.code == "more_than_held"
    assert "consent:write, organization:write" in refused.value.message
    with pytest.raises(PolicyDenied):
        authority.require_covering(ADMINISTRATOR, held_by(("owner", None)))
    with pytest.raises(PolicyDenied):
        authority.require_covering(ADMINISTRATOR, held_by(("owner", LEAF)))
    authority.require_covering(ADMINISTRATOR, held_by(("administrator", None), ("finance", LEAF)))


def test_only_an_operator_touches_an_operator() -> None:
    operator = held_by(operator=True)
    with pytest.raises(PolicyDenied):
        authority.require_covering(OWNER, operator)
    authority.require_covering(acting(operator), operator)


def test_a_team_lead_gives_in_the_team_and_below_it() -> None:
    given_ = PERMISSIONS[Role.DEVELOPER]
    for team_id, allowed in ((LEFT, True), (LEAF, True), (RIGHT, False), (TOP, False), (None, False)):
        assert (authority.lacking(LEFT_LEAD, given_, team_id) == frozenset()) is allowed, team_id
    assert authority.teams_where(LEFT_LEAD, Permission.KEY_READ) == frozenset({LEFT, LEAF})
    assert authority.teams_where(LEFT_LEAD, Permission.CONSENT_WRITE) == frozenset()
    assert authority.teams_where(OWNER, Permission.KEY_READ) is None


def test_moving_a_team_takes_everything() -> None:
    authority.require_everything(OWNER)
    for who in (ADMINISTRATOR, LEFT_LEAD, acting(held_by(("owner", TOP)))):
        with pytest.raises(PolicyDenied):
            authority.require_everything(who)


@pytest.mark.parametrize(
    ("who", "team_id", "principal", "allowed"),
    [
        (ADMINISTRATOR, RIGHT, ("service_account", "sa_1", LEFT), True),
        (LEFT_LEAD, LEAF, ("service_account", "sa_1", LEFT), True),
        (LEFT_LEAD, LEFT, ("member", "mem_9", RIGHT), False),
        (LEFT_LEAD, RIGHT, ("service_account", "sa_1", LEFT), False),
        (acting(held_by(("developer", None))), LEFT, ("member", "mem_1", LEFT), True),
        (acting(held_by(("developer", None))), RIGHT, ("member", "mem_1", LEFT), False),
        (acting(held_by(("developer", RIGHT))), RIGHT, ("member", "mem_1", LEFT), True),
        (acting(held_by(("developer", None))), LEFT, ("member", "mem_2", LEFT), False),
        (acting(held_by(("developer", None))), LEFT, ("service_account", "mem_1", LEFT), False),
        (acting(held_by(("auditor", None))), LEFT, ("member", "mem_1", LEFT), False),
        (acting(held_by(operator=True)), LEFT, ("member", "mem_1", LEFT), False),
    ],
)
def test_a_key_is_issued_by_who_may_use_both_its_team_and_its_principal(
    who: Administrator, team_id: TeamId, principal: tuple[str, str, TeamId], allowed: bool
) -> None:
    kind, principal_id, home = principal
    try:
        authority.require_issuing(
            who,
            team_id,
            kind="member" if kind == "member" else "service_account",
            principal_id=principal_id,
            principal_team_id=home,
        )
    except PolicyDenied:
        assert not allowed
    else:
        assert allowed


# --- Whatever they do, in whatever order ------------------------------------------------------------------------

TEAMS: tuple[TeamId | None, ...] = (None, TOP, LEFT, RIGHT, LEAF)
Pair = tuple[Permission, TeamId | None]


class House:
    """An organization without a database: who has which role, and what acts do to that when `authority` allows them."""

    def __init__(self, members: list[list[Assigned]]) -> None:
        self.assigned = {f"mem_{number}": roles for number, roles in enumerate(members)}
        self.roles: dict[str, frozenset[Permission]] = {}
        self.actors: set[str] = set()

    def holding(self, member_id: str) -> Holding:
        return authority.holding(self.assigned[member_id], own_roles=self.roles, tree=TREE, operator=False)

    def pairs(self, member_id: str) -> set[Pair]:
        """Return what a member may do, and where."""
        who = acting(self.holding(member_id), member_id)
        return {(permission, team_id) for permission in Permission for team_id in TEAMS if who.may(permission, team_id)}

    def act(self, actor: str, act: "Act") -> None:
        """Do as the rooms do: ask `authority`, then change."""
        who = acting(self.holding(actor), actor)
        role = act.role if act.role in PERMISSIONS else f"role_{act.number % 3}"
        assigned = Assigned(role=role, team_id=act.team_id)
        other = f"mem_{act.number % len(self.assigned)}"
        if act.kind in {"assign", "unassign"}:
            authority.require_held(who, Permission.MEMBER_WRITE, act.team_id)
            authority.require_giving(who, authority.permissions_of(role, self.roles), act.team_id)
            kept = [one for one in self.assigned[other] if one != assigned]
            self.assigned[other] = [*kept, assigned] if act.kind == "assign" else kept
        elif act.kind == "hire":
            authority.require_held(who, Permission.MEMBER_WRITE, act.team_id or TOP)
            self.assigned[f"mem_{len(self.assigned)}"] = []
        elif act.kind == "sign in as":
            authority.require_held(who, Permission.MEMBER_WRITE, act.team_id or TOP)
            authority.require_covering(who, self.holding(other))
            self.actors.add(other)
        else:
            authority.require_held(who, Permission.ROLE_WRITE, None)
            authority.require_assignable(act.permissions)
            authority.require_giving(who, act.permissions | self.roles.get(role, frozenset()), None)
            self.roles[f"role_{act.number % 3}"] = act.permissions


class Act(msgspec.Struct, frozen=True):
    kind: str
    number: int
    role: str
    team_id: TeamId | None
    permissions: frozenset[Permission]


ROLE_NAMES = st.sampled_from([*(role.value for role in Role), "own"])
ACTS = st.builds(
    Act,
    st.sampled_from(["assign", "assign", "unassign", "hire", "sign in as", "make role"]),
    st.integers(0, 7),
    ROLE_NAMES,
    st.sampled_from(TEAMS),
    st.frozensets(st.sampled_from(Permission), min_size=1, max_size=4)
    | st.sampled_from([held & ALL for held in PERMISSIONS.values()]),
)
ASSIGNED = st.builds(
    Assigned,
    role=st.sampled_from([role.value for role in Role if role is not Role.OWNER]),
    team_id=st.sampled_from(TEAMS),
) | st.builds(Assigned, role=st.just(Role.OWNER.value), team_id=st.sampled_from(TEAMS[1:]))


@settings(max_examples=400)
@given(
    members=st.lists(st.lists(ASSIGNED, max_size=3), min_size=2, max_size=5),
    owner=st.booleans(),
    acts=st.lists(st.tuples(st.integers(0, 7), ACTS), max_size=40),
)
def test_no_sequence_of_allowed_acts_makes_anybody_hold_what_nobody_who_acted_held(
    members: list[list[Assigned]], owner: bool, acts: list[tuple[int, Act]]
) -> None:
    everybody = [*members, [Assigned(role=Role.OWNER.value, team_id=None)]] if owner else members
    house = House(everybody)
    # Everybody acts but the owner, who sleeps: what the others do among themselves is looked at.
    house.actors = {f"mem_{number}" for number in range(len(members))}
    before = {member_id: house.pairs(member_id) for member_id in house.assigned}
    held_by_actors = set().union(*(before[member_id] for member_id in house.actors))
    for number, act in acts:
        actors = sorted(house.actors)
        try:
            house.act(actors[number % len(actors)], act)
        except KeysteadError:
            continue
    for member_id in house.assigned:
        gained = house.pairs(member_id) - before.get(member_id, set())
        assert gained <= held_by_actors, member_id
    for member_id in house.actors:
        assert house.pairs(member_id) <= held_by_actors


def test_the_acts_of_that_property_do_go_through() -> None:
    house = House([[Assigned(role="administrator", team_id=None)], []])
    act = Act("assign", 1, "developer", LEFT, frozenset())
    house.act("mem_0", act)
    assert (Permission.KEY_OWN, LEAF) in house.pairs("mem_1")
    house.act("mem_0", Act("make role", 0, "own", None, frozenset({Permission.PRICE_READ})))
    house.act("mem_0", Act("assign", 0, "own", None, frozenset()))
    house.act("mem_0", Act("sign in as", 1, "own", LEFT, frozenset()))
    house.act("mem_0", Act("hire", 1, "own", LEFT, frozenset()))
    assert (house.actors, len(house.assigned)) == ({"mem_1"}, 3)
    with pytest.raises(PolicyDenied):
        house.act("mem_1", act)
