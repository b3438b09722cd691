"""The playground's and Connect's pages: who sees them, with which keys and models, and what stays unseen."""

import html
import json
import re

from tests.integration.admin.settled import settled
from tests.integration.console.conftest import Browser

HOSTILE = '"><img src=x onerror=alert(1)>'


async def make_key(browser: Browser, name: str = "mine") -> str:
    form = {"name": name, "team": browser.world.team_id}
    moved = await browser.submit("/console/playground", "/console/playground", form)
    return moved.headers["location"].rpartition("=")[2]


async def test_who_has_no_key_is_told_why_and_makes_one(inside: Browser) -> None:
    page = await inside.get("/console/playground")
    assert "A key of your own" in page
    assert "playground-administrator" in page
    key = await make_key(inside)
    assert f'<option value="{key}" selected>' in await inside.get(f"/console/playground?key={key}")
    [event] = [e for e in (await inside.world.get("/audit-events"))["items"] if e["action"] == "virtual_key.created"]
    assert event["object_id"] == key


async def test_what_was_typed_wrong_is_kept(inside: Browser) -> None:
    await make_key(inside)
    form = {"name": "mine", "team": inside.world.team_id}
    refused = await inside.submit("/console/playground", "/console/playground", form, expect=409)
    assert "taken" in refused.body.decode() or "already" in refused.body.decode()


async def test_only_ones_own_keys_are_offered(inside: Browser) -> None:
    await make_key(inside)
    [listed] = (await inside.world.get("/virtual-keys?mine=true"))["items"]
    assert listed["name"] == "mine"
    assert "first key" not in await inside.get("/console/playground")


async def test_the_models_are_those_that_the_key_may_call(inside: Browser) -> None:
    await inside.world.add_credential("research", models=["gpt-5", "gpt-5-mini"])
    key = await make_key(inside)
    body = {"name": "narrow", "team": inside.world.team_id, "member": "administrator", "models": ["gpt-5-mini"]}
    narrow = (await inside.world.post("/virtual-keys", body, expect=201))["virtual_key"]["id"]
    told = json.loads(await inside.get(f"/console/playground/models?key={key}"))
    assert {"gpt-5", "gpt-5-mini"} <= {one["name"] for one in told["items"]}
    told = json.loads(await inside.get(f"/console/playground/models?key={narrow}"))
    assert [one["name"] for one in told["items"]] == ["gpt-5-mini"]


async def test_a_developer_sees_the_models_of_no_key_but_their_own(inside: Browser) -> None:
    key = await make_key(inside)
    world = inside.world
    await world.post("/members", {"name": "dev", "team": world.team_id, "roles": [{"role": "developer"}]}, expect=201)
    developer = inside.another()
    await developer.come_in("dev", email="dev@example.com")
    await developer.get(f"/console/playground/models?key={key}", expect=404)
    own = await make_key(developer, "devs")
    await developer.get(f"/console/playground/models?key={own}")
    await world.post(f"/virtual-keys/{own}/revoke")
    assert json.loads(await developer.get(f"/console/playground/models?key={own}")) == {"items": []}


async def test_the_figures_of_a_request_are_its_record(inside: Browser) -> None:
    await inside.world.add_credential("research")
    await make_key(inside)
    request = await settled(inside.world, key_name="mine")
    told = json.loads(await inside.get(f"/console/playground/requests/{request}"))
    assert told["over"] is True
    assert (told["cost"], told["currency"], told["credential"]) == ("0.000325", "USD", "research v1")
    assert told["tokens"] == {"input_tokens": 100, "output_tokens": 20}
    await inside.get("/console/playground/requests/req_00000000000000000000000000", expect=404)


async def test_hostile_names_do_nothing(inside: Browser) -> None:
    await make_key(inside, HOSTILE)
    for path in ("/console/playground", "/console/connect"):
        assert "<img src=x" not in await inside.get(path)


async def test_connect_tells_what_each_client_needs(inside: Browser) -> None:
    page = html.unescape(await inside.get("/console/connect?client=claude-code&model=gpt-5&shell=fish"))
    assert "set -gx ANTHROPIC_BASE_URL 'http://127.0.0.1'" in page
    assert "set -gx ANTHROPIC_MODEL 'gpt-5'" in page
    assert "ks_your_virtual_key" in page
    for client in re.findall(r"\?client=([a-z-]+)", page):
        assert 'aria-current="true"' in await inside.get(f"/console/connect?client={client}")


async def test_a_program_that_asks_the_sandbox_says_what_that_is(inside: Browser) -> None:
    hint = "answers by itself, without a provider and free of charge"
    assert hint in await inside.get("/console/connect?client=curl")
    assert hint not in await inside.get("/console/connect?client=curl&model=gpt-5")
    form = {"name": "nightly", "team": inside.world.team_id, "owner": "program"}
    assert hint in (await inside.submit("/console/keys/new", "/console/keys/new", form, expect=201)).body.decode()


async def test_a_model_that_is_none_is_refused_in_place(inside: Browser) -> None:
    page = await inside.get("/console/connect?client=curl&model=%27;rm%20-rf", expect=400)
    assert "not a model" in page
    assert html.escape("'; rm -rf") not in page
    assert "sandbox/echo" in page
    assert "curl" in await inside.get("/console/connect?client=nobody&shell=nothing&key=none")


async def test_the_first_request_is_awaited_and_seen(inside: Browser) -> None:
    await inside.world.add_credential()
    page = await inside.get("/console/connect")
    assert "Waiting for the first request" in page
    assert "Waiting for the first request" in await inside.get(awaited(page))
    inside.world.clock.advance(60)
    request = await settled(inside.world)
    received = await inside.get(awaited(page))
    assert f"/console/requests/{request}" in received
    assert "$0.000325" in received
    assert "<html" not in received
    inside.world.clock.advance(60)
    again = await inside.get("/console/connect")
    assert "The next request" in again
    assert "Waiting for the next request" in again
    assert request not in await inside.get(awaited(again)), "what came before is not what one waits for"


def awaited(page: str) -> str:
    """Return where a page of Connect looks whether the request has come."""
    [address] = re.findall(r'data-from="([^"]+)"', page)
    return html.unescape(address)


async def test_a_new_key_stands_in_what_is_copied_from_its_page_and_nowhere_else(inside: Browser) -> None:
    form = {"name": "nightly", "team": inside.world.team_id, "owner": "program"}
    issued = await inside.submit("/console/keys/new", "/console/keys/new", form, expect=201)
    page = html.unescape(issued.body.decode())
    key = re.search(r'id="key">(ks_[A-Za-z0-9_-]{70,})<', page)
    assert key is not None
    assert f"export KEYSTEAD_KEY='{key[1]}'" in page
    assert "ks_your_virtual_key" not in page
    assert issued.headers["cache-control"] == "no-store"
    for path in ("/console/connect", "/console/keys", "/console/playground"):
        assert key[1] not in await inside.get(path)


async def test_an_auditor_is_shown_connect_and_makes_nothing(inside: Browser) -> None:
    world = inside.world
    await world.post("/members", {"name": "aud", "team": world.team_id, "roles": [{"role": "auditor"}]}, expect=201)
    auditor = inside.another()
    await auditor.come_in("aud", email="aud@example.com")
    assert "Make a key" not in await auditor.get("/console/connect")
    form = {"name": "x", "team": world.team_id}
    await auditor.submit("/console/account", "/console/playground", form, expect=403)
