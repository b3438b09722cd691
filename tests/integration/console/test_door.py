"""Coming in and going out: links, passwords, sessions, and what other sites cannot do with a signed-in browser."""

import asyncio

import pytest

from keystead.domain.access import Role
from keystead.identity.sessions import IDLE_US, LONGEST_US
from tests.integration.console.conftest import EMAIL, PASSWORD, Browser


async def test_a_link_lets_its_member_choose_a_password_once(browser: Browser) -> None:
    link = (await browser.world.post("/members/administrator/sign-in-link", expect=201))["path"]
    assert "Welcome, administrator" in await browser.get(link)
    answer = await browser.post(link, {"email": "Ada@Example.com ", "password": PASSWORD})
    assert answer.headers["location"] == "/console/"
    other = browser.another()
    assert "not valid any more" in await other.get(link, expect=404)
    await other.post(link, {"email": EMAIL, "password": PASSWORD}, expect=404)
    await other.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})
    await other.get("/console/vault")


async def test_a_newer_link_ends_an_older_one_and_a_day_ends_each(browser: Browser) -> None:
    older = (await browser.world.post("/members/administrator/sign-in-link", expect=201))["path"]
    newer = (await browser.world.post("/members/administrator/sign-in-link", expect=201))["path"]
    await browser.get(older, expect=404)
    browser.world.clock.advance(24 * 3600)
    await browser.get(newer, expect=404)


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        ("ada", PASSWORD, "not an e-mail address"),
        (EMAIL, "tiny words", "shorter than 12"),
        (EMAIL, "x" * 300, "longer than 256"),
        (EMAIL, EMAIL, "easily guessed"),
        (EMAIL, "abababababab", "easily guessed"),
    ],
)
async def test_a_bad_choice_is_said_and_the_link_stays(browser: Browser, email: str, password: str, said: str) -> None:
    link = (await browser.world.post("/members/administrator/sign-in-link", expect=201))["path"]
    refused = await browser.post(link, {"email": email, "password": password}, expect=400)
    assert said in refused.body.decode()
    assert password not in refused.body.decode().replace(f'value="{email}"', "")
    await browser.post(link, {"email": EMAIL, "password": PASSWORD})


async def test_an_address_signs_in_one_member(inside: Browser) -> None:
    await inside.world.post(
        "/members", {"name": "bob", "team": inside.world.team_id, "roles": [{"role": "auditor"}]}, expect=201
    )
    link = (await inside.world.post("/members/bob/sign-in-link", expect=201))["path"]
    other = inside.another()
    refused = await other.post(link, {"email": EMAIL, "password": PASSWORD}, expect=409)
    assert "address already" in refused.body.decode()
    await other.post(link, {"email": "bob@example.com", "password": PASSWORD})


async def test_a_wrong_password_and_an_unknown_address_are_told_alike(inside: Browser) -> None:
    other = inside.another()
    wrong = await other.post("/console/sign-in", {"email": EMAIL, "password": "not the password"}, expect=401)
    unknown = await other.post("/console/sign-in", {"email": "eve@example.com", "password": PASSWORD}, expect=401)
    assert wrong.body.replace(EMAIL.encode(), b"") == unknown.body.replace(b"eve@example.com", b"")
    assert other.cookies == {}


async def test_after_five_failures_one_waits_a_minute_even_with_the_right_password(inside: Browser) -> None:
    other = inside.another()
    for _ in range(5):
        await other.post("/console/sign-in", {"email": EMAIL, "password": "not the password"}, expect=401)
    await other.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD}, expect=429)
    inside.world.clock.advance(61)
    await other.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})


async def test_one_address_is_one_however_it_is_spelled(inside: Browser) -> None:
    other = inside.another()
    for spelled in (EMAIL, EMAIL.upper(), EMAIL.title(), f" {EMAIL}", f"{EMAIL}\t"):
        await other.post("/console/sign-in", {"email": spelled, "password": "not the password"}, expect=401)
    await other.post("/console/sign-in", {"email": EMAIL.swapcase(), "password": PASSWORD}, expect=429)


async def test_of_many_guesses_at_once_no_more_are_looked_at_than_one_after_the_other(inside: Browser) -> None:
    async def guess(number: int) -> int:
        form = {"email": EMAIL, "password": f"guess number {number}"}
        headers = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}
        return (await inside.another().send("POST", "/console/sign-in", form, headers=headers)).status

    answers = await asyncio.gather(*map(guess, range(12)))
    assert sorted(answers) == [401] * 5 + [429] * 7


async def test_who_signs_in_again_and_again_is_not_told_to_wait(inside: Browser) -> None:
    for _ in range(8):
        await inside.another().post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})


