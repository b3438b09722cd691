"""Signing in at an identity provider: who comes in, and everything that must not let anybody in."""

import base64
import hmac
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import select

from keystead.domain.access import Role
from keystead.providers.egress import EgressGuard
from keystead.providers.transport import AiohttpTransport
from keystead.settings import load
from keystead.storage.identity_providers import identity_providers, provider_sign_ins
from keystead.web.admin.application import AdminApplication
from keystead.web.console.application import Console
from keystead.web.console.door import Door
from keystead.web.console.entering import DoorRooms
from keystead.web.console.relying_party import RelyingParty
from keystead.web.console.trial import Trial
from tests.fakes.identity_provider import CLIENT_ID, CLIENT_SECRET, EC, ED, RSA, FakeIdentityProvider, public, signed
from tests.integration.admin.asgi import Answer
from tests.integration.admin.world import World
from tests.integration.console.conftest import Browser, Served

LEAVE = "/console/sign-in/organization"
BOB = "bob@example.com"


class Site:
    """A console whose organization signs in at a provider, and the provider."""

    def __init__(self, console: Console, world: World, provider: FakeIdentityProvider) -> None:
        self.console = console
        self.world = world
        self.provider = provider

    def browser(self) -> Browser:
        return Browser(self.world, self.console)

    async def set(self, **changes: Any) -> Any:
        body = {
            "issuer": self.provider.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "domains": ["example.com"],
            "team": self.world.team_id,
        }
        return (await self.world.post("/identity-provider/set", body | changes))["identity_provider"]

    async def bob(self) -> str:
        """Make a member who signs in with Bob's address and a password; return the id."""
        roles = [{"role": Role.DEVELOPER, "team": self.world.team_id}]
        made = await self.world.post(
            "/members", {"name": "bob", "team": self.world.team_id, "roles": roles}, expect=201
        )
        await self.browser().come_in("bob", email=BOB)
        return str(made["id"])

    async def leave(self, browser: Browser, to: str = "") -> dict[str, str]:
        """Go to the provider; return the query one comes there with."""
        answer = await browser.post(LEAVE, {"email": BOB, "to": to}, expect=200)
        found = re.search(r'<a class="[^"]+" href="([^"]+)"', answer.body.decode())
        assert found is not None
        return dict(parse_qsl(urlsplit(html.unescape(found[1])).query))

    async def back(self, browser: Browser, query: dict[str, str]) -> Answer:
        """Come back from the provider."""
        return await browser.send("GET", _path(self.provider.authorize(query)))

    async def come_in(self, browser: Browser, to: str = "") -> Answer:
        return await self.back(browser, await self.leave(browser, to))


