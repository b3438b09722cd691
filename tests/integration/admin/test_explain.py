"""Why a key may, or may not, use a model: before the fact, and after it."""

from typing import Any, Final

import pytest
from sqlalchemy import insert

from keystead.domain.access import Role
from keystead.domain.ids import TeamId
from keystead.domain.means import Hold
from keystead.domain.money import PICO_PER_UNIT
from keystead.storage.governance import counters
from tests.integration.admin.settled import settled
from tests.integration.admin.test_simulate import refused
from tests.integration.admin.world import World

# 1,000 bytes and 256 tokens around them, at gpt-5's dearest price; 100 tokens of an answer.
MOST: Final = "0.01085"
RESTRICTED: Final = (
    "zero data retention",
    "no training on the data",
    "a data processing agreement",
    "that it is the organization's own",
)


async def explained(world: World, key: str = "first key", model: str = "gpt-5", **asked: Any) -> Any:
    body = {"virtual_key": key, "model": model, "max_output_tokens": 100} | asked
    return await world.post("/explain", body)


def says(answer: Any, kind: str) -> list[tuple[str, str]]:
    return [(rule["name"], rule["says"]) for rule in answer["rules"] if rule["kind"] == kind]


async def key(world: World, **narrowed: Any) -> str:
    made = await world.post("/virtual-keys", {"name": "k", "team": "Default team"} | narrowed, expect=201)
    return str(made["virtual_key"]["id"])


# --- Before the fact ---------------------------------------------------------------------------------------------------


async def test_what_is_allowed_is_told_with_its_grants_its_attempts_and_what_it_costs_at_most(world: World) -> None:
    await world.add_credential()
    answer = await explained(world)
    assert (answer["allowed"], answer["code"]) == (True, "")
    [attempt], [considered], [grant] = answer["attempts"], answer["considered"], answer["grants"]
    assert (attempt["credential"], attempt["most"], attempt["currency"]) == ("main", MOST, "USD")
    assert attempt["most_basis"].startswith("input by bytes of the body, output by limit in the request, prices: ")
    assert (considered["allowed"], considered["reason"]) == (True, answer["reason"])
    assert (grant["grant_id"], grant["applies"]) == (attempt["grant"], True)
    assert answer["rules"] == []
    denied = await world.post(
        "/grants", {"effect": "deny", "everyone": True, "models": ["gpt-5"], "condition": "has(tags.x)"}, expect=201
    )
    assert (await explained(world))["allowed"]
    tagged = await explained(world, tags={"x": "1"})
    assert (tagged["allowed"], tagged["code"], tagged["attempts"]) == (False, "not_granted", [])
    assert {one["grant_id"]: one["applies"] for one in tagged["grants"]} == {denied["id"]: True, attempt["grant"]: True}


async def test_a_budget_without_room_refuses_and_says_which(world: World) -> None:
    await world.add_credential()
    made = await world.post(
        "/budgets", {"name": "daily", "organization": True, "period": "day", "limit": "10"}, expect=201
    )
    answer = await explained(world)
    [attempt] = answer["attempts"]
    assert (answer["allowed"], attempt["refusal"]) == (True, "")
    assert attempt["held"] == [{"kind": "budget", "name": "daily", "amount": MOST, "limit": "10", "currency": "USD"}]
    row = {
        "counter_id": made["id"],
        "bucket_at": world.clock.now_us(),
        "organization_id": world.organization_id,
        "ceiling": None,
        "spent": 9 * PICO_PER_UNIT,
        "held": PICO_PER_UNIT - 10_850_000_000 + 1,
    }
    async with world.database.write() as conn:
        await conn.execute(insert(counters).values(row))
    answer = await explained(world)
    assert (answer["allowed"], answer["code"]) == (False, "not_affordable")
    assert answer["attempts"][0]["refusal"] == "The budget 'daily' has no room for this request."
    world.clock.advance(86_400)
    await world.snapshots.refresh()
    assert (await explained(world))["allowed"]


async def test_a_platform_credential_is_paid_from_the_prepaid_account(world: World) -> None:
    sold = await world.add_credential("sold", platform=True, margin_ppm=0)
    await world.post("/grants", {"everyone": True, "credentials": [sold["id"]]}, expect=201)
    [attempt] = (await explained(world))["attempts"]
    assert [(held["kind"], held["amount"], held["currency"]) for held in attempt["held"]] == [
        ("credits", "1.085", "XCR")
    ]
    await world.post("/credit-adjustments", {"credits": "-99.5", "reason": "to see what happens"})
    answer = await explained(world)
    assert (answer["allowed"], answer["attempts"][0]["refusal"]) == (
        False,
        "The prepaid account has no room for this request.",
    )


