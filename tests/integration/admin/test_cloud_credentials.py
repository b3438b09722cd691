"""Credentials whose key is exchanged for a token: what they are given with, and who may use the gateway's identity."""

from typing import Any

import pytest

from keystead.domain.access import Role
from tests.fakes.tokens import EMAIL, service_account
from tests.integration.admin.world import World, provider_key

PLACE = {"project": "example-project", "location": "europe-west4"}
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/here"
FEDERATED = {**PLACE, "identity": "workload", "audience": AUDIENCE}
APP = {"tenant_id": "contoso.example", "client_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"}


def asked(**changes: Any) -> dict[str, Any]:
    return {"name": "cloud", "provider": "vertex", "key": service_account(), "settings": PLACE, **changes}


async def test_the_location_says_where_a_credential_points_and_what_it_costs(world: World) -> None:
    answer = await world.post("/credentials", asked(), expect=201)

    credential = answer["credential"]
    assert credential["origin"] == "https://europe-west4-aiplatform.googleapis.com"
    assert credential["region"] == "europe-west4"
    assert credential["versions"][0]["mask"] == f"{EMAIL} 01234567…"
    assert "PRIVATE" not in str(answer) + str(await world.get("/audit-events"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"settings": {"project": "example-project"}}, "invalid_setting"),
        ({"settings": {**PLACE, "location": "../global"}}, "invalid_setting"),
        ({"settings": {**PLACE, "identity": "workload"}, "key": "workload"}, "invalid_setting"),
        ({"key": provider_key("a")}, "invalid_service_account"),
        ({"key": "workload"}, "invalid_provider_key"),
        ({"settings": FEDERATED}, "invalid_provider_key"),
        (
            {"provider": "azure", "origin": "https://x.openai.azure.com", "settings": {"cloud": "moon"}},
            "invalid_setting",
        ),
    ],
)
async def test_what_cannot_work_is_refused_before_anything_is_asked(
    light_world: World, changes: dict[str, Any], code: str
) -> None:
    answer = await light_world.post("/credentials", asked(**changes), expect=400)

    assert answer["code"] == code
    assert light_world.transport.asked == []


async def test_an_applications_secret_is_kept_as_any_key(light_world: World) -> None:
    body = asked(provider="azure", origin="https://x.openai.azure.com", key=provider_key("a"), settings=APP)
    answer = await light_world.post("/credentials", body, expect=201)

    assert answer["credential"]["settings"] == APP


async def test_only_the_operator_lets_a_credential_act_as_the_gateway(light_world: World) -> None:
    owner = await light_world.signed_in_as(Role.OWNER)
    body = asked(key="workload", settings=FEDERATED)
    refused = await light_world.call("POST", "/credentials", body, token=owner)
    assert refused.status == 403

    answer = await light_world.post("/credentials", body, expect=201)
    assert answer["credential"]["versions"][0]["mask"] == "workload"
    change = {"settings": {**FEDERATED, "project": "another"}}
    assert (await light_world.call("POST", "/credentials/cloud/change", change, token=owner)).status == 403
    key = {"key": "workload", "allow_duplicate": True}
    assert (await light_world.call("POST", "/credentials/cloud/rotate", key, token=owner)).status == 403


async def test_what_says_where_a_key_goes_stays_while_the_key_is_kept(light_world: World) -> None:
    await light_world.post("/credentials", asked(), expect=201)
    moved = await light_world.post(
        "/credentials/cloud/change", {"settings": {**PLACE, "location": "global"}}, expect=409
    )
    assert moved["code"] == "setting_bound"
    await light_world.post("/credentials/cloud/change", {"settings": {**PLACE, "project": "another"}}, expect=200)