def _path(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def _refused(answer: Answer, browser: Browser, *says: str) -> None:
    text = answer.body.decode()
    assert answer.status in {401, 403}, (answer.status, text)
    assert all(word in text for word in says), text
    assert "keystead" not in browser.cookies, "nobody may be signed in"


@pytest.fixture
async def site(browser: Browser, sqlite_path: Path) -> AsyncIterator[Site]:
    world = browser.world
    guard = EgressGuard(("127.0.0.1",))
    transport = AiohttpTransport(settings=load({"KEYSTEAD_HOME": str(sqlite_path.parent)}), guard=guard)
    relying_party = RelyingParty(transport=transport, guard=guard, clock=world.clock)
    changed = msgspec.structs.replace(world.app.rooms, egress_guard=guard, look_at_issuer=relying_party.look_at)
    world.app = AdminApplication(changed)
    rooms = DoorRooms(
        database=world.database,
        clock=world.clock,
        admin=world.app.rooms,
        relying_party=relying_party,
    )
    async with FakeIdentityProvider(lambda: world.clock.now_us() // 1_000_000) as provider:
        door, served = Door(rooms), Served()
        trial = Trial(door, in_force=served.in_force_of(world), serve=served, clock=world.clock)
        made = Site(Console(door, trial), world, provider)
        provider.person = {"sub": "bob-1", "email": BOB, "email_verified": True}
        await made.set()
        yield made
    await transport.close()


async def _actions(site: Site) -> list[str]:
    return [event["action"] for event in (await site.world.get("/audit-events"))["items"]]


async def test_who_has_the_address_is_linked_once_and_known_from_then_on(site: Site) -> None:
    bob = await site.bob()
    one = site.browser()
    answer = await site.come_in(one, "/console/keys")
    assert (answer.status, answer.headers["location"]) == (303, "/console/keys")
    assert "bob" in await one.get("/console/account")
    site.provider.person["email"] = "robert@elsewhere.example"  # the subject is who it is, whatever the address
    other = site.browser()
    await site.come_in(other)
    await other.get("/console/account")
    actions = await _actions(site)
    assert actions.count("member.identity_linked") == 1
    assert "member.identity_joined" not in actions
    how = {
        (event["actor_id"], event["details"]["how"])
        for event in (await site.world.get("/audit-events"))["items"]
        if event["action"] == "member.signed_in"
    }
    assert (bob, "identity_provider") in how


async def test_who_is_new_becomes_a_developer_of_the_team_and_no_more(site: Site) -> None:
    site.provider.person = {"sub": "new-1", "email": "New@Example.com", "email_verified": True}
    browser = site.browser()
    await site.come_in(browser)
    await browser.get("/console/account")
    members = (await site.world.get("/members"))["items"]
    new = next(one for one in members if one["name"] == "new@example.com")
    assert new["team_id"] == site.world.team_id
    assert [(role["role"], role["team_id"]) for role in new["roles"]] == [("developer", site.world.team_id)]
    assert 'name="time_zone"' not in await browser.get("/console/settings")


async def test_without_a_team_nobody_new_comes_in(site: Site) -> None:
    await site.set(team=None)
    browser = site.browser()
    _refused(await site.come_in(browser), browser, "Nobody here signs in with your address")


@pytest.mark.parametrize(
    "person",
    [
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"email": "bob@elsewhere.example"},
        {"email": "bob@sub.example.com"},
        {"email": "bob@example.com@elsewhere.example"},
        {"email": None},
        {"email": ["bob@example.com"]},
    ],
    ids=str,
)
async def test_an_address_counts_verified_and_of_a_listed_domain_alone(site: Site, person: dict[str, Any]) -> None:
    await site.bob()
    site.provider.claims = person
    browser = site.browser()
    _refused(await site.come_in(browser), browser, "verified e-mail address")


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"nonce": "another"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"aud": "another"}, "another application"),
        ({"aud": [CLIENT_ID, "another"]}, "another application"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "another application"),
        ({"azp": "another"}, "another application"),
        ({"aud": None}, "another application"),
        ({"iss": "https://login.example.com"}, "somebody else"),
        ({"iss": None}, "somebody else"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "expired"),
        ({"exp": "9999999999"}, "expired"),
        ({"exp": True}, "expired"),
        ({"iat": 1}, "too old"),
        ({"iat": 9_999_999_999}, "from the future"),
        ({"sub": None}, "whom it is about"),
        ({"sub": ""}, "whom it is about"),
        ({"sub": 1}, "whom it is about"),
    ],
    ids=str,
)
async def test_a_token_that_says_anything_else_lets_nobody_in(site: Site, claims: dict[str, Any], says: str) -> None:
    await site.bob()
    site.provider.claims = claims
    browser = site.browser()
    _refused(await site.come_in(browser), browser, says)


async def test_every_signature_of_the_list_is_taken(site: Site) -> None:
    await site.bob()
    provider = site.provider
    provider.keys = [public(RSA, "one"), public(EC, "two"), public(ED, "three")]
    for algorithm, key, key_id in (("PS256", RSA, "one"), ("ES256", EC, "two"), ("Ed25519", ED, "three")):
        provider.algorithm, provider.key, provider.key_id = algorithm, key, key_id
        browser = site.browser()
        assert (await site.come_in(browser)).status == 303, algorithm
    provider.bend = _as_eddsa
    assert (await site.come_in(site.browser())).status == 303


def _as_eddsa(claims: bytes) -> str:
    with pytest.warns(Warning, match="EdDSA"):
        return signed(claims, algorithm="EdDSA", key=ED, key_id="three")


def _segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _unsigned(claims: bytes) -> str:
    return _segment(b'{"alg":"none","kid":"one"}') + f".{_segment(claims)}."