async def test_every_rule_that_takes_part_is_told_in_words(light_world: World) -> None:
    world = light_world
    terms = {"retention_days": 0, "no_training": True, "dpa_reference": "DPA-1"}
    await world.add_credential()
    await world.post("/credentials/main/terms", terms)
    await world.post("/teams/Default team/data-class", {"data_class": "internal"})
    await world.post("/recognizers", {"name": "mail", "kind": "email", "action": "block"}, expect=201)
    await world.post(
        "/model-routes",
        {"name": "coding", "strategy": "ordered", "attempts": [{"provider": "openai", "model": "gpt-5"}]},
        expect=201,
    )
    for measure, most in (("requests_per_minute", 60), ("max_output_tokens", 200)):
        limit = {"name": measure.replace("_", "-"), "organization": True, "measure": measure, "most": most}
        await world.post("/rate-limits", limit, expect=201)
    narrowed = await key(world, models=["coding"], max_output_tokens=150, data_class="confidential", endpoints=["chat"])
    answer = await explained(world, narrowed, "coding", data_class="restricted")
    assert answer["allowed"]
    assert says(answer, "virtual_key") == [
        ("k", "It may use these models only: coding."),
        ("k", "It may use these endpoints only: chat."),
        ("k", "It may ask for 150 output tokens at most."),
    ]
    assert says(answer, "data_class") == [
        ("internal", "The request is at least internal, says its team."),
        ("confidential", "The request is at least confidential, says its virtual key."),
        ("restricted", "The request is at least restricted, says its header."),
        (
            "restricted",
            f"It is restricted, and needs of a credential: {', '.join(RESTRICTED)}.",
        ),
    ]
    assert len(says(answer, "recognizers")) == 1
    assert says(answer, "route") == [("coding", "It is a route with 1 attempt, ordered.")]
    assert sorted(says(answer, "limit")) == [
        ("max-output-tokens", "At most 200 output tokens."),
        ("requests-per-minute", "At most 60 requests per minute."),
    ]
    long = await explained(world, narrowed, "coding", max_output_tokens=151)
    assert (long["allowed"], long["code"], long["attempts"]) == (False, "output_limit", [])
    assert long["considered"] == answer["considered"]
    assert (await explained(world, narrowed, "coding", endpoint="embeddings"))["code"] == "endpoint_not_allowed"


