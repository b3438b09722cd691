"""The identity provider on the command line, against a gateway that really runs."""

import pytest

from tests.fakes.command_line import Run, answer, row

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMAND = ("organization", "identity-provider")
ISSUER = "https://login.example.com/realms/acme"
SECRET = "client-secret-canary-3f81"
SET = (*COMMAND, "set", "--issuer", ISSUER, "--client-id", "keystead", "--domain", "example.com")


async def test_a_provider_is_set_shown_changed_and_removed_and_its_secret_is_asked_for(run: Run) -> None:
    assert "sign in with passwords" in (await run(*COMMAND, "show")).stdout
    made = await run(*SET, "--domain", "example.org", "--team", "Default team", stdin=f"{SECRET}\n")
    assert SECRET not in made.output
    assert row(made.stdout, "domains") == ["domains", "example.com,", "example.org"]
    assert row(made.stdout, "redirect") == ["redirect", "URI", "/console/sign-in/back"]
    shown = await answer(run, *COMMAND, "show")
    assert (shown["identity_provider"]["issuer"], shown["identity_provider"]["trusts_mfa"]) == (ISSUER, False)
    assert SECRET not in str(shown)

    changed = await answer(run, *SET, "--keep-secret", "--trusts-mfa")
    now = changed["identity_provider"]
    assert (now["domains"], now["team_id"], now["trusts_mfa"]) == (["example.com"], None, True)
    assert now["sign_in_path"] == shown["identity_provider"]["sign_in_path"], "people keep the address they know"

    assert "sign in with passwords" in (await run(*COMMAND, "remove")).stdout
    assert await answer(run, *COMMAND, "show") == {"identity_provider": None}
    refused = (await run(*COMMAND, "remove", expect=1)).output
    assert "has no identity provider" in refused
    assert "nothing to remove" in refused
    assert "Check the id" not in refused


async def test_one_is_tried_before_it_is_set(run: Run) -> None:
    tried = await answer(run, *COMMAND, "try", "https://169.254.169.254")
    assert [(one["name"], one["state"]) for one in tried] == [("discovery", "failure")]
    assert row((await run(*COMMAND, "try", "https://169.254.169.254")).stdout, "discovery")[1] == "failure"


async def test_a_kept_secret_is_for_the_issuer_that_it_was_typed_for(run: Run) -> None:
    assert "no client secret" in (await run(*SET, "--keep-secret", expect=1)).output
    await run(*SET, stdin=f"{SECRET}\n")
    other = ("--issuer", "https://other.example.com", "--client-id", "keystead", "--domain", "example.com")
    assert "no client secret" in (await run(*COMMAND, "set", *other, "--keep-secret", expect=1)).output
    await run(*COMMAND, "remove")


async def test_what_no_provider_can_be_is_refused_and_named(run: Run) -> None:
    for option, value, says in (
        ("--issuer", "https://LOGIN.example.com", "normal form"),
        ("--issuer", "http://127.0.0.1:8080", "KEYSTEAD_EGRESS_ALLOW"),
        ("--domain", "not a domain", "domains"),
        ("--team", "nobody knows it", "team"),
    ):
        refused = await run(*SET, option, value, stdin=f"{SECRET}\n", expect=1)
        assert says in refused.output, refused.output
        assert SECRET not in refused.output
    assert await answer(run, *COMMAND, "show") == {"identity_provider": None}
    assert "--issuer" in (await run(*COMMAND, "set", expect=2)).output