def _hmac_with(secret: bytes) -> Any:
    def bend(claims: bytes) -> str:
        signed_part = _segment(b'{"alg":"HS256","kid":"one"}') + f".{_segment(claims)}"
        return f"{signed_part}.{_segment(hmac.digest(secret, signed_part.encode(), 'sha256'))}"

    return bend


STRANGER = RSAKey.generate_key(2048, private=True)


@pytest.mark.parametrize(
    "bend",
    [
        _unsigned,
        _hmac_with(RSA.as_pem(private=False)),  # key confusion: the public key as a shared one
        _hmac_with(CLIENT_SECRET.encode() + b"0123456789"),
        lambda claims: signed(claims, algorithm="RS256", key=STRANGER, key_id="one"),
        lambda claims: signed(claims, algorithm="RS512", key=RSA, key_id="one"),
        lambda claims: signed(claims, algorithm="ES256", key=EC, key_id="one"),
        lambda claims: signed(claims, algorithm="RS256", key=RSA, key_id="one")[:-8] + "AAAAAAAA",
        lambda claims: signed(b"[]", algorithm="RS256", key=RSA, key_id="one"),
        lambda claims: "not a token",
        lambda claims: "",
        lambda claims: "ä.ö.ü",
    ],
    ids=["none", "public_key", "secret", "stranger", "rs512", "other_kind", "bent", "array", "text", "empty", "utf8"],
)
async def test_what_the_provider_did_not_sign_lets_nobody_in(site: Site, bend: Any) -> None:
    await site.bob()
    site.provider.bend = bend
    browser = site.browser()
    _refused(await site.come_in(browser), browser)


async def test_a_short_key_is_not_taken(site: Site) -> None:
    with pytest.warns(Warning, match="2048"):
        short = RSAKey.generate_key(1024, private=True)
    site.provider.keys = [public(short, "one")]

    def bend(claims: bytes) -> str:
        return signed(claims, algorithm="RS256", key=short, key_id="one")

    site.provider.bend = bend
    browser = site.browser()
    _refused(await site.come_in(browser), browser, "too short")


async def test_new_keys_are_fetched_when_a_token_names_one_and_not_for_every_such_token(site: Site) -> None:
    await site.bob()
    await site.come_in(site.browser())
    provider = site.provider
    fetched = provider.asked.count("keys")
    site.world.clock.advance(60)
    provider.key, provider.key_id, provider.keys = STRANGER, "two", [public(STRANGER, "two")]
    assert (await site.come_in(site.browser())).status == 303
    assert provider.asked.count("keys") == fetched + 1
    provider.key_id = "three"
    for _ in range(3):
        browser = site.browser()
        _refused(await site.come_in(browser), browser, "does not publish")
    assert provider.asked.count("keys") == fetched + 1


async def test_a_state_counts_once_and_in_the_browser_that_left(site: Site) -> None:
    await site.bob()
    victim, thief = site.browser(), site.browser()
    address = _path(site.provider.authorize(await site.leave(victim)))
    _refused(await thief.send("GET", address), thief, "not begun in this browser")
    await site.leave(thief)  # with a sign-in of their own under way, too
    _refused(await thief.send("GET", address), thief, "not begun in this browser")
    kept = dict(victim.cookies)
    assert (await victim.send("GET", address)).status == 303
    again = site.browser()
    again.cookies = kept
    _refused(await again.send("GET", address), again, "is over")


async def test_nobody_is_signed_in_by_somebody_elses_code(site: Site) -> None:
    """Of a victim's own sign-in with an attacker's code: PKCE and the nonce bind a code to the browser that left."""
    await site.bob()
    attacker, victim = site.browser(), site.browser()
    theirs = dict(parse_qsl(urlsplit(site.provider.authorize(await site.leave(attacker))).query))
    own = await site.leave(victim)
    answer = await victim.send("GET", f"/console/sign-in/back?code={theirs['code']}&state={own['state']}")
    _refused(answer, victim, "does not know this sign-in")


async def test_one_may_take_ten_minutes(site: Site) -> None:
    browser = site.browser()
    query = await site.leave(browser)
    site.world.clock.advance(601)
    _refused(await site.back(browser, query), browser, "took too long")


