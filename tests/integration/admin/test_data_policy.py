"""Data classes, recognisers and the terms of credentials, through the admin API."""

from typing import Any

import pytest

from keystead.domain.access import Role
from keystead.domain.grants import Requirement, Terms
from tests.integration.admin.world import World


async def test_the_classes_are_listed_least_sensitive_first_with_what_they_ask_for(light_world: World) -> None:
    items = (await light_world.get("/data-classes"))["items"]
    assert [(one["name"], one["rank"], one["built_in"], one["own"]) for one in items] == [
        ("public", 100, True, False),
        ("internal", 200, True, False),
        ("confidential", 300, True, False),
        ("restricted", 400, True, False),
    ]
    assert items[3]["in_effect"] == {
        "regions": [],
        "most_retention_days": 0,
        "no_training": True,
        "baa": False,
        "dpa": True,
        "own_key_only": True,
    }


async def test_a_class_is_set_counts_at_once_and_is_removed(world: World) -> None:
    asked = {"regions": ["eu", "de"], "baa": True}
    items = (await world.post("/data-classes", {"name": "patient", "rank": 350, "requirement": asked}))["items"]
    patient, restricted = items[3:]
    assert (patient["name"], patient["own"], patient["built_in"]) == ("patient", True, False)
    assert patient["requirement"]["no_training"] is False
    assert patient["in_effect"]["no_training"] is True
    assert restricted["requirement"]["baa"] is False
    assert restricted["in_effect"]["baa"] is True
    [event] = (await world.get("/audit-events?action=data_class.set"))["items"]
    assert event["details"]["rank"] == 350
    found = world.snapshots.current.rules[world.organization_id].classes.get("patient")
    assert found is not None
    assert found.requirement == Requirement(regions=("eu", "de"), baa=True, no_training=True)
    await world.post(f"/teams/{world.team_id}/data-class", {"data_class": "patient"})
    answer = await world.call("POST", "/data-classes/patient/remove")
    assert (answer.status, answer.json()["code"]) == (409, "data_class_in_use")
    await world.post(f"/teams/{world.team_id}/data-class", {"data_class": ""})
    left = (await world.post("/data-classes/patient/remove"))["items"]
    assert [one["name"] for one in left] == ["public", "internal", "confidential", "restricted"]
    assert (await world.call("POST", "/data-classes/patient/remove")).status == 404


async def test_a_class_that_cannot_be_is_refused_and_nothing_changes(
    light_world: World, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"name": "Patient", "rank": 350}, "invalid_request"),
        ({"name": "patient"}, "invalid_request"),
        ({"name": "patient", "rank": 0}, "invalid_request"),
        ({"name": "patient", "rank": 300}, "rank_taken"),
        ({"name": "internal", "rank": 201}, "invalid_request"),
        ({"name": "restricted", "requirement": {"dpa": True}}, "own_key_only"),
        ({"name": "patient", "rank": 350, "requirement": {"regions": ["EU"]}}, "invalid_request"),
        ({"name": "patient", "rank": 350, "requirement": {"most_retention_days": -1}}, "invalid_request"),
        ({"name": "patient", "rank": 350, "requirement": {"zdr": True}}, "invalid_request"),
    )
    before = await light_world.get("/data-classes")
    for body, code in cases:
        with subtests.test(body=body):
            answer = await light_world.call("POST", "/data-classes", body)
            assert (answer.status in {400, 409}, answer.json()["code"]) == (True, code)
            assert await light_world.get("/data-classes") == before


async def test_a_recogniser_is_added_counts_at_once_and_is_removed(world: World) -> None:
    body = {"name": "apollo", "kind": "pattern", "pattern": "APOLLO-[0-9]+", "action": "raise"}
    added = await world.post("/recognizers", body | {"data_class": "confidential"}, expect=201)
    assert (added["name"], added["created_by"]) == ("apollo", world.member_id)
    assert (await world.get("/recognizers"))["items"] == [added]
    recognizers = world.snapshots.current.rules[world.organization_id].recognizers
    assert recognizers is not None
    assert recognizers.scan(b'{"a":"about APOLLO-11"}').data_classes == ("confidential",)
    assert await world.post("/recognizers/apollo/remove") == added
    assert (await world.get("/recognizers"))["items"] == []
    assert world.snapshots.current.rules[world.organization_id].recognizers is None
    for action in ("recognizer.added", "recognizer.removed"):
        [event] = (await world.get(f"/audit-events?action={action}"))["items"]
        assert event["object_id"] == added["id"]