async def test_where_the_caller_is_counts_if_it_is_told(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    narrowed = await key(world, networks=["10.0.0.0/8"])
    answer = await explained(world, narrowed)
    assert answer["allowed"]
    assert says(answer, "virtual_key") == [("k", "It may use these networks only: 10.0.0.0/8.")]
    assert (await explained(world, narrowed, address="10.1.2.3"))["allowed"]
    assert (await explained(world, narrowed, address="192.0.2.1"))["code"] == "network_not_allowed"


async def test_a_key_that_has_ended_may_do_nothing(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    made = await key(world, expires_at="2026-01-01T00:00:10Z")
    assert (await explained(world, made))["allowed"]
    world.clock.advance(10)
    expired = await explained(world, made)
    assert (expired["allowed"], expired["code"]) == (False, "invalid_key")
    await world.post("/virtual-keys/first key/revoke")
    assert (await explained(world))["reason"] == "The virtual key is revoked or has expired."


# --- After the fact ----------------------------------------------------------------------------------------------------


async def explanation(world: World, request: str) -> Any:
    return await world.get(f"/requests/{request}/explanation")


def hold(name: str, amount: int) -> Hold:
    return Hold(
        counter_id="bud_1",
        kind="budget",
        bucket_at=0,
        since_at=0,
        amount=amount,
        limit=None,
        on_unknown=0,
        name=name,
        currency="USD",
    )


async def test_a_recorded_request_is_explained_with_its_rules_its_attempts_and_their_most(world: World) -> None:
    await world.add_credential()
    grant = await world.post("/grants", {"everyone": True, "note": "for all", "condition": "hour < 24"}, expect=201)
    decision = {
        "rule": "route:coding",
        "strategy": "ordered",
        "grant": grant["id"],
        "refused": {"other": "No grant lets team team_1 use credential other for gpt-5."},
    }
    identifier = await settled(world, asked="coding", decision=decision, holds=(hold("daily", 7_100_000_000),))
    await world.post(f"/grants/{grant['id']}/revoke")
    answer = await explanation(world, identifier)
    said = f"Allowed by grant {grant['id']} (for all) when hour < 24. It has been revoked since."
    assert (answer["allowed"], answer["code"], answer["reason"]) == (True, "", said)
    assert (answer["rule"], answer["model"], answer["virtual_key"]) == ("route:coding", "coding", "first key")
    [attempt] = answer["attempts"]
    assert attempt | {"most_basis": ""} == {
        "number": 1,
        "credential": "main",
        "version": 1,
        "owner": "own",
        "provider": "openai",
        "model": "gpt-5",
        "because": "",
        "consent": "",
        "ended": "settled",
        "held": [{"kind": "budget", "name": "daily", "amount": "0.0071", "currency": "USD"}],
        "most": "0.0071",
        "most_currency": "USD",
        "most_basis": "",
        "cost": "0.000325",
        "currency": "USD",
        "charge": None,
    }
    assert answer["most"] == {"USD": "0.0071"}
    assert answer["passed"] == [{"credential": "other", "reason": decision["refused"]["other"]}]
    assert says(answer, "route") == [("coding", "It is a route, ordered.")]
    assert says(answer, "budget") == [("daily", "It had room for the 0.0071 USD that attempt 1 held.")]


async def test_who_may_not_see_grants_is_told_which_one_it_was_and_no_more(light_world: World) -> None:
    world = light_world
    await world.add_credential()
    grant = await world.post("/grants", {"everyone": True, "note": "board only"}, expect=201)
    identifier = await settled(world, decision={"rule": "only", "grant": grant["id"]})
    token = await world.signed_in_as(Role.FINANCE)
    answer = (await world.call("GET", f"/requests/{identifier}/explanation", token=token)).json()
    assert answer["reason"] == f"Allowed by grant {grant['id']}."


async def test_a_refused_request_says_why_it_was(light_world: World) -> None:
    world = light_world
    identifier = await refused(
        world,
        model="gpt-5",
        code="not_granted",
        decision='{"reason":"No grant lets team team_1 use credential main for gpt-5."}',
        outline='{"body_bytes":9,"said":"restricted","redacted":true,"own_only":true}',
    )
    answer = await explanation(world, identifier)
    assert (answer["allowed"], answer["code"], answer["attempts"], answer["most"]) == (False, "not_granted", [], {})
    assert answer["reason"] == "No grant lets team team_1 use credential main for gpt-5."
    assert [rule["kind"] for rule in answer["rules"]] == ["recognizers", "consent"]


@pytest.mark.parametrize(
    ("outline", "by"),
    [
        ('{"body_bytes":9,"said":"internal"}', "its header"),
        ('{"body_bytes":9,"found":["internal"],"said":"internal"}', "a recogniser"),
        ('{"body_bytes":9}', "its team or its virtual key, or because nobody said more"),
    ],
)
async def test_it_is_told_who_made_a_request_as_sensitive_as_it_was(light_world: World, outline: str, by: str) -> None:
    await light_world.add_credential()
    identifier = await settled(light_world, data_class="internal", outline=outline)
    assert says(await explanation(light_world, identifier), "data_class") == [
        ("internal", f"The request was taken to be internal, by {by}.")
    ]


async def test_what_was_recorded_without_an_outline_has_no_most(light_world: World) -> None:
    await light_world.add_credential()
    answer = await explanation(light_world, await settled(light_world, outline=""))
    [attempt] = answer["attempts"]
    assert (attempt["most"], attempt["most_basis"], answer["most"]) == (None, "what it asked for was not kept", {})


async def test_a_request_of_elsewhere_is_as_absent_as_one_that_never_was(world: World) -> None:
    await world.add_credential()
    identifier = await settled(world, team_id="team_elsewhere")
    stranger = await world.other_organization()
    in_team = await world.signed_in_as(Role.AUDITOR, team_id=TeamId(world.team_id))
    for token in (stranger, in_team):
        answer = await world.call("GET", f"/requests/{identifier}/explanation", token=token)
        assert (answer.status, answer.json()["detail"]) == (404, "There is no such request.")
    assert (await world.call("GET", "/requests/req_0/explanation")).status == 404


async def test_one_can_ask_for_a_team_or_a_person_that_has_no_key(world: World) -> None:
    await world.add_credential()
    team = (await world.post("/teams", {"name": "Interns"}, expect=201))["id"]
    await world.post("/members", {"name": "ida", "team": team, "roles": [{"role": "developer"}]}, expect=201)
    await world.post("/service-accounts", {"name": "bot", "team": team}, expect=201)
    await world.post("/grants", {"effect": "deny", "member": "ida", "models": ["gpt-5"]}, expect=201)
    answers = {
        whose: await world.post("/explain", {whose: name, "model": "gpt-5"})
        for whose, name in (("team", "Interns"), ("member", "ida"), ("service_account", "bot"))
    }
    assert {whose: answer["allowed"] for whose, answer in answers.items()} == {
        "team": True,
        "member": False,
        "service_account": True,
    }
    assert answers["member"]["code"] == "not_granted"
    await world.post("/members/ida/disable")
    assert (await world.post("/explain", {"member": "ida", "model": "gpt-5"}))["code"] == "invalid_key"
    await world.post("/explain", {"model": "gpt-5"}, expect=400)
    await world.post("/explain", {"model": "gpt-5", "member": "ida", "team": team}, expect=400)
