"""Signed updates through the API: reviewed, applied, in force at once, never twice, and nobody's but the operator's."""

from typing import Any

import msgspec

from keystead.catalogue.facts import ModelCatalogue, ModelFacts
from keystead.domain.access import Role
from tests.fakes.signer import SIGNER, Signer, price_list
from tests.integration.admin.world import World

NEW = {"input_tokens": "0.000002", "output_tokens": "0.000008"}


def update(prices: dict[str, dict[str, str]] | None = None, built_on: str = "2027-01-01") -> dict[str, Any]:
    return {"update": SIGNER.sign({"format": 1, "prices": price_list(prices or {"gpt-99": NEW}, built_on)})}


async def refused(world: World, body: dict[str, Any]) -> tuple[int, str]:
    answer = await world.call("POST", "/catalogue-updates", body)
    return answer.status, answer.json()["code"]


async def test_a_review_tells_what_would_change_and_changes_nothing(light_world: World) -> None:
    world = light_world
    body = update({"gpt-99": NEW, "gpt-5": {"input_tokens": "0.000001"}})
    found = (await world.call("POST", "/catalogue-updates/review", body)).json()
    changes = {(one["change"], one["provider"], one["model"]): one["fields"] for one in found["changes"]}
    assert set(changes) == {("added", "openai", "gpt-99"), ("changed", "openai", "gpt-5")}
    assert {"field": "output_tokens", "before": "", "after": "0.000008"} in changes["added", "openai", "gpt-99"]
    dearer = next(f for f in changes["changed", "openai", "gpt-5"] if f["field"] == "input_tokens")
    assert dearer == {"field": "input_tokens", "before": "0.00000125", "after": "0.000001"}
    assert found["prices_before"] != found["prices_after"]
    assert (await world.get("/catalogue-updates"))["updates"] == []
    assert (await world.get("/price-sheets?model=gpt-99"))["sheets"] == []


async def test_what_is_applied_counts_from_then_on_and_is_told(light_world: World) -> None:
    world = light_world
    models = ModelCatalogue().document
    fresh = ModelFacts(id="gpt-99", name="GPT-6", family="gpt", context=2_000_000)
    document = msgspec.structs.replace(
        models, built_on="2027-01-01", providers={**models.providers, "openai": (*models.providers["openai"], fresh)}
    )
    prices = price_list({"gpt-99": NEW})
    body = {"update": SIGNER.sign({"format": 1, "prices": prices, "models": document})}
    answer = await world.call("POST", "/catalogue-updates", body)
    assert answer.status == 201
    assert {(one["about"], one["model"]) for one in answer.json()["changes"]} == {
        ("price", "gpt-99"),
        ("model", "gpt-99"),
    }
    world.clock.advance(2_000_000)
    shown = await world.get("/catalogue-updates")
    assert shown["prices"].endswith("/2027-01-01")
    assert [one["key_id"] for one in shown["updates"]] == list(shown["trusted_keys"])
    [sheet] = (await world.get("/price-sheets?model=gpt-99&provider=openai"))["sheets"]
    assert sheet["rows"][0]["prices"] == NEW
    [model] = (await world.get("/catalogue?q=gpt-99&provider=openai"))["items"]
    assert model["context"] == 2_000_000
    [event] = (await world.get("/audit-events?action=catalogue.updated"))["items"]
    assert event["details"]["sha256"] == answer.json()["sha256"]


async def test_another_process_reads_the_same_and_only_once(light_world: World) -> None:
    world = light_world
    await world.call("POST", "/catalogue-updates", update())
    book = world.snapshots.current.price_book
    await world.snapshots.refresh()
    assert world.snapshots.current.price_book.catalogue is book.catalogue


async def test_the_same_again_or_an_older_one_is_refused(light_world: World) -> None:
    world = light_world
    body = update()
    assert (await world.call("POST", "/catalogue-updates", body)).status == 201
    assert await refused(world, body) == (409, "update_not_newer")
    assert await refused(world, update(built_on="2020-01-01")) == (409, "update_not_newer")
    assert (await world.call("POST", "/catalogue-updates", update(built_on="2027-01-02"))).status == 201
    assert len((await world.get("/catalogue-updates"))["updates"]) == 2


async def test_what_is_not_signed_by_a_trusted_key_or_cannot_be_used_is_refused(light_world: World) -> None:
    world = light_world
    contents = {"format": 1, "prices": price_list({"gpt-99": NEW})}
    assert await refused(world, {"update": Signer().sign(contents)}) == (400, "signature_invalid")
    assert await refused(world, {"update": SIGNER.sign(contents, "text/plain")}) == (400, "wrong_type")
    for bad in (
        b"[]",
        b"\xff",
        {"format": 2, "prices": contents["prices"]},
        {"format": 1},
        {"format": 1, "prices": price_list({"gpt-99": {"input_tokens": "2000000"}})},
        {"format": 1, "more": 1},
    ):
        assert await refused(world, {"update": SIGNER.sign(bad)}) == (400, "invalid_update"), bad
    assert (await world.get("/catalogue-updates"))["updates"] == []


async def test_an_owner_of_an_organization_sees_updates_and_applies_none(light_world: World) -> None:
    world = light_world
    token = await world.signed_in_as(Role.OWNER)
    assert (await world.call("GET", "/catalogue-updates", token=token)).status == 200
    for path in ("/catalogue-updates", "/catalogue-updates/review"):
        assert (await world.call("POST", path, update(), token=token)).status == 403
