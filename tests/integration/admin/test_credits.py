"""Credits over the admin API: the organization looks, the operator books, and both logs say what was done."""

from decimal import Decimal
from typing import Any

import pytest

from keystead.domain.access import Role
from keystead.ledger.store import GRANTED, RECEIVED
from tests.integration.admin.world import World, provider_key

FREE = {"available": "100", "held": "0", "spent": "0", "paid_in": "100"}


async def topped_up(world: World, credits_: str, reference: str, **more: Any) -> Any:
    return await world.post("/credit-top-ups", {"credits": credits_, "reference": reference, **more})


async def other(world: World) -> tuple[str, str]:
    """Make another organization; return its id and its owner's admin token."""
    made = await world.post("/organizations", {"name": "Other"}, expect=201)
    return made["organization"]["id"], made["token"]


async def seen_by(world: World, token: str, path: str) -> Any:
    answer = await world.call("GET", path, token=token)
    assert answer.status == 200, answer.body
    return answer.json()


# --- What an organization sees ----------------------------------------------------------------------------------


async def test_an_organization_begins_with_a_hundred_credits_of_a_cent(world: World) -> None:
    shown = await world.get("/credits")
    assert shown == FREE | {"organization_id": world.organization_id, "credit_value": "0.01", "currency": "USD"}
    identifier, owner = await other(world)
    assert (await seen_by(world, owner, "/credits")) == shown | {"organization_id": identifier}


async def test_a_statement_and_its_lines_add_up_over_all_pages(world: World) -> None:
    for number in range(1, 6):
        world.clock.advance(3600)
        await topped_up(world, f"{number}.5", f"pay_{number}", note=f"invoice {number}")
    world.clock.advance(1)
    await world.post("/credit-adjustments", {"credits": "-2.25", "reason": "paid twice"})
    world.clock.advance(1)
    span = "since=2026-01-01T02:00:00Z&until=2026-01-02T00:00:00Z"
    statement = await world.get(f"/credit-statement?{span}")
    assert (statement["opening"], statement["topped_up"], statement["adjusted"]) == ("101.5", "16", "-2.25")
    assert (statement["granted"], statement["charged"], statement["closing"]) == ("0", "0", "115.25")
    lines: list[Any] = []
    cursor = ""
    while True:
        page = await world.get(f"/credit-transfers?{span}&limit=2{cursor}")
        lines += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [line["kind"] for line in lines] == ["topup"] * 4 + ["adjustment"]
    assert Decimal("101.5") + sum(Decimal(line["credits"]) for line in lines) == Decimal("115.25")
    assert lines[-1]["note"] == "paid twice"
    assert lines[0]["posted_at"] == "2026-01-01T02:00:00Z"
    whole = await world.get("/credit-statement?since=2025-12-31T00:00:00Z")
    assert (whole["opening"], whole["granted"]) == ("0", "100")
    assert whole["closing"] == (await world.get("/credits"))["available"] == "115.25"


async def test_an_organization_sees_nothing_of_anothers_credits(world: World) -> None:
    _, owner = await other(world)
    await topped_up(world, "5", "pay_1")
    world.clock.advance(1)
    lines = (await seen_by(world, owner, "/credit-transfers"))["items"]
    assert [line["kind"] for line in lines] == ["grant"]


# --- What the operator does -------------------------------------------------------------------------------------