async def test_a_session_is_new_whatever_the_browser_brought(site: Site) -> None:
    await site.bob()
    browser = site.browser()
    query = await site.leave(browser)
    browser.cookies["keystead"] = "A" * 43
    await site.back(browser, query)
    assert len(browser.cookies["keystead"]) == 43
    assert browser.cookies["keystead"] != "A" * 43


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/console/\\evil", "/admin/v1/self", "/console//x"]
)
async def test_one_is_sent_nowhere_but_into_the_console(site: Site, to: str) -> None:
    await site.bob()
    assert (await site.come_in(site.browser(), to)).headers["location"] == "/console/"


async def test_another_site_sends_nobody_away(site: Site) -> None:
    browser = site.browser()
    await browser.post(LEAVE, {"email": BOB}, expect=403, origin="https://evil.example")
    assert browser.cookies == {}


async def test_who_is_disabled_does_not_come_in(site: Site) -> None:
    bob = await site.bob()
    await site.come_in(site.browser())
    await site.world.post(f"/members/{bob}/disable")
    browser = site.browser()
    _refused(await site.come_in(browser), browser, "disabled")
    site.provider.person["sub"] = "bob-2"
    _refused(await site.come_in(browser), browser, "disabled")


async def test_an_address_that_somebody_else_had_before_opens_nothing(site: Site) -> None:
    await site.bob()
    await site.come_in(site.browser())
    site.provider.person["sub"] = "another-bob"
    browser = site.browser()
    _refused(await site.come_in(browser), browser, "had your address before")


async def test_who_runs_the_platform_does_not_come_in_so(site: Site) -> None:
    browser = site.browser()
    await browser.come_in()
    site.provider.person = {"sub": "ada", "email": "ada@example.com", "email_verified": True}
    other = site.browser()
    _refused(await site.come_in(other), other, "runs the platform")


async def test_another_organizations_member_is_not_reached(site: Site) -> None:
    """The address is a member's of the first organization; the provider that vouches for it is another's."""
    await site.bob()
    token = await site.world.other_organization()
    await site.world.post("/identity-provider/remove")
    body = {"issuer": site.provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    answer = await site.world.call("POST", "/identity-provider/set", body | {"domains": ["example.com"]}, token=token)
    assert answer.status == 200, answer.body
    browser = site.browser()
    _refused(await site.come_in(browser), browser, "Nobody here signs in with your address")


async def test_of_two_organizations_with_one_domain_each_has_its_own_address(site: Site) -> None:
    await site.bob()
    token = await site.world.other_organization()
    body = {"issuer": site.provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    await site.world.call("POST", "/identity-provider/set", body | {"domains": ["example.com"]}, token=token)
    browser = site.browser()
    await browser.post(LEAVE, {"email": BOB}, expect=400)
    link = (await site.world.get("/identity-provider"))["identity_provider"]["sign_in_path"]
    await browser.get("/console/sign-in/at/guessed", expect=404)
    assert "identity provider" in await browser.get(link)
    answer = await browser.post(link, {}, expect=200)
    found = re.search(r'<a class="[^"]+" href="([^"]+)"', answer.body.decode())
    assert found is not None
    query = dict(parse_qsl(urlsplit(html.unescape(found[1])).query))
    assert (await site.back(browser, query)).status == 303


async def test_the_own_second_factor_is_asked_for_unless_the_providers_counts(site: Site) -> None:
    await site.bob()
    await site.world.post("/organization/change", {"second_factor_required": True})
    site.provider.claims = {"amr": ["pwd", "mfa"]}
    browser = site.browser()
    await site.come_in(browser)
    await browser.get("/console/keys", expect=303)  # to set one up
    await site.set(trusts_mfa=True)
    trusted = site.browser()
    await site.come_in(trusted)
    await trusted.get("/console/keys")
    site.provider.claims = {"amr": ["pwd"]}
    again = site.browser()
    await site.come_in(again)
    await again.get("/console/keys", expect=303)


async def test_who_has_no_password_sets_up_a_second_factor_just_after_they_came_in(site: Site) -> None:
    await site.world.post("/organization/change", {"second_factor_required": True})
    browser, page = site.browser(), "/console/account/second-factor"
    await site.come_in(browser)
    assert 'name="password"' not in await browser.get(page)
    await browser.submit(page, f"{page}/enrol", {}, expect=201)
    site.world.clock.advance(601)
    refused = await browser.submit(page, f"{page}/enrol", {}, expect=409)
    assert "identity provider anew" in refused.body.decode()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://login.example.com"},
        {"token_endpoint": "http://internal.example/token"},
        {"jwks_uri": "http://169.254.169.254/latest"},
        {"token_endpoint": "https://10.0.0.1/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": 'https://login.example.com/"><script>'},
        {"authorization_endpoint": None},
    ],
    ids=str,
)
async def test_a_provider_that_names_other_places_is_not_gone_to(site: Site, metadata: dict[str, Any]) -> None:
    site.provider.metadata = metadata
    browser = site.browser()
    answer = await browser.post(LEAVE, {"email": BOB}, expect=502)
    assert "cannot be used now" in answer.body.decode()
    assert browser.cookies == {}


