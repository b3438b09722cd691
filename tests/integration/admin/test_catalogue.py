"""The catalogue and credentials' lists through the API: searched, paged, shown; fetched, told of, and in force at once."""

import json
from typing import Any

from keystead.domain.access import Role
from keystead.domain.errors import ProviderError
from keystead.domain.traffic import ErrorClass
from tests.integration.admin.world import World, provider_key


def lists(world: World, *names: str, key: str = "main") -> None:
    body = {"object": "list", "data": [{"id": name, "created": 1_767_225_600} for name in names]}
    world.transport.answers[provider_key(key)] = (200, json.dumps(body).encode())


async def offered(world: World, query: str = "") -> dict[str, Any]:
    return {model["model"]: model for model in (await world.get(f"/credentials/main/models{query}"))["items"]}


async def test_the_catalogue_is_searched_page_by_page(light_world: World) -> None:
    world = light_world
    found: list[Any] = []
    cursor = ""
    while True:
        page = await world.get(f"/catalogue?q=sonnet&provider=anthropic&limit=2{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 2
        cursor = f"&cursor={page['next_cursor']}"
    names = [model["model"] for model in found]
    assert names == sorted(set(names))
    assert {"claude-sonnet-4-6", "claude-sonnet-5", "claude-sonnet-5-5"} <= set(names)
    newest = found[names.index("claude-sonnet-4-6")]
    assert (newest["context"], newest["max_output"], newest["family"]) == (1_000_000, 64_000, "claude-sonnet")
    assert newest["prices"]["output_tokens"] == "0.000015"
    assert {"tools", "vision", "reasoning"} <= set(newest["capabilities"])


async def test_conditions_are_checked(light_world: World) -> None:
    assert (await light_world.call("GET", "/catalogue?capability=telepathy")).status == 400
    assert (await light_world.call("GET", "/catalogue?min_context=-1")).status == 400
    assert (await light_world.call("GET", "/catalogue?maker=a&maker=b")).status == 400
    seeing = await light_world.get("/catalogue?provider=groq&capability=vision,tools&limit=200")
    assert seeing["items"]
    assert all({"vision", "tools"} <= set(model["capabilities"]) for model in seeing["items"])


async def test_a_model_is_shown_with_its_prices_over_time(light_world: World) -> None:
    shown = await light_world.get("/catalogue-model?model=gemini-4-argon&provider=google")
    [detail] = shown["details"]
    standard = [row for row in detail["price"]["rows"] if row["tier"] == ""]
    assert [(row["valid_from"], row["valid_to"]) for row in standard] == [("", "2026-12-01"), ("2026-12-01", "")]
    everywhere = await light_world.get("/catalogue-model?model=gpt-5")
    assert {"openai", "azure"} <= {each["model"]["provider"] for each in everywhere["details"]}
    assert (await light_world.call("GET", "/catalogue-model?model=nothing-at-all")).status == 404


async def test_a_list_is_fetched_when_told_to_and_says_what_is_new_and_gone(world: World) -> None:
    lists(world, "gpt-5", "ft:gpt-4o-mini-2024-07-18:acme::1", "gpt-99-new")
    await world.add_credential()
    before = await world.get("/credentials/main/models")
    assert before == {"items": [], "next_cursor": None, "checked_at": None, "changed_at": None, "error": ""}
    brought = await world.post("/credentials/main/models/refresh")
    assert (brought["listed"], len(brought["new"]), brought["gone"]) == (3, 3, [])
    models = await offered(world)
    assert models["gpt-5"] | {"first_seen_at": ""} == {
        "model": "gpt-5",
        "released": "2026-01-01",
        "retires": "",
        "context": None,
        "max_output": None,
        "first_seen_at": "",
        "gone_at": None,
        "fine_tuned": False,
        "catalogued": True,
        "priced": True,
    }
    assert models["ft:gpt-4o-mini-2024-07-18:acme::1"]["fine_tuned"]
    assert (models["gpt-99-new"]["catalogued"], models["gpt-99-new"]["priced"]) == (False, False)
    lists(world, "gpt-5")
    world.clock.advance(1)
    assert set((await world.post("/credentials/main/models/refresh"))["gone"]) == set(models) - {"gpt-5"}
    assert (await offered(world))["gpt-99-new"]["gone_at"] is not None
    assert set(await offered(world, "?gone=false")) == {"gpt-5"}
    snapshot = world.snapshots.current
    [main] = [credential for credential in snapshot.credentials if credential.name == "main"]
    assert [model.name for model in snapshot.known.of(main)] == ["gpt-5"], "in force at once"
    [event, *_] = (await world.get("/audit-events"))["items"]
    assert event["action"] == "credential.models_refreshed"


async def test_a_price_of_ones_own_makes_a_new_model_priced(light_world: World) -> None:
    world = light_world
    lists(world, "gpt-99-new")
    await world.add_credential()
    await world.post("/credentials/main/models/refresh")
    own = {"provider": "openai", "model": "gpt-99*", "prices": {"input_tokens": "0.000001"}}
    await world.post("/price-overrides", own, expect=201)
    assert (await offered(world))["gpt-99-new"]["priced"]


async def test_a_list_that_cannot_be_had_leaves_the_one_before(light_world: World) -> None:
    world = light_world
    lists(world, "gpt-5")
    await world.add_credential()
    await world.post("/credentials/main/models/refresh")
    world.transport.answers[provider_key("main")] = (500, b"<html>")
    assert (await world.call("POST", "/credentials/main/models/refresh")).status == 502
    world.transport.answers[provider_key("main")] = ProviderError("No.", error_class=ErrorClass.UNREACHABLE, sent=False)
    assert (await world.call("POST", "/credentials/main/models/refresh")).status == 502
    assert set(await offered(world)) == {"gpt-5"}


async def test_what_lists_nothing_or_has_no_key_says_so(light_world: World) -> None:
    world = light_world
    await world.add_credential("azure-one", provider="azure", origin="https://acme.openai.azure.com", key="a" * 32)
    assert (await world.call("POST", "/credentials/azure-one/models/refresh")).json()["code"] == "no_model_list"
    await world.add_credential(activate=False)
    assert (await world.call("POST", "/credentials/main/models/refresh")).json()["code"] == "credential_inactive"


async def test_who_may_only_read_does_not_send_a_key_anywhere(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    auditor = await world.signed_in_as(Role.AUDITOR)
    asked = len(world.transport.asked)
    assert (await world.call("GET", "/credentials/main/models", token=auditor)).status == 200
    assert (await world.call("POST", "/credentials/main/models/refresh", token=auditor)).status == 403
    assert len(world.transport.asked) == asked
