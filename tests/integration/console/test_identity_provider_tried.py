"""Trying an identity provider before it is kept: what is right and wrong, in plain words."""

from typing import Any

import pytest

from tests.integration.console.test_identity_provider import Site, site

__all__ = ["site"]

PAGE = "/console/settings/sign-in"


async def tried(site: Site, issuer: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = await site.world.post("/identity-provider/try", {"issuer": issuer or site.provider.issuer})
    return answer


def wrong(answer: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["message"] for one in answer["checks"] if one["state"] == "failure"}


async def test_one_that_is_right_is_said_to_be_check_by_check_and_nothing_is_kept(site: Site) -> None:
    before = await site.world.get("/identity-provider")
    answer = await tried(site)
    assert answer["usable"], answer
    assert [one["name"] for one in answer["checks"]] == [
        "discovery",
        "issuer",
        "authorization endpoint",
        "token endpoint",
        "jwks uri",
        "PKCE",
        "keys",
    ]
    assert {one["state"] for one in answer["checks"]} == {"ok"}
    assert await site.world.get("/identity-provider") == before


@pytest.mark.parametrize(
    ("said", "name", "words"),
    [
        ({"issuer": "https://other.example"}, "issuer", "It calls itself 'https://other.example'."),
        ({"issuer": None}, "issuer", "does not say"),
        ({"token_endpoint": "http://login.example/token"}, "token endpoint", "not allowed"),
        ({"authorization_endpoint": "https://10.0.0.1/"}, "authorization endpoint", "not allowed"),
        ({"jwks_uri": None}, "keys", "not an address"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE", "does not take S256"),
    ],
)
async def test_what_is_wrong_is_told(site: Site, said: dict[str, Any], name: str, words: str) -> None:
    site.provider.metadata = said
    answer = await tried(site)
    assert not answer["usable"]
    assert words in wrong(answer)[name]


async def test_what_is_not_said_is_a_warning_and_keys_that_are_none_are_a_failure(site: Site) -> None:
    site.provider.metadata = {"code_challenge_methods_supported": None}
    site.provider.keys = []
    answer = await tried(site)
    assert {one["name"]: one["state"] for one in answer["checks"]}["PKCE"] == "warning"
    assert list(wrong(answer)) == ["keys"]


async def test_what_may_not_be_reached_is_not_asked(site: Site) -> None:
    for issuer in ("https://169.254.169.254/latest", "http://localhost:1/x"):
        answer = await tried(site, issuer)
        assert list(wrong(answer)) == ["discovery"]
    assert site.provider.asked == []


async def test_the_form_tells_and_keeps_what_was_typed_but_the_secret(site: Site) -> None:
    browser = site.browser()
    await browser.come_in("administrator")
    site.provider.metadata = {"issuer": "<b>other</b>"}
    form = {"issuer": site.provider.issuer, "client_id": "typed", "client_secret": "not-again", "do": "try"}
    answer = await browser.submit(PAGE, PAGE, form, expect=200)
    page = answer.body.decode()
    assert "It cannot be used so." in page
    assert "&lt;b&gt;other" in page
    assert 'value="typed"' in page
    assert "not-again" not in page
