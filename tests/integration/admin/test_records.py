"""Requests, usage, prices and one's own prices, read through the API."""

from typing import Any

from keystead.domain.access import Role
from keystead.domain.records import Cost
from keystead.domain.traffic import CostState
from keystead.web.admin.values import MAX_LIMIT
from tests.integration.admin.settled import settled
from tests.integration.admin.world import World


async def test_a_request_is_shown_with_its_attempt_and_the_arithmetic(world: World) -> None:
    await world.add_credential()
    identifier = await settled(world)
    [row] = (await world.get("/requests"))["items"]
    assert {name: row[name] for name in ("id", "started_at", "finished_at", "model", "cost", "currency", "team")} == {
        "id": identifier,
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:01.500000Z",
        "model": "gpt-5-2025",
        "cost": "0.000325",
        "currency": "USD",
        "team": "Default team",
    }
    shown = await world.get(f"/requests/{identifier}")
    assert shown["request"] == row
    assert shown["decision"] == {"rule": "provider_name"}
    [attempt] = shown["attempts"]
    assert (attempt["credential"], attempt["credential_version"], attempt["usage"]) == (
        "main",
        1,
        {"input_tokens": 100, "output_tokens": 20},
    )
    assert attempt["lines"] == [{"unit": "input_tokens", "count": "100", "price": "0.00000125", "amount": "0.000125"}]
    stranger = await world.other_organization()
    assert (await world.call("GET", f"/requests/{identifier}", token=stranger)).status == 404
    assert (await world.call("GET", "/requests", token=stranger)).json()["items"] == []


async def test_requests_are_narrowed_and_come_in_pages(world: World) -> None:
    await world.add_credential()
    for model in ("gpt-5", "gpt-4o", "gpt-5"):
        world.clock.advance(60)
        await settled(world, model=model)
    for query, count in (
        ("", 3),
        ("model=gpt-5", 2),
        ("credential=main", 3),
        ("credential=other", 0),
        ("provider=openai&state=settled", 3),
        ("state=rejected", 0),
        ("cost_state=unpriced", 0),
        ("virtual_key=first%20key", 3),
        ("team=Default%20team", 3),
        ("since=2026-01-01T00:02:00Z", 2),
        ("until=2026-01-01T01:01:30%2B01:00", 1),
    ):
        assert len((await world.get(f"/requests?{query}"))["items"]) == count, query
    first = await world.get("/requests?limit=2")
    second = await world.get(f"/requests?limit=2&cursor={first['next_cursor']}")
    assert [row["model_asked"] for row in (*first["items"], *second["items"])] == [
        "openai/gpt-5",
        "openai/gpt-4o",
        "openai/gpt-5",
    ]
    assert second["next_cursor"] is None


async def test_usage_is_summed_by_what_one_asks_and_unknown_cost_is_not_zero(world: World) -> None:
    await world.add_credential()
    await settled(world)
    await settled(world)
    await settled(world, model="new-model", cost=Cost(state=CostState.UNPRICED))
    report = await world.get("/usage?by=team,model&until=2026-01-01T01:00:00Z")
    lines = {tuple(key["name"] for key in line["keys"]): line for line in report["lines"]}
    assert lines["Default team", "gpt-5-2025"]["cost"] == "0.00065"
    assert lines["Default team", "gpt-5-2025"]["priced"] == 2
    unpriced = lines["Default team", "new-model-2025"]
    assert (unpriced["unpriced"], unpriced["priced"], unpriced["input_total"]) == (1, 0, 100)
    [total] = report["totals"]
    assert (total["requests"], total["input_total"], total["output_total"]) == (3, 300, 60)
    by_hour = await world.get("/usage?by=hour&until=2026-01-01T01:00:00Z")
    assert by_hour["lines"][0]["keys"][0]["id"] == "2026-01-01T00:00:00Z"
    assert (by_hour["since"], by_hour["until"]) == ("2025-12-25T01:00:00Z", "2026-01-01T01:00:00Z")


async def test_usage_refuses_what_it_cannot_sum(light_world: World) -> None:
    for query, param in (
        ("by=colour", "by"),
        ("by=team,team", "by"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "to"),
        ("since=yesterday", "since"),
        ("since=2026-01-01T00:00:00", "since"),
    ):
        answer = await light_world.call("GET", f"/usage?{query}")
        assert (answer.status, answer.json()["param"]) == (400, param), query


