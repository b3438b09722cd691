"""Budgets and rate limits through the admin API."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, update

from keystead.domain.access import Role
from keystead.domain.ids import CredentialId, VirtualKeyId
from keystead.domain.money import PICO_PER_UNIT
from keystead.limits.scopes import Spender
from keystead.storage.governance import counters
from keystead.storage.schema import requests
from tests.integration.admin.settled import settled
from tests.integration.admin.world import World

BUDGET: dict[str, Any] = {"name": "all", "organization": True, "period": "month", "limit": "100"}
PACE: dict[str, Any] = {"name": "pace", "organization": True, "measure": "requests_per_minute", "most": 60}


async def budget(world: World, **changes: Any) -> Any:
    return await world.post("/budgets", BUDGET | changes, expect=201)


async def event_of(world: World, action: str) -> Any:
    [event] = (await world.get(f"/audit-events?action={action}"))["items"]
    return event


async def test_a_budget_lives_from_its_creation_to_its_end(world: World) -> None:
    made = await budget(world, ends_at="2026-03-01T00:00:00Z", unpriced="hold", unpriced_hold="0.5")
    assert (made["limit"], made["currency"], made["hard"], made["state"]) == ("100", "USD", True, "active")
    assert (made["unpriced"], made["unpriced_hold"], made["ends_at"]) == ("hold", "0.5", "2026-03-01T00:00:00Z")
    assert (await event_of(world, "budget.created"))["details"]["limit"] == "100"
    assert await world.get("/budgets/all") == await world.get(f"/budgets/{made['id']}") == made
    assert (await world.get("/budgets"))["items"] == [made]

    changed = await world.post(
        "/budgets/all/change", {"limit": "12.5", "hard": False, "unpriced": "allow", "endless": True}
    )
    assert (changed["limit"], changed["hard"], changed["unpriced_hold"], changed["ends_at"]) == (
        "12.5",
        False,
        None,
        None,
    )
    assert changed["alert_percent"] == made["alert_percent"]
    changed = await world.post("/budgets/all/change", {"alert_percent": 5, "ends_at": "2026-04-01T00:00:00Z"})
    assert (changed["limit"], changed["ends_at"]) == ("12.5", "2026-04-01T00:00:00Z")
    for unclear in ({"endless": True, "ends_at": "2026-05-01T00:00:00Z"}, {"ends_at": "2025-05-01T00:00:00Z"}):
        assert (await world.call("POST", "/budgets/all/change", unclear)).status == 400
    assert await world.get("/budgets/all") == changed

    ended = await world.post(f"/budgets/{made['id']}/end")
    assert (ended["state"], ended["ended_at"]) == ("ended", "2026-01-01T00:00:00Z")
    assert (await event_of(world, "budget.ended"))["object_id"] == made["id"]
    assert (await world.get("/budgets?in_force=true"))["items"] == []
    assert (await world.get("/budgets"))["items"] == [ended]
    assert (await world.call("POST", "/budgets/all/change", {"hard": True})).status == 409
    assert (await world.call("POST", "/budgets", BUDGET)).status == 409


async def test_a_budget_says_how_it_stands(world: World) -> None:
    made = await budget(world)
    assert made["standing"] == {
        "spent": "0",
        "held": "0",
        "remaining": "100",
        "period_starts_at": "2026-01-01T00:00:00Z",
        "period_ends_at": "2026-02-01T00:00:00Z",
        "forecast": None,
        "refused": 0,
        "state": "ok",
    }
    row = {
        "counter_id": made["id"],
        "bucket_at": world.clock.now_us(),
        "organization_id": world.organization_id,
        "ceiling": None,
        "spent": 80 * PICO_PER_UNIT + 1,
        "held": PICO_PER_UNIT // 2,
    }
    async with world.database.write() as conn:
        await conn.execute(insert(counters).values(row))
    [stands] = [item["standing"] for item in (await world.get("/budgets"))["items"]]
    assert (stands["spent"], stands["held"]) == ("80.000000000001", "0.5")
    assert (stands["remaining"], stands["state"]) == ("19.499999999999", "near")
    world.clock.advance(15.5 * 24 * 3600)
    assert (await world.get("/budgets/all"))["standing"]["forecast"] == "160.000000000002"


async def test_a_budget_says_whom_it_stopped_in_its_period(world: World) -> None:
    made = await budget(world)
    await world.add_credential()
    for by in (made["id"], made["id"], "bud_another"):
        one = await settled(world)
        async with world.database.write() as conn:
            await conn.execute(update(requests).where(requests.c.id == one).values(refused_by=by))
        world.clock.advance(1)
    assert (await world.get("/budgets/all"))["standing"]["refused"] == 2
    [line] = (await world.get("/budgets/all/refusals"))["items"]
    assert (line["virtual_key"], line["team"], line["count"]) == ("first key", "Default team", 2)
    world.clock.advance(31 * 24 * 3600)
    assert (await world.get("/budgets/all"))["standing"]["refused"] == 0
    assert (await world.get("/budgets/all/refusals"))["items"] == []


async def test_what_is_counted_is_named_by_id_or_name_and_shown_by_its_name(world: World) -> None:
    await world.add_credential("main")
    key = await world.post("/virtual-keys", {"name": "ci", "team": world.team_id}, expect=201)
    scopes: tuple[tuple[dict[str, Any], str, str | None], ...] = (
        ({"organization": True}, "organization", None),
        ({"team": "Default team"}, "team", "Default team"),
        ({"member": world.member_id}, "member", "administrator"),
        ({"service_account": key["virtual_key"]["principal_id"]}, "service_account", "ci"),
        ({"virtual_key": "ci"}, "virtual_key", "ci"),
        ({"credential": "main"}, "credential", "main"),
        ({"model": "gpt-5*"}, "model", "gpt-5*"),
    )
    for number, (scope, kind, name) in enumerate(scopes):
        given = {"organization": False, "name": f"n{number}"} | scope
        made = await budget(world, **given)
        assert (made["scope_kind"], made["scope"]) == (kind, name)
        pace = await world.post("/rate-limits", PACE | given, expect=201)
        assert (pace["scope_kind"], pace["scope_id"], pace["scope"]) == (kind, made["scope_id"], name)
    assert len((await world.get("/budgets"))["items"]) == 7
    assert (await world.get("/budgets?limit=3"))["next_cursor"]


async def test_a_platform_credential_can_be_budgeted_and_another_organizations_own_cannot(world: World) -> None:
    theirs = await world.other_organization()
    await world.add_credential("mine")
    sold = await world.add_credential("sold", platform=True, margin_ppm=0)
    body = {"name": "credits", "period": "day", "limit": "5", "currency": "XCR"}
    answer = await world.call("POST", "/budgets", body | {"credential": "mine"}, token=theirs)
    assert answer.status == 404, answer.body
    answer = await world.call("POST", "/budgets", body | {"credential": "sold"}, token=theirs)
    assert (answer.status, answer.json()["scope_id"], answer.json()["scope"]) == (201, sold["id"], "sold")


async def test_what_is_no_budget_is_refused_with_the_reason_and_nothing_changes(
    light_world: World, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"organization": False}, "team"),
        ({"team": "Default team"}, "team"),
        ({"organization": False, "team": "Default team", "model": "gpt-5"}, "team"),
        ({"organization": False, "model": "gpt-[5"}, "model"),
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "NaN"}, "limit"),
        ({"limit": "Infinity"}, "limit"),
        ({"limit": "1e309"}, "limit"),
        ({"limit": "1e3"}, "limit"),
        ({"limit": "0.0000000000001"}, "limit"),
        ({"limit": "9223373"}, "limit"),
        ({"limit": "\u0661"}, "limit"),
        ({"limit": "1\n"}, "limit"),
        ({"limit": 100}, "limit"),
        ({"period": "year"}, "period"),
        ({"period": "rolling"}, "rolling_hours"),
        ({"period": "rolling", "rolling_hours": 8761}, "rolling_hours"),
        ({"rolling_hours": 24}, "rolling_hours"),
        ({"alert_percent": 0}, "alert_percent"),
        ({"alert_percent": 101}, "alert_percent"),
        ({"currency": "EUR"}, "currency"),
        ({"unpriced": "hold"}, "unpriced_hold"),
        ({"unpriced": "hold", "unpriced_hold": "-1"}, "unpriced_hold"),
        ({"unpriced_hold": "1"}, "unpriced_hold"),
        ({"ends_at": "2025-12-31T23:59:59Z"}, "ends_at"),
        ({"ends_at": "2026-12-31T23:59:59"}, "ends_at"),
        ({"name": "bud_01hf7yat002js5kpthz4dbqfx6"}, "name"),
    )
    before = await light_world.get("/audit-events")
    for changes, param in cases:
        with subtests.test(changes=changes):
            answer = await light_world.call("POST", "/budgets", BUDGET | changes)
            assert (answer.status, answer.json().get("param")) == (400, param), answer.body
            assert answer.json()["detail"]
            assert (await light_world.get("/budgets"))["items"] == []
            assert await light_world.get("/audit-events") == before


async def test_what_is_not_there_cannot_be_counted(light_world: World, subtests: pytest.Subtests) -> None:
    for scope in ({"team": "nowhere"}, {"member": "nobody"}, {"virtual_key": "none"}, {"credential": "none"}):
        with subtests.test(scope=scope):
            for path, body in (("/budgets", BUDGET), ("/rate-limits", PACE)):
                assert (await light_world.call("POST", path, body | {"organization": False} | scope)).status == 404
                assert (await light_world.get(path))["items"] == []


async def test_what_is_no_rate_limit_is_refused(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[dict[str, Any], ...] = (
        {"most": 0},
        {"most": 2**53 + 1},
        {"most": "60"},
        {"most": 1.5},
        {"measure": "requests"},
        {"organization": False},
    )
    for changes in cases:
        with subtests.test(changes=changes):
            assert (await light_world.call("POST", "/rate-limits", PACE | changes)).status == 400
            assert (await light_world.get("/rate-limits"))["items"] == []


async def test_a_rate_limit_is_created_listed_and_deleted(world: World) -> None:
    made = await world.post("/rate-limits", PACE, expect=201)
    assert (await world.get("/rate-limits"))["items"] == [made]
    assert (await event_of(world, "rate_limit.created"))["details"]["most"] == 60
    assert (await world.call("POST", "/rate-limits", PACE)).status == 409
    assert await world.post("/rate-limits/pace/delete") == made
    assert (await event_of(world, "rate_limit.deleted"))["object_id"] == made["id"]
    assert (await world.get("/rate-limits"))["items"] == []
    assert (await world.call("POST", "/rate-limits/pace/delete")).status == 404


async def test_a_change_counts_at_once(light_world: World) -> None:
    world = light_world
    spender = Spender(
        organization_id=world.organization_id,
        team_ids=(world.team_id,),
        principal_kind="member",
        principal_id=world.member_id,
        virtual_key_id=VirtualKeyId("vk_1"),
    )

    def limits() -> list[int]:
        rules = world.snapshots.current.rules[world.organization_id]
        concerned = rules.budgets.concerning(spender, CredentialId("cred_1"), "gpt-5")
        paces = rules.rates.concerning(spender, CredentialId("cred_1"), "gpt-5")
        return [each.limit_pico // PICO_PER_UNIT for each in concerned] + [each.most for each in paces]

    assert limits() == []
    await budget(world)
    await world.post("/rate-limits", PACE, expect=201)
    assert limits() == [100, 60]
    await world.post("/budgets/all/change", {"limit": "7"})
    assert limits() == [7, 60]
    await world.post("/budgets/all/end")
    await world.post("/rate-limits/pace/delete")
    assert limits() == []


async def test_who_may_see_them_in_a_team_sees_those_about_it_and_what_belongs_to_it(world: World) -> None:
    below = (await world.post("/teams", {"name": "Below", "parent": world.team_id}, expect=201))["id"]
    elsewhere = (await world.post("/teams", {"name": "Elsewhere"}, expect=201))["id"]
    for team, name in ((world.team_id, "in"), (below, "below"), (elsewhere, "else")):
        person = {"name": f"{name}-member", "team": team, "roles": [{"role": "developer"}]}
        await world.post("/members", person, expect=201)
        await world.post("/virtual-keys", {"name": f"{name}-key", "team": team}, expect=201)
    await world.add_credential("main")
    scopes = {
        f"{where}-{kind}": {kind: name}
        for where, team in (("in", world.team_id), ("below", below), ("else", elsewhere))
        for kind, name in (
            ("team", team),
            ("member", f"{where}-member"),
            ("service_account", f"{where}-key"),
            ("virtual_key", f"{where}-key"),
        )
    }
    others: dict[str, Any] = {
        "all": {"organization": True},
        "key": {"credential": "main"},
        "gpt": {"model": "gpt-5"},
    }
    for name, scope in (others | scopes).items():
        given = {"organization": False, "name": name} | scope
        world.clock.advance(1)
        await budget(world, **given)
        await world.post("/rate-limits", PACE | given, expect=201)
    own = [name for name in reversed(scopes) if not name.startswith("else")]

    token = await world.signed_in_as(Role.AUDITOR, team_id=world.team_id)
    for path in ("/budgets", "/rate-limits"):
        answer = await world.call("GET", path, token=token)
        assert [item["name"] for item in answer.json()["items"]] == own
    page = (await world.call("GET", "/budgets?limit=3", token=token)).json()
    rest = (await world.call("GET", f"/budgets?cursor={page['next_cursor']}", token=token)).json()
    assert [item["name"] for item in (*page["items"], *rest["items"])] == own
    for name in own:
        assert (await world.call("GET", f"/budgets/{name}", token=token)).json() == await world.get(f"/budgets/{name}")
    absent = (await world.call("GET", "/budgets/bud_nothing", token=token)).body
    for name in (*others, *(name for name in scopes if name not in own)):
        answer = await world.call("GET", f"/budgets/{name}", token=token)
        assert answer.status == 404
        assert _without_request(answer.body) == _without_request(absent)
    for path, body in (("/budgets/in-team/change", {"hard": False}), ("/budgets/in-team/end", None)):
        assert (await world.call("POST", path, body, token=token)).status == 403


def _without_request(body: bytes) -> Any:
    return {name: value for name, value in msgspec.json.decode(body).items() if name != "request_id"}


async def test_another_organization_sees_none_of_it(light_world: World) -> None:
    world = light_world
    made, pace = await budget(world), await world.post("/rate-limits", PACE, expect=201)
    stranger = await world.other_organization()
    told = set()
    for reference in (made["id"], "all", "bud_nothing"):
        for method, path, body in (
            ("GET", f"/budgets/{reference}", None),
            ("POST", f"/budgets/{reference}/change", {"hard": False}),
            ("POST", f"/budgets/{reference}/end", None),
        ):
            answer = await world.call(method, path, body, token=stranger)
            told.add((answer.status, answer.json()["code"], answer.json()["detail"]))
    assert len(told) == 1
    for reference in (pace["id"], "pace"):
        answer = await world.call("POST", f"/rate-limits/{reference}/delete", token=stranger)
        assert answer.status == 404
    for path in ("/budgets", "/rate-limits"):
        assert (await world.call("GET", path, token=stranger)).json()["items"] == []
    assert await world.get("/budgets/all") == made


async def test_finance_keeps_budgets_and_auditors_read_them(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[Role, int, int], ...] = (
        (Role.FINANCE, 200, 201),
        (Role.AUDITOR, 200, 403),
        (Role.DEVELOPER, 403, 403),
        (Role.KEY_CUSTODIAN, 403, 403),
    )
    for role, read, written in cases:
        with subtests.test(role=role):
            token = await light_world.signed_in_as(role)
            for path, body in (("/budgets", BUDGET), ("/rate-limits", PACE)):
                assert (await light_world.call("GET", path, token=token)).status == read
                assert (await light_world.call("POST", path, body, token=token)).status == written