async def test_a_payment_is_booked_once_and_told_to_both(world: World) -> None:
    identifier, owner = await other(world)
    first = await topped_up(world, "500", "pay_1", organization=identifier, note="invoice 7")
    world.clock.advance(1)
    again = await topped_up(world, "500", "pay_1", organization=identifier, note="invoice 7")
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["transfer"] == first["transfer"]
    assert (first["transfer"]["credits"], first["balance"]["available"]) == ("500", "600")
    assert again["balance"] == first["balance"]
    assert (await world.get("/credits"))["available"] == "100"
    events = (await world.get("/audit-events?action=credits.topped_up"))["items"]
    assert [event["details"]["repeated"] for event in events] == [True, False]
    assert {event["details"]["organization"] for event in events} == {identifier}
    [told] = (await seen_by(world, owner, "/audit-events?action=credits.topped_up"))["items"]
    assert (told["actor_kind"], told["actor_id"], told["object_id"]) == ("system", "operator", first["transfer"]["id"])
    assert told["details"] == {"credits": "500", "reference": "pay_1", "note": "invoice 7"}
    assert world.member_id not in str(await seen_by(world, owner, "/credit-transfers"))


@pytest.mark.parametrize("change", [{"credits": "501"}, {"note": "other"}, {"organization": None}])
async def test_one_reference_is_one_payment(light_world: World, change: dict[str, Any]) -> None:
    identifier, _ = await other(light_world)
    body = {"credits": "500", "reference": "pay_1", "organization": identifier}
    await light_world.post("/credit-top-ups", body)
    answer = await light_world.call("POST", "/credit-top-ups", body | change)
    assert (answer.status, answer.json()["code"], answer.json()["param"]) == (409, "reference_taken", "reference")


async def test_an_adjustment_takes_only_what_is_there(world: World) -> None:
    taken = await world.post("/credit-adjustments", {"credits": "-100", "reason": "closing the account"})
    assert (taken["transfer"]["credits"], taken["balance"]["available"]) == ("-100", "0")
    answer = await world.call(
        "POST", "/credit-adjustments", {"credits": "-0.000000000001", "reason": "one more, please"}
    )
    assert (answer.status, answer.json()["code"]) == (409, "not_enough_credits")
    given = await world.post("/credit-adjustments", {"credits": "+3", "reason": "an apology"})
    assert given["balance"]["available"] == "3"


async def test_the_trial_balance_is_zero_and_names_every_account(world: World) -> None:
    identifier, _ = await other(world)
    await topped_up(world, "250", "pay_1", organization=identifier)
    shown = await world.get("/trial-balance")
    assert (shown["agrees"], shown["difference"], shown["disagreements"]) == (True, "0", [])
    balances = {
        (line["id"] if not line["organization_id"] else line["organization"]): line for line in shown["accounts"]
    }
    assert balances["Other"]["balance"] == "350"
    assert balances["Other"]["organization_id"] == identifier
    assert balances["Default organization"]["balance"] == "100"
    assert (balances[GRANTED]["balance"], balances[RECEIVED]["balance"]) == ("-200", "-250")
    assert sum(Decimal(line["balance"]) for line in shown["accounts"]) == 0


ROUTES = (
    ("GET", "/credits", None),
    ("GET", "/credit-statement", None),
    ("GET", "/credit-transfers", None),
    ("POST", "/credit-top-ups", {"credits": "1", "reference": "pay_1"}),
    ("POST", "/credit-adjustments", {"credits": "1", "reason": "why"}),
    ("GET", "/trial-balance", None),
)


async def test_no_role_pays_in_and_only_those_who_may_look(light_world: World) -> None:
    readers = {Role.OWNER, Role.ADMINISTRATOR, Role.FINANCE, Role.AUDITOR}
    for role in Role:
        token = await light_world.signed_in_as(role)
        for position, (method, path, body) in enumerate(ROUTES):
            status = (await light_world.call(method, path, body, token=token)).status
            assert (status == 200) is (position < 3 and role in readers), (role, path)
            assert status in {200, 403}
    _, owner = await other(light_world)
    for method, path, body in ROUTES[3:]:
        assert (await light_world.call(method, path, body, token=owner)).status == 403
    assert (await light_world.get("/credits"))["paid_in"] == "100"


