"""The pages: each answers to whoever may see it, shows what the admin API says, and holds hostile text inert."""

import html
import json
import re

import pytest

from keystead.web.console.navigation import SECTIONS
from keystead.web.console.pages import PAGES
from tests.integration.admin.settled import settled
from tests.integration.admin.world import provider_key
from tests.integration.console.conftest import Browser

HOSTILE = '"><img src=x onerror=alert(1)>'


async def test_every_section_answers_to_an_owner(inside: Browser) -> None:
    for section in SECTIONS:
        page = await inside.get(section.path)
        assert f'href="{section.path}" aria-current="page">{section.title}' in page


async def test_an_empty_page_says_what_to_do_next(inside: Browser) -> None:
    assert "Make a virtual key" in await inside.get("/console/requests")
    assert "Make a virtual key" in await inside.get("/console/")


async def test_a_key_is_added_seen_rotated_rolled_back_and_revoked(inside: Browser) -> None:
    added = await inside.submit(
        "/console/vault/new",
        "/console/vault/new",
        {"name": "research", "provider": "openai", "key": provider_key("one")},
    )
    page = added.headers["location"]
    shown = await inside.get(page)
    assert "research" in shown
    assert provider_key("one") not in shown
    assert "research" in await inside.get("/console/vault")
    await inside.submit(page, f"{page}/rotate", {"key": provider_key("two")})
    assert await states(inside, page) == ["active", "draining"]
    await inside.submit(page, f"{page}/rollback", {})
    assert await states(inside, page) == ["draining", "active"]
    wrong = await inside.submit(page, f"{page}/revoke", {"name": "reserch"}, expect=200)
    assert "nothing was revoked" in wrong.body.decode()
    await inside.submit(page, f"{page}/revoke", {"name": "research"})
    assert await states(inside, page) == ["revoked", "revoked"]


async def states(browser: Browser, page: str) -> list[str]:
    """Return the states of a credential's versions, newest first, as its page tells them."""
    return re.findall(r'<li class="(\w+)">\s*<div class="when">', await browser.get(page))


async def test_a_staged_version_is_handed_over_to_later(inside: Browser) -> None:
    added = await inside.world.add_credential("main")
    page = f"/console/vault/{added['id']}"
    await inside.submit(page, f"{page}/rotate", {"key": provider_key("next"), "stage": "yes"})
    assert await states(inside, page) == ["staged", "active"]
    await inside.submit(page, f"{page}/activate", {"version": "2"})
    assert await states(inside, page) == ["active", "draining"]


async def test_a_key_that_the_provider_refuses_is_said_to_be_and_not_sent_back(inside: Browser) -> None:
    key = provider_key("wrong")
    inside.world.transport.answers[key] = (401, b'{"error":{"message":"no"}}')
    form = {"name": "bad", "provider": "openai", "key": key}
    refused = await inside.submit("/console/vault/new", "/console/vault/new", form, expect=400)
    assert key not in refused.body.decode()
    assert 'value="bad"' in refused.body.decode()


async def test_a_virtual_key_is_shown_once(inside: Browser) -> None:
    form = {"name": "nightly", "team": inside.world.team_id, "models": "gpt-5* claude-*", "owner": "program"}
    issued = await inside.submit("/console/keys/new", "/console/keys/new", form, expect=201)
    found = re.search(r"ks_[A-Za-z0-9_-]{70,}", issued.body.decode())
    assert found is not None
    listed = await inside.get("/console/keys")
    assert found[0] not in listed
    assert "claude-*" in listed
    [key] = [one for one in (await inside.world.get("/virtual-keys"))["items"] if one["name"] == "nightly"]
    await inside.world.add_credential()
    await settled(inside.world, key_name="nightly")
    inside.world.clock.advance(60)
    asking = await inside.get(f"/console/keys/{key['id']}/revoke")
    assert "There is no way back" in asking
    assert re.search(r"Requests in 7 days</dt><dd>1 of \S+</dd>", asking) is not None
    assert key["state"] == "active"
    await inside.submit(f"/console/keys/{key['id']}/revoke", f"/console/keys/{key['id']}/revoke", {})
    [key] = [one for one in (await inside.world.get("/virtual-keys"))["items"] if one["name"] == "nightly"]
    assert key["state"] == "revoked"


