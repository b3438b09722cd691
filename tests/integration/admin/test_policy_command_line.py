"""Grants, data classes, recognisers, consents and terms on the command line, against a gateway that really runs."""

import pytest

from tests.fakes.command_line import Run, answer, row
from tests.fakes.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_deny_works_from_the_next_request_on_and_its_end_too(run: Run, gateway: Gateway) -> None:
    assert (await gateway.chat("sandbox/echo")).status == 200
    denied = await answer(run, "grant", "create", "--deny", "--everyone", "--model", "echo", "--note", "no echoes here")
    refused = await gateway.chat("sandbox/echo")
    assert refused.status == 403
    assert "no echoes here" in refused.body.decode()
    why = (await run("explain", refused.headers["x-keystead-request-id"])).stdout
    assert row(why, "allowed") == ["allowed", "no", "(not_granted)"]
    assert " ".join(row(why, "because")) == f"because Denied by grant {denied['id']} (no echoes here)."
    await run("grant", "revoke", denied["id"], "--yes")
    assert (await gateway.chat("sandbox/echo")).status == 200
    listed = (await run("grant", "list", "--in-force")).stdout
    assert denied["id"] not in listed
    assert row(listed, "grt_")[0] == "allow"


async def test_a_grant_says_for_whom_and_a_condition_must_check(run: Run) -> None:
    assert "Say for whom" in (await run("grant", "create", expect=2)).output
    wrong = await run("grant", "create", "--everyone", "--when", "request.modle == 'x'", expect=1)
    assert "undeclared reference to 'request.modle'" in wrong.output
    unset = await run("grant", "create", "--everyone", "--when", "", expect=2)
    assert "--when" in unset.output
    made = await run("grant", "create", "--team", "Default team", "--when", "hour < 24", "--expires", "30d")
    assert "when         hour < 24" in made.stdout


async def test_what_a_recogniser_blocks_does_not_leave(run: Run, gateway: Gateway) -> None:
    assert "not looked into" in (await run("recognizer", "list")).output
    await run("recognizer", "add", "apollo", "--pattern", "APOLLO-[0-9]+", "--block")
    refused = await gateway.chat("sandbox/echo", text="what about APOLLO-11?")
    assert (refused.status, "apollo" in refused.body.decode()) == (403, True)
    assert (await gateway.chat("sandbox/echo", text="what about Apollo 11?")).status == 200
    assert row((await run("recognizer", "list")).stdout, "apollo")[:4] == [
        "apollo",
        "pattern",
        "APOLLO-[0-9]+",
        "block",
    ]
    await run("recognizer", "remove", "apollo", "--yes")
    assert (await gateway.chat("sandbox/echo", text="what about APOLLO-11?")).status == 200
    assert "Say what to do" in (await run("recognizer", "add", "x", "--kind", "secret", expect=2)).output
    assert "Say what to look for" in (await run("recognizer", "add", "x", "--block", expect=2)).output


async def test_a_class_is_set_listed_and_removed(run: Run) -> None:
    made = await run(
        "data-class", "set", "patient", "--rank", "350", "--region", "eu", "--baa", "--most-retention", "0"
    )
    assert (await run("data-class", "list")).stdout == made.stdout
    assert "regions eu, zero retention, BAA" in made.stdout
    assert "regions eu, zero retention, no training, BAA" in made.stdout
    again = await run("data-class", "set", "patient", "--rank", "400", expect=1)
    assert "restricted has the rank 400" in again.output
    left = (await run("data-class", "remove", "patient", "--yes")).stdout
    assert [line.split()[0] for line in left.splitlines()[2:]] == ["public", "internal", "confidential", "restricted"]


async def test_a_consent_is_given_listed_and_withdrawn(run: Run) -> None:
    assert "nothing falls back" in (await run("consent", "list")).output
    given = ("--data-class", "internal", "--reason", "down", "--daily-cap", "5", "--monthly-cap", "50")
    assert "Missing option '--expires'" in (await run("consent", "give", *given, expect=2)).output
    refused = await run("consent", "give", *given, "--data-class", "restricted", "--expires", "90d", expect=1)
    assert "never fall back" in refused.output
    [consent] = await answer(run, "consent", "give", *given, "--expires", "90d")
    assert (consent["daily_cap"], consent["monthly_cap"], consent["reasons"]) == ("5", "50", ["down"])
    await run("consent", "revoke", consent["id"], "--yes")
    assert "revoked" in row((await run("consent", "list")).stdout, consent["id"])
    assert "nothing falls back" in (await run("consent", "list", "--in-force")).output


async def test_terms_are_said_and_shown(run: Run) -> None:
    shown = await run(
        "credential", "terms", "sandbox", "--region", "eu", "--retention", "0", "--no-training", "--dpa", "DPA-7"
    )
    assert "terms          regions eu, zero retention, no training, DPA DPA-7" in shown.stdout


async def test_what_would_be_decided_is_explained_and_so_is_what_was(run: Run, gateway: Gateway) -> None:
    await run("limit", "create", "pace", "--organization", "--requests-per-minute", "10000")
    before = (await run("explain", "--key", "first key", "--model", "sandbox/echo", "--data-class", "internal")).stdout
    assert row(before, "allowed") == ["allowed", "yes"]
    assert "The request is at least internal, says its header." in before
    assert "At most 10,000 requests per minute." in before
    assert "Say which request" in (await run("explain", "--model", "sandbox/echo", expect=2)).output
    reply = await gateway.chat("sandbox/echo", headers={"x-keystead-data-class": "internal"}, max_tokens=20)
    identifier = reply.headers["x-keystead-request-id"]
    after = (await run("explain", identifier)).stdout
    assert row(after, "because")[:4] == ["because", "Allowed", "by", "grant"]
    assert "The request was taken to be internal, by its header." in after
    assert row(after, "sandbox v1")[:3] == ["1", "sandbox", "v1"]
    [attempt] = (await answer(run, "explain", identifier))["attempts"]
    assert (attempt["most"], attempt["most_basis"], attempt["ended"]) == ("0", "free of charge", "settled")
    denied = await gateway.chat("sandbox/echo", headers={"x-keystead-data-class": "secret"})
    told = await answer(run, "explain", denied.headers["x-keystead-request-id"])
    assert (told["allowed"], told["code"], told["reason"]) == (False, "unknown_data_class", "")
    missing = await gateway.chat("nobody/has-this")
    told = await answer(run, "explain", missing.headers["x-keystead-request-id"])
    assert (told["code"], told["reason"]) == ("model_not_found", "No credential serves the model 'nobody/has-this'.")
    assert "says itself" in (await run("explain", identifier, "--model", "x", expect=2)).output