async def test_signing_in_makes_a_session_that_nobody_knew_before(inside: Browser) -> None:
    fixed = inside.another()
    fixed.cookies = {"keystead": "A" * 43}
    await fixed.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})
    assert fixed.cookies["keystead"] not in {"A" * 43, inside.cookies["keystead"]}


async def test_the_cookie_is_out_of_reach_for_scripts_and_behind_tls_secure(browser: Browser) -> None:
    link = (await browser.world.post("/members/administrator/sign-in-link", expect=201))["path"]
    answer = await browser.post(link, {"email": EMAIL, "password": PASSWORD}, origin="https://127.0.0.1")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-keystead=")
    assert {"HttpOnly", "SameSite=Lax", "Secure", "Path=/"} <= set(cookie.split("; "))


async def test_one_is_sent_where_one_wanted_to_go_and_never_elsewhere(inside: Browser) -> None:
    other = inside.another()
    answer = await other.send("GET", "/console/requests")
    assert answer.headers["location"] == "/console/sign-in?to=/console/requests"
    for to, lands in (
        ("/console/requests", "/console/requests"),
        ("//evil.example/console/", "/console/"),
        ("https://evil.example", "/console/"),
        ("/console/\\evil.example", "/console/"),
        ("/v1/models", "/console/"),
    ):
        form = {"email": EMAIL, "password": PASSWORD, "to": to}
        assert (await inside.another().post("/console/sign-in", form)).headers["location"] == lands


async def test_signing_out_ends_the_session_on_the_server(inside: Browser) -> None:
    kept = dict(inside.cookies)
    await inside.submit("/console/account", "/console/sign-out", {})
    inside.cookies = kept
    await inside.get("/console/account", expect=303)


async def test_a_session_ends_when_it_is_not_used_and_at_the_latest_after_a_week(inside: Browser) -> None:
    clock = inside.world.clock
    for _ in range(LONGEST_US // (IDLE_US // 2) - 1):
        clock.advance(IDLE_US // 2 // 1_000_000)
        await inside.get("/console/account")
    clock.advance(IDLE_US // 2 // 1_000_000 + 1)
    await inside.get("/console/account", expect=303)


async def test_a_disabled_member_is_out_at_once_and_so_is_who_chooses_another_password(inside: Browser) -> None:
    world = inside.world
    await world.post("/members", {"name": "bob", "team": world.team_id, "roles": [{"role": "auditor"}]}, expect=201)
    bob = inside.another()
    await bob.come_in("bob", email="bob@example.com")
    elsewhere = inside.another()
    await elsewhere.come_in("bob", email="bob@example.com")
    await bob.get("/console/account", expect=303)
    await world.post("/members/bob/disable")
    await elsewhere.get("/console/account", expect=303)
    await elsewhere.post("/console/sign-in", {"email": "bob@example.com", "password": PASSWORD}, expect=401)


async def test_nobody_makes_a_link_for_somebody_who_holds_more(inside: Browser) -> None:
    world = inside.world
    token = await world.signed_in_as(Role.ADMINISTRATOR)
    answer = await world.call("POST", "/members/administrator/sign-in-link", token=token)
    assert answer.status == 403


async def test_signing_in_stands_in_the_audit_log(inside: Browser) -> None:
    events = (await inside.world.get("/audit-events?action=member.signed_in"))["items"]
    assert [(event["actor"], event["details"]) for event in events] == [("administrator", {"how": "link"})]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1", "sec-fetch-site": "cross-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {},
    ],
)
async def test_another_site_cannot_send_a_form(inside: Browser, headers: dict[str, str]) -> None:
    before = await inside.world.get("/virtual-keys")
    page = await inside.get("/console/keys/new")
    token = page.split('name="form_token" value="')[1].split('"')[0]
    form = {"form_token": token, "name": "stolen", "team": inside.world.team_id}
    answer = await inside.send("POST", "/console/keys/new", form, headers=headers)
    assert answer.status == 403
    assert await inside.world.get("/virtual-keys") == before


async def test_a_form_of_another_session_is_not_taken(inside: Browser) -> None:
    other = inside.another()
    await other.post("/console/sign-in", {"email": EMAIL, "password": PASSWORD})
    page = await other.get("/console/keys/new")
    token = page.split('name="form_token" value="')[1].split('"')[0]
    for given in (token, "", "ü"):
        form = {"form_token": given, "name": "mixed", "team": inside.world.team_id}
        assert (
            "does not belong to your session"
            in (await inside.post("/console/keys/new", form, expect=403)).body.decode()
        )