async def test_what_was_typed_wrong_is_said_in_the_admin_apis_words_and_kept(inside: Browser) -> None:
    form = {"name": "late", "team": inside.world.team_id, "expires_at": "2001-01-01"}
    refused = await inside.submit("/console/keys/new", "/console/keys/new", form, expect=400)
    assert "passed" in refused.body.decode()
    assert 'value="late"' in refused.body.decode()


async def test_names_with_markup_or_invisible_characters_do_nothing(inside: Browser) -> None:
    await inside.world.add_credential(HOSTILE, key=provider_key("hostile"))
    await settled(inside.world, asked="evil\u202egpj.exe", model=HOSTILE)
    for path in ("/console/vault", "/console/requests", "/console/?by=model", "/console/spend?by=model"):
        page = await inside.get(path)
        assert "<img src=x" not in page
        assert "&gt;&lt;img src=x onerror=alert(1)&gt;" in page
    [path] = re.findall(r'href="(/console/requests/req_\w+)"', await inside.get("/console/requests"))
    page = await inside.get(path)
    assert "\u202e" not in page
    assert "evil⟨U+202E⟩gpj.exe" in page


@pytest.mark.parametrize("page", [page for page in PAGES if page.method == "GET"], ids=lambda page: page.path)
async def test_nobody_sees_a_page_without_signing_in(browser: Browser, page: object) -> None:
    path = re.sub(r"\{\w+\}", "some", f"/console{page.path}")  # type: ignore[attr-defined]
    answer = await browser.send("GET", path)
    assert (answer.status, answer.body) == (303, b"")


async def test_an_auditor_sees_and_changes_nothing(inside: Browser) -> None:
    world = inside.world
    added = await world.add_credential("main")
    await world.post("/members", {"name": "aud", "team": world.team_id, "roles": [{"role": "auditor"}]}, expect=201)
    auditor = inside.another()
    await auditor.come_in("aud", email="aud@example.com")
    page = await auditor.get(f"/console/vault/{added['id']}")
    assert "Rotate" not in page
    before = await world.get("/audit-events")
    for path, form in (
        (f"/console/vault/{added['id']}/revoke", {"name": "main"}),
        (f"/console/vault/{added['id']}/rotate", {"key": provider_key("x")}),
        ("/console/vault/new", {"name": "new", "provider": "openai", "key": provider_key("y")}),
        ("/console/keys/new", {"name": "mine", "team": world.team_id}),
    ):
        await auditor.submit("/console/account", path, form, expect=403)
    assert await world.get("/audit-events") == before


async def test_a_developer_sees_their_own_and_nothing_else(inside: Browser) -> None:
    world = inside.world
    await world.post("/members", {"name": "dev", "team": world.team_id, "roles": [{"role": "developer"}]}, expect=201)
    developer = inside.another()
    await developer.come_in("dev", email="dev@example.com")
    assert (await developer.send("GET", "/console/")).headers["location"] == "/console/account"
    for section in ("vault", "spend", "audit"):
        await developer.get(f"/console/{section}", expect=403)
    await world.add_credential()
    others = await settled(world)
    assert others not in await developer.get("/console/requests")
    await developer.get(f"/console/requests/{others}", expect=404)
    form = {"name": "devs", "team": world.team_id, "owner": "me"}
    await developer.submit("/console/keys/new", "/console/keys/new", form, expect=201)
    mine = await settled(world, key_name="devs")
    assert mine in await developer.get("/console/requests")
    await developer.get(f"/console/requests/{mine}")
    assert "first key" not in await developer.get("/console/keys")


async def test_a_role_that_is_taken_away_counts_at_once(inside: Browser) -> None:
    world = inside.world
    await world.post("/members", {"name": "fin", "team": world.team_id, "roles": [{"role": "finance"}]}, expect=201)
    finance = inside.another()
    await finance.come_in("fin", email="fin@example.com")
    await finance.get("/console/spend")
    await world.post("/members/fin/unassign", {"role": "finance"})
    await finance.get("/console/spend", expect=403)


