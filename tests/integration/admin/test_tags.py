"""Tags of virtual keys in the admin API and on the command line: what they may be, who may change them, what counts."""

import csv
import io
from typing import Any

import pytest
from sqlalchemy import insert

from keystead.domain.access import Role
from keystead.domain.clock import HOUR_US, hour_of
from keystead.metering.focus import COLUMNS
from keystead.storage.usage_tables import ROLLUP_SUMS, rollups
from tests.integration.admin.world import World

TAGS = {"environment": "production", "project": "apollo"}


async def key(world: World, name: str, **more: Any) -> dict[str, Any]:
    issued = await world.post("/virtual-keys", {"name": name, "team": world.team_id, **more}, expect=201)
    shown: dict[str, Any] = issued["virtual_key"]
    return shown


async def use(world: World, one: dict[str, Any], *, cost: int) -> None:
    """Write one request of a key, in this hour."""
    row: dict[str, Any] = dict.fromkeys(ROLLUP_SUMS, 0) | {
        "hour_at": hour_of(world.clock.now_us()),
        "organization_id": world.organization_id,
        "team_id": world.team_id,
        "principal_id": "mem_1",
        "virtual_key_id": one["id"],
        "credential_id": "cred_1",
        "provider": "openai",
        "model": "gpt-5",
        "owner": "own",
        "outcome": "settled",
        "currency": "USD",
        "requests": 1,
        "attempts": 1,
        "cost_pico": cost * 10**12,
    }
    async with world.database.write() as conn:
        await conn.execute(insert(rollups).values(row))
    world.clock.advance(1)


async def test_a_key_has_the_tags_it_was_made_with_until_it_is_given_others(light_world: World) -> None:
    world = light_world
    made = await key(world, "nightly", tags=TAGS)
    assert made["tags"] == TAGS
    assert await world.get("/virtual-keys/nightly") == made
    assert made in (await world.get("/virtual-keys"))["items"]
    assert (await key(world, "plain"))["tags"] == {}
    world.clock.advance(1)
    changed = await world.post("/virtual-keys/nightly/change", {"tags": {"project": "zephyr 2"}})
    assert changed == {**made, "tags": {"project": "zephyr 2"}}
    assert await world.get(f"/virtual-keys/{made['id']}") == changed
    world.clock.advance(1)
    assert (await world.post("/virtual-keys/nightly/change", {"tags": {}}))["tags"] == {}
    assert (await world.get("/usage/tags")) == {"tags": ["environment", "project"]}
    events = (await world.get("/audit-events?action=virtual_key.changed"))["items"]
    assert [(event["details"]["tags_before"], event["details"]["tags"]) for event in reversed(events)] == [
        (TAGS, {"project": "zephyr 2"}),
        ({"project": "zephyr 2"}, {}),
    ]
    created = (await world.get("/audit-events?action=virtual_key.created"))["items"]
    assert [event["details"]["tags"] for event in created if event["object_id"] == made["id"]] == [TAGS]


@pytest.mark.parametrize(
    "tags",
    [
        {"Project": "x"},
        {"1": "x"},
        {"": "x"},
        {"a b": "x"},
        {"a\n": "x"},
        {"a" * 33: "x"},
        {"project": ""},
        {"project": "x" * 65},
        {"project": "a\nb"},
        {"project": "\u202egpj.exe"},
        {"project": " padded"},
        {"project": "zero\u200bwidth"},
        {"project": 1},
        {"project": None},
        {f"t{number}": "x" for number in range(11)},
        ["project"],
    ],
)
async def test_what_is_no_tag_is_refused_and_nothing_is_changed(light_world: World, tags: Any) -> None:
    world = light_world
    await key(world, "nightly", tags=TAGS)
    for path, body in (
        ("/virtual-keys/nightly/change", {"tags": tags}),
        ("/virtual-keys", {"name": "other", "team": world.team_id, "tags": tags}),
    ):
        answer = await world.call("POST", path, body)
        assert answer.status == 400, answer.json()
    assert (await world.get("/virtual-keys/nightly"))["tags"] == TAGS
    assert (await world.call("GET", "/virtual-keys/other")).status == 404


async def test_the_longest_tags_are_taken_and_a_value_may_be_any_printed_text(light_world: World) -> None:
    tags = {f"{'a' * 30}{number:02}": "é=💡" + "x" * 61 for number in range(10)}
    assert (await key(light_world, "nightly", tags=tags))["tags"] == tags


