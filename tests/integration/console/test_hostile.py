"""Hostile names on every page and in every export (T33), and who may change what (T16, T34)."""

import csv
import html
import io
import re
from typing import Any

import pytest

from keystead.storage.database import Database
from keystead.web.console.pages import PAGES
from keystead.web.console.visit import Page
from tests.fakes.clock import FakeClock
from tests.integration.admin.settled import settled
from tests.integration.admin.world import FirstStart, provider_key
from tests.integration.console.conftest import EMAIL, PASSWORD, Browser, browser_of

MARKUP = '"><script>alert(1)<img src=x onerror=alert(2)>'
FORMULA = '=HYPERLINK("javascript:alert(3)","go")'
ACTS = ("\x1b]0;owned\x07", "\u202e", "\u2066", "\u200b")
MODEL = f"{FORMULA}{MARKUP}</script>{''.join(ACTS)}"
"""A caller may ask for a model of any name."""
FORMS = [page for page in PAGES if page.method == "POST"]
PRICE = {"provider": "openai", "model": "gpt-5", "prices": {"input_tokens": "0.000001"}, "note": f"{FORMULA}{MARKUP}"}
OF_ONESELF = {
    "/account/password",
    *(f"/account/second-factor/{step}" for step in ("confirm", "recovery-codes", "disable")),
}
ACTS_ON_ONESELF = {"/look", "/account/sessions/end", "/account/sessions/end-others"}
"""How one's own browser looks, and where one is signed in."""
"""Whoever is signed in may change their own second factor: with the password, and not with a wrong one."""


async def hostile(inside: Browser) -> dict[str, str]:
    """Give everything that has a name a hostile one; return an id of each kind."""
    world = inside.world

    async def made(path: str, body: dict[str, Any], name: str = "") -> str:
        answer = await world.post(path, body, expect=201)
        return str((answer[name] if name else answer)["id"])

    team = await made("/teams", {"name": spelled("team"), "cost_center": spelled("centre")})
    member = {"name": spelled("member"), "team": team, "roles": [{"role": "developer"}]}
    credential = (await world.add_credential(spelled("credential"), key=provider_key("hostile")))["id"]
    ids = {
        "team": team,
        "member": await made("/members", member),
        "program": await made("/service-accounts", {"name": spelled("program"), "team": team}),
        "virtual_key": await made("/virtual-keys", {"name": spelled("key"), "team": team}, "virtual_key"),
        "credential": credential,
        "budget": await made("/budgets", {"name": spelled("budget"), "team": team, "period": "month", "limit": "5"}),
        "route": await made(
            "/model-routes",
            {"name": "hostile", "attempts": [{"model": spelled("model").replace(" ", "_"), "provider": "openai"}]},
        ),
        "price_override": await made("/price-overrides", PRICE),
        "request": await settled(world, asked=MODEL, model=MODEL),
    }
    await world.post("/organization/change", {"name": spelled("organization")})
    return ids


def spelled(what: str) -> str:
    """Return the hostile name of one thing. Slashes and controls are refused in names."""
    return f"{FORMULA}{MARKUP}{what}"


async def test_hostile_names_do_nothing_on_any_page(inside: Browser) -> None:
    ids = await hostile(inside)
    seen = 0
    for page in (page for page in PAGES if page.method == "GET"):
        path = re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "none"), page.path)
        answer = await inside.send("GET", f"/console{path}")
        text = answer.body.decode()
        seen += "HYPERLINK" in text
        assert answer.status < 500, path
        if "html" in answer.headers.get("content-type", ""):
            assert "<script>alert" not in text, path
            assert "<img src=x" not in text, path
            assert not re.search(r'(?:href|src|action|formaction)="\s*javascript:', text, re.IGNORECASE), path
            assert not any(one in text for one in ACTS), path
    assert seen > 15


async def test_hostile_names_are_no_formulas_in_any_export(inside: Browser) -> None:
    await hostile(inside)
    exports = [page.path for page in PAGES if page.path.endswith(".csv")]
    assert exports
    for path in exports:
        for by in ("team", "model", "virtual_key", "cost_center"):
            answer = await inside.send("GET", f"/console{path}?by={by}")
            assert answer.headers["content-type"].startswith("text/csv")
            for row in csv.reader(io.StringIO(answer.body.decode())):
                assert not any(cell.lstrip()[:1] in {"=", "+", "@", "\t"} for cell in row), (path, row)


async def test_a_nul_in_an_address_names_nothing_on_any_engine(
    database: Database, clock: FakeClock, first: FirstStart
) -> None:
    inside = await browser_of(database, clock, first)
    await inside.come_in()
    paths = [re.sub(r"\{\w+\}", "a\0b", page.path) for page in PAGES if page.method == "GET" and "{" in page.path]
    for path in (*paths, "/playground?prompt=%00", "/playground/models?key=%00"):
        answer = await inside.send("GET", f"/console{path}")
        assert answer.status in {200, 303, 404}, path


