"""Data classes, recognisers and own prices, changed in the browser."""

import re

from keystead.domain.access import Role
from tests.integration.console.conftest import Browser

DATA = "/console/settings/data"
PRICES = "/console/settings/prices"


async def classes(browser: Browser) -> dict[str, dict[str, object]]:
    return {one["name"]: one for one in (await browser.world.get("/data-classes"))["items"]}


async def test_a_class_is_made_changed_and_removed(inside: Browser) -> None:
    form = {"name": "patient", "rank": "350", "days": "0", "regions": "EU, de", "asks": "no_training\nbaa"}
    await inside.submit(f"{DATA}/classes/set", f"{DATA}/classes/set", form)
    made = (await classes(inside))["patient"]
    assert made["rank"] == 350
    requirement = made["requirement"]
    assert isinstance(requirement, dict)
    assert (requirement["regions"], requirement["most_retention_days"]) == (["eu", "de"], 0)
    assert (requirement["baa"], requirement["dpa"], requirement["no_training"]) == (True, False, True)
    shown = await inside.get(DATA)
    assert "kept in eu, de" in shown
    assert "zero retention" in shown
    page = await inside.get(f"{DATA}/classes/set?name=patient")
    assert 'value="eu, de"' in page
    assert 'id="asks-baa" name="asks" value="baa" checked' in page
    await inside.submit(
        f"{DATA}/classes/set?name=patient", f"{DATA}/classes/set", {"name": "patient", "rank": "350", "days": "7"}
    )
    assert "kept for 7 days at most" in await inside.get(f"{DATA}/classes/patient/remove")
    await inside.submit(f"{DATA}/classes/patient/remove", f"{DATA}/classes/patient/remove", {})
    assert "patient" not in await classes(inside)
    await inside.get(f"{DATA}/classes/set?name=patient", expect=404)


async def test_a_built_in_class_takes_other_terms_and_is_set_back(inside: Browser) -> None:
    await inside.submit(f"{DATA}/classes/set?name=internal", f"{DATA}/classes/set", {"name": "internal", "asks": "dpa"})
    assert "your terms" in await inside.get(DATA)
    assert "Set back internal" in await inside.get(f"{DATA}/classes/internal/remove")
    await inside.submit(f"{DATA}/classes/internal/remove", f"{DATA}/classes/internal/remove", {})
    assert (await classes(inside))["internal"]["own"] is False


async def test_what_is_wrong_with_a_class_stands_at_its_field(inside: Browser) -> None:
    path = f"{DATA}/classes/set"
    refused = (await inside.submit(path, path, {"name": "new", "rank": "many"}, expect=400)).body.decode()
    assert 'aria-describedby="rank-wrong"' in refused
    taken = (await inside.submit(path, path, {"name": "new", "rank": "300"}, expect=409)).body.decode()
    assert 'aria-describedby="rank-wrong"' in taken
    refused = (await inside.submit(path, path, {"name": "new", "rank": "310", "days": "x"}, expect=400)).body.decode()
    assert 'aria-describedby="days-wrong"' in refused
    hostile = {"name": '"><img src=x>', "rank": "310", "regions": "<b>", "asks": "dpa"}
    refused = (await inside.submit(path, path, hostile, expect=400)).body.decode()
    assert "<img src=x" not in refused
    assert 'value="dpa" checked' in refused


async def test_a_recogniser_is_added_and_removed(inside: Browser) -> None:
    path = f"{DATA}/recognizers/new"
    assert "Requests are not looked into" in await inside.get(DATA)
    wrong = {"name": "apollo", "kind": "pattern", "pattern": "APOLLO-([", "action": "block"}
    refused = (await inside.submit(path, path, wrong, expect=400)).body.decode()
    assert 'aria-describedby="pattern-wrong"' in refused
    assert "APOLLO-([" in refused
    await inside.submit(path, path, {**wrong, "pattern": "APOLLO-[0-9]+", "data_class": "restricted"})
    await inside.submit(path, path, {"name": "cards", "kind": "payment_card", "pattern": "x", "action": "redact"})
    mail = {"name": "mail", "kind": "email", "pattern": "", "action": "raise", "data_class": "confidential"}
    await inside.submit(path, path, mail)
    found = {one["name"]: one for one in (await inside.world.get("/recognizers"))["items"]}
    assert [found[name]["data_class"] for name in ("apollo", "cards", "mail")] == ["", "", "confidential"]
    shown = await inside.get(DATA)
    assert "APOLLO-[0-9]+" in shown
    assert "Payment cards" in shown
    gone = f"{DATA}/recognizers/{found['apollo']['id']}/remove"
    assert "APOLLO-[0-9]+" in await inside.get(gone)
    await inside.submit(gone, gone, {})
    assert {one["name"] for one in (await inside.world.get("/recognizers"))["items"]} == {"cards", "mail"}
    await inside.get(gone, expect=404)


async def test_own_prices_are_listed_exactly_and_end_on_a_day_or_now(inside: Browser) -> None:
    world = inside.world
    body = {"provider": "openai", "model": "gpt-5*", "prices": {"input_tokens": "0.0000012345"}, "note": "contract 7"}
    made = await world.post("/price-overrides", body, expect=201)
    later = {
        **body,
        "model": "later",
        "prices": {"priority.output_tokens": "0.000002"},
        "valid_from": "2199-01-01T00:00:00Z",
    }
    await world.post("/price-overrides", later, expect=201)
    shown = await inside.get(PRICES)
    assert "1.2345 USD" in shown
    assert "to come" in shown
    assert "Out (priority)" in shown
    assert (
        "later"
        not in (await inside.get(f"{PRICES}?state=in_force")).partition("Add a price")[0].partition("<tbody>")[2]
    )
    ending = f"{PRICES}/{made['id']}/end"
    refused = (await inside.submit(ending, ending, {"ends_on": "2001-01-01"}, expect=400)).body.decode()
    assert "cannot end in the past" in refused
    await inside.submit(ending, ending, {"ends_on": "2198-01-01"})
    found = {one["id"]: one for one in (await world.get("/price-overrides"))["items"]}
    assert found[made["id"]]["valid_to"] == "2198-01-01T00:00:00Z"
    await inside.submit(ending, ending, {"ends_on": ""})
    assert "1.2345" not in await inside.get(f"{PRICES}?state=in_force")
    assert "ended" in await inside.get(PRICES)
    await inside.get(f"{PRICES}/price_00000000000000000000000000/end", expect=404)


async def test_an_auditor_reads_all_of_it_and_changes_nothing(inside: Browser) -> None:
    world = inside.world
    made = await world.post(
        "/price-overrides",
        {"provider": "openai", "model": "gpt-5*", "prices": {"input_tokens": "0.000001"}},
        expect=201,
    )
    await world.post("/recognizers", {"name": "cards", "kind": "payment_card", "action": "block"}, expect=201)
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": [{"role": Role.AUDITOR}]}, expect=201)
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    for page in (DATA, PRICES):
        shown = await bob.get(page)
        assert re.search(r'<main.*(?:/set|/new|/remove|/end)"', shown, re.DOTALL) is None, page
    for path, status in (
        (f"{DATA}/classes/set", 403),
        (f"{DATA}/classes/internal/remove", 403),
        (f"{DATA}/recognizers/new", 403),
        (f"{PRICES}/{made['id']}/end", 403),
    ):
        await bob.get(path, expect=status)
        await bob.submit("/console/account", path, {"name": "internal"}, expect=status)
