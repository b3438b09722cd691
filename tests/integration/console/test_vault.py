"""The vault's pages: what a key is used for, by whom, and so what goes with it."""

import re

from keystead.domain.clock import HOUR_US, utc
from tests.integration.admin.settled import settled
from tests.integration.console.conftest import Browser
from tests.integration.console.test_spend import used


async def test_the_vault_says_when_a_key_was_last_used(inside: Browser) -> None:
    added = await inside.world.add_credential("main")
    assert "never" in await inside.get("/console/vault")
    await settled(inside.world)
    uses = (await inside.world.get("/credential-uses?credential=main"))["items"]
    assert uses[0]["credential_id"] == added["id"]
    assert uses[0]["last_used_at"] is not None
    assert "none lately" in await inside.get(f"/console/vault/{added['id']}")


async def test_an_address_that_is_missing_is_asked_for_where_it_is_written(inside: Browser) -> None:
    new = "/console/vault/new"
    assert "<details><summary>More" in await inside.get(new)
    form = {"name": "house", "provider": "vllm", "key": "a-token-of-the-house"}
    refused = (await inside.submit(new, new, form, expect=400)).body.decode()
    assert "<details open><summary>More" in refused


async def test_what_else_a_provider_has_to_be_told_is_written_on_lines(inside: Browser) -> None:
    new = "/console/vault/new"
    form = {"name": "eu-azure", "provider": "azure", "key": "0123456789abcdef", "origin": "https://a.openai.azure.com"}
    for settings, said in (
        ("api_version", "is not a setting"),
        ("api_version=1\napi_version=2", "is there twice"),
        ("api_version=<b>", "The setting api_version is not valid"),
    ):
        refused = (await inside.submit(new, new, form | {"settings": settings}, expect=400)).body.decode()
        assert said in refused, re.findall(r'role="alert">(.*?)</div>', refused)
        assert f">{settings.replace('<b>', '&lt;b&gt;')}</textarea>" in refused
        assert "<details open><summary>More" in refused
    added = await inside.submit(new, new, form | {"settings": "api_version = 2024-10-21\r\n"})
    [credential] = [one for one in (await inside.world.get("/credentials"))["items"] if one["name"] == "eu-azure"]
    assert credential["settings"] == {"api_version": "2024-10-21"}
    assert "<code>2024-10-21</code>" in await inside.get(added.headers["location"])


async def test_whoever_used_a_key_is_told_before_it_is_revoked(inside: Browser) -> None:
    added = await inside.world.add_credential("main")
    page = f"/console/vault/{added['id']}"
    assert "Nobody used it in the last 7 days." in await inside.get(page)
    hour = utc(inside.world.clock.now_us() - HOUR_US)
    for key in ("vk_1", "vk_2", "vk_<script>"):
        await used(inside, hour, credential_id=added["id"], virtual_key_id=key, requests=20)
    await used(inside, hour, credential_id="cred_other", virtual_key_id="vk_other", requests=500)
    shown = await inside.get(page)
    assert "1 team with 3 virtual keys and 60 requests" in shown
    assert "vk_other" not in shown
    assert "<script>alert" not in shown
    assert "vk_&lt;script&gt;" in shown


async def test_who_used_it_is_for_those_who_may_see_usage(inside: Browser) -> None:
    added = await inside.world.add_credential("main")
    person = {"name": "cus", "team": inside.world.team_id, "roles": [{"role": "key_custodian"}]}
    await inside.world.post("/members", person, expect=201)
    custodian = inside.another()
    await custodian.come_in("cus", email="cus@example.com")
    page = await custodian.get(f"/console/vault/{added['id']}")
    assert "Last used" in page
    assert "Who used it" not in page
    assert "Revoke" in page


async def test_whoever_sees_some_teams_only_is_not_told_that_nobody_used_it(inside: Browser) -> None:
    added = await inside.world.add_credential("main")
    roles = [{"role": "finance", "team": "Labs"}, {"role": "key_custodian"}]
    await inside.world.post("/teams", {"name": "Labs"}, expect=201)
    await inside.world.post("/members", {"name": "fin", "team": "Labs", "roles": roles}, expect=201)
    some = inside.another()
    await some.come_in("fin", email="fin@example.com")
    await used(inside, utc(inside.world.clock.now_us() - HOUR_US), credential_id=added["id"], requests=3)
    page = await some.get(f"/console/vault/{added['id']}")
    assert "in the teams whose usage you see" in page
    assert "1 team with" not in page


async def test_a_cost_that_nobody_knows_is_not_told_as_nothing(inside: Browser) -> None:
    added = await inside.world.add_credential("main")
    hour = utc(inside.world.clock.now_us() - HOUR_US)
    await used(inside, hour, credential_id=added["id"], model="ft:own", cost_pico=0, priced=0, unpriced=1)
    page = await inside.get(f"/console/vault/{added['id']}")
    assert "<td>ft:own</td>" in page
    assert "$0.0000" not in page
    assert '<span class="none">unknown</span>' in page


async def test_rolling_back_is_offered_only_where_there_is_a_version_before(inside: Browser) -> None:
    added = await inside.world.add_credential("main")
    page = f"/console/vault/{added['id']}"
    await inside.submit(page, f"{page}/rotate", {"key": "sk-second-0123456789abcdef", "stage": "yes"})
    staged = await inside.get(page)
    assert "Hand over to version 2" in staged
    assert "Roll back" not in staged
    await inside.submit(page, f"{page}/activate", {"version": "2"})
    assert "Roll back to the version before" in await inside.get(page)