async def test_a_key_is_tagged_by_whoever_may_issue_it(light_world: World) -> None:
    world = light_world
    developer = await world.signed_in_as(Role.DEVELOPER, team_id=world.team_id, scoped=False)
    mine = (await world.call("GET", "/self", token=developer)).json()["member_id"]
    await key(world, "theirs", tags=TAGS)
    body = {"name": "laptop", "team": world.team_id, "member": mine, "tags": {"project": "mine"}}
    assert (await world.call("POST", "/virtual-keys", body, token=developer)).status == 201
    change = {"tags": {"project": "ours"}}
    for name, status in (("laptop", 200), ("theirs", 404), ("nothing", 404)):
        answer = await world.call("POST", f"/virtual-keys/{name}/change", change, token=developer)
        assert answer.status == status, answer.json()
        assert (await world.call("GET", f"/virtual-keys/{name}", token=developer)).status == status
    auditor = await world.signed_in_as(Role.AUDITOR)
    for name in ("laptop", "theirs"):
        assert (await world.call("GET", f"/virtual-keys/{name}", token=auditor)).status == 200
        assert (await world.call("POST", f"/virtual-keys/{name}/change", change, token=auditor)).status == 403
    elsewhere = await world.other_organization()
    assert (await world.call("POST", "/virtual-keys/theirs/change", change, token=elsewhere)).status == 404
    assert (await world.call("GET", "/usage/tags", token=elsewhere)).json() == {"tags": []}
    assert (await world.get("/virtual-keys/theirs"))["tags"] == TAGS


async def test_who_sees_the_usage_of_some_teams_sees_their_tags_alone(light_world: World) -> None:
    world = light_world
    other = await world.post("/teams", {"name": "Other"}, expect=201)
    await key(world, "ours", tags={"project": "apollo"})
    await key(world, "theirs", tags={"secret-plan": "x"}, team=other["id"])
    lead = await world.signed_in_as(Role.FINANCE, team_id=world.team_id)
    assert (await world.call("GET", "/usage/tags", token=lead)).json() == {"tags": ["project"]}
    assert (await world.get("/usage/tags")) == {"tags": ["project", "secret-plan"]}


async def test_usage_by_a_tag_has_a_line_for_what_is_untagged(light_world: World) -> None:
    world = light_world
    tagged, plain = await key(world, "tagged", tags=TAGS), await key(world, "plain")
    await use(world, tagged, cost=3)
    await use(world, plain, cost=4)
    world.clock.advance(2 * HOUR_US // 1_000_000)
    found = await world.get("/usage?by=tag:project,model")
    assert [([key["name"] for key in line["keys"]], line["cost"]) for line in found["lines"]] == [
        (["untagged", "gpt-5"], "4"),
        (["apollo", "gpt-5"], "3"),
    ]
    assert found["lines"][0]["keys"][0] == {"dimension": "tag:project", "id": "", "name": "untagged"}
    assert [line["cost"] for line in found["totals"]] == ["7"]
    assert (await world.call("GET", "/usage?by=tag:Project")).status == 400


async def test_usage_is_a_focus_file_that_a_spreadsheet_does_not_carry_out(light_world: World) -> None:
    world = light_world
    named = await key(world, "=1+1", tags=TAGS)
    await use(world, named, cost=3)
    answer = await world.call("GET", "/usage/focus")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    [line] = csv.DictReader(io.StringIO(answer.body.decode()))
    assert tuple(line) == COLUMNS
    assert (line["BilledCost"], line["BillingCurrency"], line["ProviderName"]) == ("3", "USD", "OpenAI")
    assert (line["ResourceName"], line["Tags"]) == ("'=1+1", '{"environment":"production","project":"apollo"}')
    assert line["BillingAccountId"] == world.organization_id
    for query in ("time_zone=Nowhere/Land", "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"):
        assert (await world.call("GET", f"/usage/focus?{query}")).status == 400
    other = await world.post("/teams", {"name": "Other"}, expect=201)
    lead = await world.signed_in_as(Role.FINANCE, team_id=other["id"])
    assert len((await world.call("GET", "/usage/focus", token=lead)).body.splitlines()) == 1
    developer = await world.signed_in_as(Role.DEVELOPER)
    assert (await world.call("GET", "/usage/focus", token=developer)).status == 403