@pytest.mark.parametrize("page", FORMS, ids=lambda page: page.path)
async def test_no_form_is_taken_from_elsewhere_or_without_the_sessions_token(inside: Browser, page: Page) -> None:
    path = re.sub(r"\{\w+\}", "some", f"/console{page.path}")
    token = await inside.token()
    before = await inside.world.get("/audit-events")
    for headers in (
        {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1.elsewhere.example"},
        {"sec-fetch-site": "same-site", "origin": "http://other.127.0.0.1"},
    ):
        answer = await inside.send("POST", path, {"form_token": token}, headers=headers)
        assert answer.status == 403, headers
    own = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}
    for wrong in ("", "0" * len(token)):
        answer = await inside.send("POST", path, {"form_token": wrong}, headers=own)
        assert answer.status == 403, wrong
    assert await inside.world.get("/audit-events") == before


@pytest.fixture
async def auditor(inside: Browser) -> Browser:
    return await come_in_as(inside, "auditor")


async def come_in_as(inside: Browser, role: str) -> Browser:
    """Return a browser in which somebody with one role is signed in."""
    body = {"name": role, "team": inside.world.team_id, "roles": [{"role": role}]}
    await inside.world.post("/members", body, expect=201)
    theirs = inside.another()
    await theirs.come_in(role, email=f"{role}@example.com")
    return theirs


async def test_an_auditors_session_changes_nothing_by_any_form(inside: Browser, auditor: Browser) -> None:
    ids = await hostile(inside)
    token = await auditor.token()
    before = await inside.world.get("/audit-events?limit=200")
    for page in FORMS:
        if page.path in ACTS_ON_ONESELF:
            continue
        path = re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "none"), page.path)
        form = {
            "form_token": token,
            "name": spelled("credential"),
            "team": ids["team"],
            "provider": "openai",
            "key": provider_key("auditor"),
            "role": "auditor",
            "limit": "1",
            "password": "wrong",
            "do": "save",
            "model": "gpt-5",
            "pattern": "gpt-5",
            "price.input_tokens": "1",
        }
        origin = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}
        answer = await auditor.send("POST", f"/console{path}", form, headers=origin)
        assert answer.status == (400 if page.path in OF_ONESELF else 403), (page.path, answer.status)
    assert await inside.world.get("/audit-events?limit=200") == before


@pytest.mark.parametrize("full", [False, True], ids=["where_nothing_is_yet", "where_all_is"])
async def test_an_auditor_is_shown_no_form_and_no_link_that_would_be_refused(inside: Browser, full: bool) -> None:
    ids = await hostile(inside) if full else {}
    auditor = await come_in_as(inside, "auditor")
    statuses: dict[str, int] = {}
    for page in (page for page in PAGES if page.method == "GET" and page.path != "/parts"):
        path = "/console" + re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "none"), page.path)
        answer = await auditor.send("GET", path)
        statuses[path] = answer.status
        if answer.status != 200:
            continue
        text = html.unescape(answer.body.decode())
        sent_to = {re.search(r'action="([^"]*)', form) for form in re.findall(r'<form[^>]* method="post"[^>]*>', text)}
        of_others = {found[1] if found else path for found in sent_to} - {"/console/look", "/console/sign-out"}
        assert not {one for one in of_others if not one.startswith("/console/account")}, path
        for link in set(re.findall(r'href="(/console/[\w/.-]*)"', text)):
            if link not in statuses:
                statuses[link] = (await auditor.send("GET", link)).status
            assert statuses[link] not in {403, 404}, (path, link)
    assert {200, 403} <= set(statuses.values())


async def test_a_role_taken_away_and_a_sign_out_count_in_every_tab_at_once(inside: Browser, auditor: Browser) -> None:
    world = inside.world
    await auditor.get("/console/audit")
    [member] = [one for one in (await world.get("/members"))["items"] if one["name"] == "auditor"]
    await world.post(f"/members/{member['id']}/unassign", {"role": "auditor"})
    await auditor.get("/console/audit", expect=403)

    other_tab = inside.another()
    other_tab.cookies = dict(inside.cookies)
    await other_tab.get("/console/vault")
    await inside.submit("/console/account", "/console/sign-out", {})
    answer = await other_tab.send("GET", "/console/vault")
    assert (answer.status, answer.headers["location"]) == (303, "/console/sign-in?to=/console/vault")


async def test_a_session_chosen_by_somebody_else_is_never_signed_in(inside: Browser) -> None:
    name = next(iter(inside.cookies))
    planted = "A" * len(inside.cookies[name])
    victim = inside.another()
    victim.cookies = {name: planted}
    form = {"email": EMAIL, "password": PASSWORD}
    await victim.post("/console/sign-in", form)
    assert victim.cookies[name] not in {planted, inside.cookies[name]}
    attacker = inside.another()
    attacker.cookies = {name: planted}
    answer = await attacker.send("GET", "/console/")
    assert (answer.status, answer.body) == (303, b"")


async def test_a_developer_sees_only_their_own_on_every_page(inside: Browser) -> None:
    ids = await hostile(inside)
    developer = await come_in_as(inside, "developer")
    for page in (page for page in PAGES if page.method == "GET"):
        path = re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "none"), page.path)
        answer = await developer.send("GET", f"/console{path}")
        assert answer.status < 500, path
        for what in ("key", "program", "budget"):
            assert f"onerror=alert(2)&gt;{what}" not in answer.body.decode(), (path, what)
        assert f'/console/requests/{ids["request"]}"' not in answer.body.decode().partition("<main")[2], path