async def test_no_redirect_is_followed(site: Site) -> None:
    site.provider.redirect_to = f"{site.provider.issuer}/keys"
    await site.browser().post(LEAVE, {"email": BOB}, expect=502)
    assert "keys" not in site.provider.asked


async def test_who_answers_must_be_who_was_asked(site: Site) -> None:
    await site.bob()
    site.provider.says_issuer = True
    assert (await site.come_in(site.browser())).status == 303
    browser = site.browser()
    address = _path(site.provider.authorize(await site.leave(browser)))
    _refused(await browser.send("GET", re.sub("&iss=.*", "", address)), browser, "somebody else")
    browser = site.browser()
    address = _path(site.provider.authorize(await site.leave(browser)))
    _refused(await browser.send("GET", re.sub("&iss=.*", "&iss=https://x.example", address)), browser, "somebody else")


async def test_a_secret_in_the_form_is_sent_where_the_provider_wants_it_there(site: Site) -> None:
    await site.bob()
    site.provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await site.come_in(site.browser())).status == 303


async def test_the_secret_goes_in_and_never_comes_out(site: Site) -> None:
    shown = await site.set()
    text = msgspec.json.encode(
        [shown, await site.world.get("/audit-events"), await site.world.get("/identity-provider")]
    )
    assert CLIENT_SECRET.encode() not in text
    async with site.world.database.read() as conn:
        rows = (await conn.execute(select(identity_providers))).mappings().all()
        assert all(CLIENT_SECRET.encode() not in row["sealed"] for row in rows)
    kept = await site.set(client_secret=None)
    assert kept["sign_in_path"] == shown["sign_in_path"]
    body = {"issuer": "https://login.example.com", "client_id": CLIENT_ID, "domains": ["example.com"]}
    assert (await site.world.post("/identity-provider/set", body, expect=409))["code"] == "client_secret_missing"
    await site.bob()
    assert (await site.come_in(site.browser())).status == 303


async def test_after_it_is_removed_nobody_comes_in_and_who_was_away_neither(site: Site) -> None:
    await site.bob()
    browser = site.browser()
    query = await site.leave(browser)
    await site.world.post("/identity-provider/remove")
    _refused(await site.back(browser, query), browser)
    async with site.world.database.read() as conn:
        assert (await conn.execute(select(provider_sign_ins))).first() is None
    await browser.post(LEAVE, {"email": BOB}, expect=400)
    assert "identity_provider.removed" in await _actions(site)


async def test_it_takes_who_holds_everything(site: Site) -> None:
    role = await site.world.post(
        "/roles", {"name": "settings", "permissions": ["organization:write", "organization:read"]}, expect=201
    )
    made = await site.world.post(
        "/members", {"name": "eve", "team": site.world.team_id, "roles": [{"role": role["name"]}]}, expect=201
    )
    token = (await site.world.post("/admin-tokens", {"name": "t", "member": made["id"]}, expect=201))["token"]
    body = {
        "issuer": site.provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": "of eve",
        "domains": ["example.com"],
    }
    answer = await site.world.call("POST", "/identity-provider/set", body, token=token)
    assert (answer.status, answer.json()["code"]) == (403, "more_than_held")
    assert (await site.world.call("POST", "/identity-provider/remove", token=token)).status == 403