async def test_a_recogniser_that_is_not_one_is_refused_with_the_reason(
    light_world: World, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"name": "x", "kind": "passport", "action": "block"}, "invalid_request", "kind"),
        ({"name": "x", "kind": "pattern", "action": "block"}, "pattern_invalid", "pattern"),
        ({"name": "x", "kind": "pattern", "pattern": "(a+", "action": "block"}, "pattern_invalid", "pattern"),
        ({"name": "x", "kind": "pattern", "pattern": "a*", "action": "block"}, "pattern_invalid", "pattern"),
        ({"name": "x", "kind": "secret", "action": "drop"}, "invalid_request", "action"),
        ({"name": "x", "kind": "secret", "action": "raise"}, "data_class_unknown", "data_class"),
        ({"name": "X y", "kind": "secret", "action": "block"}, "invalid_request", "name"),
    )
    for body, code, param in cases:
        with subtests.test(body=body):
            answer = await light_world.call("POST", "/recognizers", body)
            assert (answer.status, answer.json()["code"], answer.json()["param"]) == (400, code, param)
            assert (await light_world.get("/recognizers"))["items"] == []


async def test_terms_are_said_counted_and_lost_with_the_destination(world: World) -> None:
    await world.add_credential("openai-eu")
    body = {
        "regions": ["eu", "eu"],
        "retention_days": 0,
        "no_training": True,
        "dpa_reference": "DPA 2026-7",
        "ends_at": "2026-12-31T00:00:00Z",
    }
    shown = await world.post("/credentials/openai-eu/terms", body)
    assert shown["terms"] == body | {"regions": ["eu"], "baa_reference": ""}
    [event] = (await world.get("/audit-events?action=credential.terms_set"))["items"]
    assert (event["details"]["before"]["regions"], event["details"]["terms"]["regions"]) == ([], ["eu"])
    [held] = world.snapshots.current.rules[world.organization_id].credentials
    assert held.terms == Terms(
        regions=("eu",),
        retention_days=0,
        no_training=True,
        dpa_reference="DPA 2026-7",
        ends_at=1_798_675_200_000_000,
    )
    moved = await world.post("/credentials/openai-eu/destination", {"origin": "https://eu.api.openai.com"})
    assert (moved["terms"]["regions"], moved["terms"]["no_training"]) == ([], False)


async def test_terms_that_are_none_are_refused_and_nothing_changes(
    light_world: World, subtests: pytest.Subtests
) -> None:
    cases: tuple[dict[str, Any], ...] = (
        {"regions": ["E U"]},
        {"retention_days": -1},
        {"retention_days": 1e309},
        {"ends_at": "2025-01-01T00:00:00Z"},
        {"ends_at": "2026-12-31"},
        {"dpa_reference": "x" * 201},
        {"zdr": True},
    )
    added = await light_world.add_credential()
    for body in cases:
        with subtests.test(body=body):
            sent = body if 1e309 not in body.values() else b'{"retention_days":1e309}'
            assert (await light_world.call("POST", "/credentials/main/terms", sent)).status == 400
            assert await light_world.get("/credentials/main") == added


async def test_who_says_what_is_needed_need_not_say_what_is_promised(light_world: World) -> None:
    await light_world.add_credential()
    custodian = await light_world.signed_in_as(Role.KEY_CUSTODIAN)
    terms = await light_world.call("POST", "/credentials/main/terms", {"no_training": True}, token=custodian)
    assert terms.status == 200
    asked = await light_world.call("POST", "/data-classes", {"name": "confidential"}, token=custodian)
    assert asked.status == 403


async def test_a_platform_credentials_terms_are_the_operators_to_say(light_world: World) -> None:
    await light_world.add_credential("sold", platform=True, margin_ppm=0)
    owner = await light_world.signed_in_as(Role.OWNER)
    answer = await light_world.call("POST", "/credentials/sold/terms", {"no_training": True}, token=owner)
    assert answer.status == 403
    assert (await light_world.post("/credentials/sold/terms", {"no_training": True}))["terms"]["no_training"]
