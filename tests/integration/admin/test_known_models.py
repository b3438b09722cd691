"""Every model there is to an organization: what it costs, through what it can be had, and which names lead to it."""

import json
from typing import Any

from keystead.domain.access import Role
from tests.integration.admin.world import World, provider_key


async def offering(world: World, *names: str, key: str = "main") -> None:
    body = {"object": "list", "data": [{"id": name, "created": 1_767_225_600} for name in names]}
    world.transport.answers[provider_key(key)] = (200, json.dumps(body).encode())
    await world.add_credential(key)
    await world.post(f"/credentials/{key}/models/refresh")


async def names(world: World, query: str) -> list[str]:
    return [one["model"]["model"] for one in (await world.get(f"/models?{query}"))["items"]]


async def test_a_model_is_usable_through_the_credentials_whose_providers_list_it(world: World) -> None:
    await offering(world, "gpt-5", "ft:gpt-4o:acme::1", "gpt-tomorrow")
    page = await world.get("/models?usable=true&provider=openai")
    found = {one["model"]["model"]: one for one in page["items"]}
    assert set(found) == {"gpt-5", "ft:gpt-4o:acme::1", "gpt-tomorrow"}
    assert page["usable"] == 3 < page["total"]
    assert [(each["credential"], each["model"], each["listed"]) for each in found["gpt-5"]["through"]] == [
        ("main", "gpt-5", True)
    ]
    assert (found["gpt-5"]["catalogued"], found["gpt-5"]["priced"]) == (True, True)
    tomorrow = found["gpt-tomorrow"]
    assert (tomorrow["catalogued"], tomorrow["priced"], tomorrow["model"]["released"]) == (False, False, "2026-01-01")
    assert found["ft:gpt-4o:acme::1"]["fine_tuned"]
    assert await names(world, "usable=true&provider=openai&priced=false&q=tomorrow") == ["gpt-tomorrow"]


async def test_models_are_filtered_sorted_and_paged_to_the_end(light_world: World) -> None:
    world = light_world
    found: list[str] = []
    cursor = ""
    while True:
        page = await world.get(f"/models?provider=mistral&sort=released&limit=20{cursor}")
        found += [one["model"]["released"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(found) == page["total"]
    assert found == sorted(found, reverse=True)
    for query, holds in (
        ("reads=image", lambda one: "image" in one["model"]["input"]),
        ("writes=audio", lambda one: "audio" in one["model"]["output"]),
        ("deprecated=true", lambda one: one["model"]["status"] == "deprecated"),
        ("deprecated=false", lambda one: one["model"]["status"] not in {"deprecated", "retired"}),
        ("priced=false", lambda one: one["model"]["prices"] == {}),
        ("capability=embeddings", lambda one: "embeddings" in one["model"]["capabilities"]),
    ):
        items = (await world.get(f"/models?{query}&limit=200"))["items"]
        assert items, query
        assert all(holds(one) for one in items), query
    assert (await world.call("GET", "/models?cursor=bm93aGVyZQ")).status == 400
    assert (await world.call("GET", "/models?reads=smell")).status == 400


async def test_a_price_of_ones_own_stands_before_the_list(world: World) -> None:
    await offering(world, "gpt-tomorrow")
    prices = {"input_tokens": "0.000001", "output_tokens": "0.000002"}
    await world.post("/price-overrides", {"provider": "openai", "model": "gpt-tom*", "prices": prices}, expect=201)
    shown = (await world.get("/model?provider=openai&model=gpt-tomorrow"))["known"]
    assert shown["priced"]
    assert shown["own_price"]["prices"] == prices
    assert (await world.call("GET", "/model?provider=openai&model=never-heard-of")).status == 404


async def test_the_names_that_lead_to_a_model_are_told(world: World) -> None:
    await offering(world, "gpt-5", "gpt-5.5")
    await world.post(
        "/model-routes", {"name": "coding", "attempts": [{"model": "gpt-5", "credential": "main"}]}, expect=201
    )
    family = (await world.get("/model?provider=openai&model=gpt-5"))["family"]["name"]
    attempts = [{"model": family, "provider": "openai"}]
    await world.post("/model-routes", {"name": "latest", "attempts": attempts}, expect=201)
    other = [{"model": "gpt-5", "provider": "azure"}]
    await world.post("/model-routes", {"name": "elsewhere", "attempts": other}, expect=201)
    shown = await world.get("/model?provider=openai&model=gpt-5")
    assert [route["name"] for route in shown["routes"]] == ["coding", "latest"]
    assert shown["family"] == {"name": "family:gpt", "newest": False}
    [found] = (await world.get("/families?names=gpt"))["items"]
    assert [(each["credential"], each["model"]) for each in found["newest"]] == [("main", "gpt-5.5")]


async def test_families_are_searched_and_paged(world: World) -> None:
    await world.add_credential()
    found: list[str] = []
    cursor = ""
    while True:
        page = await world.get(f"/families?q=gpt&limit=3{cursor}")
        found += [one["name"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == sorted(set(found))
    assert {"family:gpt", "family:gpt-mini"} <= set(found)


async def test_who_may_not_see_credentials_is_not_told_their_names(world: World) -> None:
    await world.add_credential("secret-project")
    token = await world.signed_in_as(Role.DEVELOPER)
    answer = await world.call("GET", "/models?usable=true&limit=200", token=token)
    assert answer.status == 200
    assert b"secret-project" not in answer.body
    await world.add_credential("secret-other")
    families = await world.call("GET", "/families?names=gpt", token=token)
    assert b"secret-" not in families.body
    [family] = families.json()["items"]
    [newest] = family["newest"]
    assert (newest["credential_id"], newest["credential"], newest["provider"]) == (None, None, "openai")
    items: list[Any] = answer.json()["items"]
    assert items
    assert all(one["usable"] and one["through"] is None for one in items)


async def test_another_organizations_credentials_lead_nowhere_here(world: World) -> None:
    theirs = await world.other_organization()
    body = {"name": "theirs", "provider": "openai", "key": provider_key("theirs")}
    await world.call("POST", "/credentials", body, token=theirs)
    assert await names(world, "usable=true&provider=openai") == []
    assert (await world.call("GET", "/models?usable=true&provider=openai", token=theirs)).json()["usable"] > 0
