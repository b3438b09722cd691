"""Nobody gives more than they hold: seeded walks through the real routes, by everybody but the owner."""

import random
from typing import Any

import pytest

from keystead.domain.access import PLATFORM, Permission, Role
from keystead.domain.ids import TeamId
from tests.integration.admin.world import World

ACTS = 150
ROLES = [*(role.value for role in Role), "own 0", "own 1"]
GIVEABLE = sorted(frozenset(Permission) - PLATFORM)
Pairs = set[tuple[str, str]]


class Walk:
    """Members who try what comes to their mind, with every token they can get hold of."""

    def __init__(self, world: World, choice: random.Random) -> None:
        self.world = world
        self.choice = choice
        self.tokens: list[str] = []
        self.members: list[str] = []
        self.teams: list[str | None] = [None]
        self.done = 0

    async def held(self, token: str) -> Pairs:
        """Return what a token may do and where: (permission, team's id), "" for the whole organization."""
        shown = (await self.world.call("GET", "/self", token=token)).json()
        pairs = {(permission, "") for permission in shown["permissions"]}
        return pairs | {(name, one["team_id"]) for one in shown["in_teams"] for name in one["permissions"]}

    async def act(self) -> None:
        """Let somebody try one thing."""
        choice = self.choice
        role, team = choice.choice(ROLES), choice.choice(self.teams)
        member, token = choice.choice(self.members), choice.choice(self.tokens)
        name = f"n{choice.getrandbits(60):x}"
        permissions = choice.sample(GIVEABLE, choice.randint(1, 3))
        path, body = choice.choice(
            [
                (f"/members/{member}/assign", {"role": role, "team": team}),
                (f"/members/{member}/assign", {"role": role, "team": team}),
                (f"/members/{member}/unassign", {"role": role, "team": team}),
                ("/members", {"name": name, "team": team or "Default team", "roles": [{"role": role, "team": team}]}),
                ("/admin-tokens", {"name": name, "member": member}),
                ("/roles", {"name": choice.choice(["own 0", "own 1"]), "permissions": permissions}),
                (f"/roles/own {choice.randint(0, 1)}/change", {"permissions": permissions}),
                ("/teams", {"name": name, "parent": team}),
                (f"/teams/{team}/move", {"parent": choice.choice(self.teams)}),
            ]
        )
        answer = await self.world.call("POST", path, body, token=token)
        assert answer.status < 500, answer.body
        if answer.status >= 300:
            return
        self.done += 1
        made: dict[str, Any] = answer.json()
        if path == "/members":
            self.members.append(made["id"])
        elif path == "/admin-tokens":
            self.tokens.append(made["token"])
        elif path == "/teams":
            self.teams.append(made["id"])


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_they_do_nobody_holds_what_nobody_who_acted_held(light_world: World, seed: int) -> None:
    world = light_world
    walk = Walk(world, random.Random(seed))
    parents: dict[str, str] = {}
    for name, parent in (("Top", None), ("Left", "Top"), ("Right", "Top"), ("Leaf", "Left")):
        made = await world.post("/teams", {"name": name, "parent": parent}, expect=201)
        walk.teams.append(made["id"])
        parents[made["id"]] = made["parent_id"]
    starts = list(walk.teams[1:])
    for role, team in (
        (Role.ADMINISTRATOR, walk.choice.choice(starts)),
        (Role.OWNER, walk.choice.choice(starts)),
        (Role.FINANCE, None),
        (Role.DEVELOPER, None),
        *([(Role.ADMINISTRATOR, None)] if seed % 2 else []),
    ):
        walk.tokens.append(await world.signed_in_as(role, team_id=TeamId(team) if team else None))
    walk.members = [item["id"] for item in (await world.get("/members"))["items"]]
    before: Pairs = set().union(*[await walk.held(token) for token in walk.tokens])
    for _ in range(ACTS):
        await walk.act()
    assert walk.done > 3, "some of it is allowed"
    teams = {item["id"]: item for item in (await world.get("/teams?limit=200"))["items"]}
    assert {team: teams[team]["parent_id"] for team in starts} == parents, "nobody but an owner moves teams"
    for token in walk.tokens:
        for permission, team_id in await walk.held(token):
            at = team_id
            while at and at not in starts:  # a team made on the way: what holds there held above it
                at = teams[at]["parent_id"] or ""
            assert {(permission, at), (permission, "")} & before, (permission, team_id)
    [operator] = [item for item in (await world.get("/members?limit=200"))["items"] if item["operator"]]
    assert operator["id"] == world.member_id
    assert ("owner", None) in {(role["role"], role["team_id"]) for role in operator["roles"]}