async def test_usage_of_some_values_only(light_world: World) -> None:
    for query in ("only=model:gpt-5&only=model:o9&only=team:t", "only=tag:project:apollo", "only=provider:"):
        for report in ("usage", "latency"):
            assert (await light_world.get(f"/{report}?by=model&{query}"))["lines"] == []
    for query, words in (
        ("only=model", "does not say a dimension"),
        ("only=", "does not say a dimension"),
        ("only=:gpt-5", "does not say a dimension"),
        ("only=tag:project", "does not say a dimension"),
        ("only=day:2026-01-01T00:00:00Z", "no values of a dimension 'day'"),
        ("only=tag:Project:x", "no values of a dimension"),
        ("&".join(f"only=model:m{number}" for number in range(21)), "only"),
        (f"only=model:{'m' * 400}", "only"),
    ):
        answer = await light_world.call("GET", f"/usage?by=model&{query}")
        assert (answer.status, answer.json()["param"].split("[")[0]) == (400, "only"), query
        assert words in str(answer.json()), query
    twice = await light_world.call("GET", "/usage?by=model&by=team")
    assert (twice.status, twice.json()["param"]) == (400, "by")


async def test_whoever_may_see_no_credentials_is_not_told_by_a_report_which_there_are(light_world: World) -> None:
    await light_world.add_credential("main")
    finance = await light_world.signed_in_as(Role.FINANCE, team_id=light_world.team_id)
    answers = [await light_world.call("GET", f"/usage?credential={name}", token=finance) for name in ("main", "none")]
    assert [(answer.status, answer.json()["lines"]) for answer in answers] == [(200, []), (200, [])]
    assert (await light_world.call("GET", "/usage?credential=none")).status == 404


async def test_list_prices_can_be_searched_and_shown(light_world: World) -> None:
    found = await light_world.get("/prices?provider=openai&search=GPT-4O&limit=3")
    assert len(found["items"]) == 3
    assert all(row["provider"] == "openai" and "gpt-4o" in row["model"] for row in found["items"])
    more = await light_world.get(f"/prices?provider=openai&search=GPT-4O&limit=3&cursor={found['next_cursor']}")
    assert more["items"][0]["model"] > found["items"][-1]["model"]
    [sheet] = (await light_world.get("/price-sheets?model=gpt-4o&provider=openai"))["sheets"]
    assert any(row["in_force"] and "input_tokens" in row["prices"] for row in sheet["rows"])
    assert (await light_world.get("/price-sheets?model=no-such-model"))["sheets"] == []


async def test_ones_own_price_counts_at_once_and_ends(world: World) -> None:
    body: dict[str, Any] = {
        "provider": "vllm",
        "model": "llama*",
        "prices": {"input_tokens": "0.0000001"},
        "note": "c1",
    }
    world.clock.advance(1)
    added = await world.post("/price-overrides", body, expect=201)
    assert (added["valid_from"], added["valid_to"]) == ("2026-01-01T00:00:01Z", None)
    [sheet] = (await world.get("/price-sheets?model=llama-4"))["sheets"]
    assert sheet["overrides"] == [added]
    world.clock.advance(3600)
    ended = await world.post(f"/price-overrides/{added['id']}/end")
    assert ended["valid_to"] == "2026-01-01T01:00:01Z"
    assert (await world.get("/price-overrides?in_force=true"))["items"] == []
    assert (await world.get("/price-overrides"))["items"] == [ended]
    assert (await world.call("POST", f"/price-overrides/{added['id']}/end")).status == 409
    stranger = await world.other_organization()
    assert (await world.call("POST", f"/price-overrides/{added['id']}/end", token=stranger)).status == 404
    assert (await world.call("GET", "/price-sheets?model=llama-4", token=stranger)).json()["sheets"] == []
    actions = [event["action"] for event in (await world.get("/audit-events"))["items"]]
    assert [action for action in actions if action.startswith("price_override.")] == [
        "price_override.ended",
        "price_override.added",
    ]


async def test_the_doctor_answers(light_world: World) -> None:
    assert (await light_world.get("/doctor"))["checks"][0]["state"] == "ok"


async def test_a_page_is_bounded(light_world: World) -> None:
    for path in ("/requests", "/virtual-keys", "/audit-events", "/prices"):
        assert (await light_world.call("GET", f"{path}?limit={MAX_LIMIT}")).status == 200
        for limit in (0, -1, MAX_LIMIT + 1, "1e309", "NaN", 10**30):
            answer = await light_world.call("GET", f"{path}?limit={limit}")
            assert (answer.status, answer.json()["param"]) == (400, "limit"), limit