async def test_what_is_not_valid_is_refused_and_books_nothing(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[str, dict[str, Any], str | None], ...] = (
        ("top-ups", {"credits": "0", "reference": "p"}, "credits"),
        ("top-ups", {"credits": "-5", "reference": "p"}, "credits"),
        ("top-ups", {"credits": "NaN", "reference": "p"}, "credits"),
        ("top-ups", {"credits": "Infinity", "reference": "p"}, "credits"),
        ("top-ups", {"credits": "1e309", "reference": "p"}, "credits"),
        ("top-ups", {"credits": "0.0000000000001", "reference": "p"}, "credits"),
        ("top-ups", {"credits": "9223372.036854775808", "reference": "p"}, "credits"),
        ("top-ups", {"credits": "9" * 41, "reference": "p"}, "credits"),
        ("top-ups", {"credits": 5, "reference": "p"}, "credits"),
        ("top-ups", {"credits": "5", "reference": ""}, "reference"),
        ("top-ups", {"credits": "5", "reference": "a b"}, "reference"),
        ("top-ups", {"credits": "5", "reference": "a\n"}, "reference"),
        ("top-ups", {"credits": "5", "reference": "p", "note": "a\u0000"}, "note"),
        ("top-ups", {"credits": "5", "reference": "p", "organization": ""}, "organization"),
        ("top-ups", {"credits": "5", "reference": "p", "paid_in": "9"}, None),
        ("top-ups", {"credits": "5"}, None),
        ("adjustments", {"credits": "0", "reason": "why"}, "credits"),
        ("adjustments", {"credits": "--1", "reason": "why"}, "credits"),
        ("adjustments", {"credits": "1", "reason": ""}, "reason"),
        ("adjustments", {"credits": "1", "reason": " "}, "reason"),
        ("adjustments", {"credits": "1"}, None),
    )
    for path, body, param in cases:
        with subtests.test(path=path, body=body):
            answer = await light_world.call("POST", f"/credit-{path}", body)
            assert (answer.status, answer.json().get("param")) == (400, param), answer.body
            assert (await light_world.get("/trial-balance"))["accounts"][-1]["balance"] == "100"
            light_world.clock.advance(1)
            assert [line["kind"] for line in (await light_world.get("/credit-transfers"))["items"]] == ["grant"]


async def test_a_number_that_is_no_number_is_not_even_json(light_world: World) -> None:
    for number in (b"1e309", b"NaN", b"-1", b"1e400000000"):
        body = b'{"credits":' + number + b',"reference":"p"}'
        assert (await light_world.call("POST", "/credit-top-ups", body)).status == 400
    assert (await light_world.get("/credits"))["paid_in"] == "100"


async def test_an_account_that_is_full_says_so(light_world: World) -> None:
    answer = await light_world.call("POST", "/credit-top-ups", {"credits": "9223372", "reference": "p"})
    assert (answer.status, answer.json()["code"]) == (409, "account_full")


async def test_an_organization_that_is_not_there_is_not_found(light_world: World) -> None:
    body = {"credits": "5", "reference": "p", "organization": "org_00000000000000000000000000"}
    answer = await light_world.call("POST", "/credit-top-ups", body)
    assert (answer.status, answer.json()["code"]) == (404, "organization_not_found")


async def test_a_span_must_be_one(light_world: World, subtests: pytest.Subtests) -> None:
    for query in ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since=yesterday", "a=1"):
        with subtests.test(query=query):
            assert (await light_world.call("GET", f"/credit-statement?{query}")).status == 400


async def test_a_cursor_must_be_one_of_ours(light_world: World, subtests: pytest.Subtests) -> None:
    for cursor in ("x", "MQ", "IA", "MSA", "LTEgdHJmXzE", "OTk5OTk5OTk5OTk5OTk5OTk5OTkgYQ"):
        with subtests.test(cursor=cursor):
            answer = await light_world.call("GET", f"/credit-transfers?cursor={cursor}")
            assert (answer.status, answer.json()["code"]) == (400, "invalid_cursor")


# --- Platform credentials ---------------------------------------------------------------------------------------