async def test_another_organizations_things_are_not_found(inside: Browser) -> None:
    world = inside.world
    theirs = await world.other_organization()
    answer = await world.call(
        "POST", "/credentials", {"name": "their", "provider": "openai", "key": provider_key("their")}, token=theirs
    )
    credential = answer.json()["credential"]["id"]
    found = await inside.get(f"/console/vault/{credential}", expect=404)
    random = await inside.get("/console/vault/cred_0000000000000000000000000000", expect=404)
    assert found.count(credential) == random.count("cred_0000000000000000000000000000")
    await inside.submit("/console/vault", f"/console/vault/{credential}/revoke", {"name": "their"}, expect=404)


async def test_a_recorded_request_is_listed_found_and_shown_whole(inside: Browser) -> None:
    await inside.world.add_credential()
    await settled(inside.world)
    listed = await inside.get("/console/requests")
    [path] = re.findall(r'href="(/console/requests/req_\w+)"', listed)
    page = await inside.get(path)
    assert "Price of one" in page
    assert "No request is like that" in await inside.get("/console/requests?model=none")


async def test_the_audit_log_is_narrowed_by_what_was_done_by_whom_and_to_what(inside: Browser) -> None:
    main, other = [
        (await inside.world.add_credential(name, key=provider_key(name)))["id"] for name in ("main", "other")
    ]
    await inside.world.post(f"/credentials/{other}/revoke")
    event = (await inside.world.get("/audit-events?action=credential.revoked"))["items"][0]
    for query, both, revoked in (
        ("", True, True),
        ("?action=credential.revoked", False, True),
        (f"?actor={event['actor_id']}", True, True),
        ("?actor=mem_00000000000000000000000000", False, False),
        (f"?object={main}", True, False),
    ):
        page = (await inside.get(f"/console/audit{query}")).partition("<table")[2]
        assert (main in page, '<td><a href="?action=credential.revoked' in page) == (both, revoked), query
    assert event["details"]
    told = await inside.get("/console/audit?action=credential.revoked")
    assert html.escape(json.dumps(event["details"], indent=1)).replace("&quot;", "&#34;") in told


async def test_security_headers_are_on_every_answer(inside: Browser) -> None:
    for path in ("/console/", "/console/sign-in", "/console/nowhere", "/console"):
        answer = await inside.send("GET", path)
        policy = dict(one.strip().split(" ", 1) for one in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"


async def test_a_keys_tags_are_written_on_lines_and_changed_on_its_page(inside: Browser) -> None:
    form = {
        "name": "tagged",
        "team": inside.world.team_id,
        "tags": "project = apollo\r\n\r\nstage=a=b\r\n",
        "owner": "me",
    }
    await inside.submit("/console/keys/new", "/console/keys/new", form, expect=201)
    page = await inside.get("/console/keys")
    assert "project</span> apollo</span>" in page
    key = await inside.world.get("/virtual-keys/tagged")
    assert key["tags"] == {"project": "apollo", "stage": "a=b"}
    address = f"/console/keys/{key['id']}"
    assert "project=apollo\nstage=a=b</textarea>" in await inside.get(address)
    await inside.submit(address, f"{address}/tags", {"tags": "project=<b>zephyr"})
    assert (await inside.world.get("/virtual-keys/tagged"))["tags"] == {"project": "<b>zephyr"}
    assert "<b>zephyr" not in await inside.get(f"/console/connect?key={key['id']}")
    for wrong, said in (("nonsense", "is not a tag"), ("a=1\na=2", "there twice"), ("A=1", "tags"), ("a=", "tags")):
        refused = (await inside.submit(address, f"{address}/tags", {"tags": wrong}, expect=400)).body.decode()
        assert said in refused
        assert f">{wrong}</textarea>" in refused
    unmade = await inside.submit(
        "/console/keys/new", "/console/keys/new", form | {"name": "x", "tags": "no"}, expect=400
    )
    assert ">no</textarea>" in unmade.body.decode()
    assert (await inside.world.get("/virtual-keys/tagged"))["tags"] == {"project": "<b>zephyr"}


async def test_what_does_not_fit_is_said_in_words_and_not_as_a_pattern(inside: Browser) -> None:
    form = {"name": "R&D / Europe"}
    refused = (await inside.submit("/console/people/teams/new", "/console/people/teams/new", form, expect=400)).body
    assert b"without a slash" in refused
    assert b"regex" not in refused
    assert b'value="R&amp;D / Europe"' in refused