async def sold(world: World, name: str = "sold", **changes: Any) -> Any:
    return await world.add_credential(name, platform=True, margin_ppm=200_000, **changes)


async def test_a_platform_credential_is_seen_by_all_without_what_is_the_operators(world: World) -> None:
    added = await sold(world, models=["gpt-5*"], origin="https://internal.example.com")
    await world.post(f"/credentials/{added['id']}/terms", {"regions": ["eu"], "no_training": True})
    await world.add_credential("own")
    assert (added["owner"], added["margin_ppm"]) == ("platform", 200_000)
    _, owner = await other(world)
    shown = await seen_by(world, owner, "/platform-credentials")
    [item] = shown["items"]
    assert (item["id"], item["name"], item["models"], item["margin_ppm"]) == (added["id"], "sold", ["gpt-5*"], 200_000)
    assert (item["terms"]["regions"], item["terms"]["no_training"]) == (["eu"], True)
    for secret in (provider_key("sold"), "internal.example.com", world.organization_id, added["versions"][0]["mask"]):
        assert secret not in str(shown)
    assert (await world.call("GET", f"/credentials/{added['id']}", token=owner)).status == 404
    await world.post(f"/credentials/{added['id']}/revoke", {})
    assert (await seen_by(world, owner, "/platform-credentials"))["items"] == []


async def test_only_the_operator_adds_and_changes_platform_credentials(light_world: World) -> None:
    added = await sold(light_world)
    body = {"name": "mine", "provider": "openai", "key": provider_key("mine"), "platform": True, "margin_ppm": 0}
    asked = len(light_world.transport.asked)
    for role in (Role.OWNER, Role.KEY_CUSTODIAN):
        token = await light_world.signed_in_as(role)
        assert (await light_world.call("POST", "/credentials", body, token=token)).status == 403
        for path, change in (
            ("rotate", {"key": provider_key("other")}),
            ("probe", {}),
            ("activate", {"version": 1}),
            ("rollback", {}),
            ("retire", {"version": 1}),
            ("revoke", {}),
            ("destination", {"origin": "https://evil.example.com"}),
            ("terms", {"no_training": True}),
            ("margin", {"margin_ppm": 0}),
        ):
            answer = await light_world.call("POST", f"/credentials/{added['id']}/{path}", change, token=token)
            assert answer.status == 403, (role, path, answer.body)
    assert len(light_world.transport.asked) == asked
    assert (await light_world.get(f"/credentials/{added['id']}")) == added


async def test_a_margin_is_changed_from_now_on_and_the_log_says_so(light_world: World) -> None:
    added = await sold(light_world)
    changed = await light_world.post(f"/credentials/{added['id']}/margin", {"margin_ppm": 50_000})
    assert changed["margin_ppm"] == 50_000
    [event] = (await light_world.get("/audit-events?action=credential.margin_changed"))["items"]
    assert (event["details"]["before"], event["details"]["margin_ppm"]) == (200_000, 50_000)
    own = await light_world.add_credential("own")
    answer = await light_world.call("POST", f"/credentials/{own['id']}/margin", {"margin_ppm": 1})
    assert (answer.status, answer.json()["code"]) == (409, "not_a_platform_credential")


async def test_what_makes_no_platform_credential_is_refused(light_world: World, subtests: pytest.Subtests) -> None:
    cases: tuple[dict[str, Any], ...] = (
        {"platform": True},
        {"margin_ppm": 5},
        {"platform": True, "margin_ppm": -1},
        {"platform": True, "margin_ppm": 10_000_001},
        {"platform": True, "margin_ppm": 0.5},
        {"platform": "yes", "margin_ppm": 5},
        {"owner": "platform"},
    )
    for change in cases:
        with subtests.test(change=change):
            body = {"name": "odd", "provider": "openai", "key": provider_key("odd"), **change}
            assert (await light_world.call("POST", "/credentials", body)).status == 400
            assert light_world.transport.asked == []
