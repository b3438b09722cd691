"""Grants, data classes, recognisers, consents and terms on the command line, against a gateway that really runs."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from keystead.cli import main
from tests.fakes.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

Run = Callable[..., Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with Gateway.running(tmp_path_factory.mktemp("policy") / "home") as running:
        yield running


@pytest.fixture
def run(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `keystead …` beside the gateway."""
    monkeypatch.setenv("KEYSTEAD_HOME", str(gateway.home))
    monkeypatch.setenv("KEYSTEAD_URL", gateway.url)
    monkeypatch.setenv("COLUMNS", "200")

    async def command(*args: str, stdin: str = "", expect: int = 0) -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, main, list(args), input=stdin)
        assert result.exit_code == expect, result.output
        return result

    return command


async def answer(run: Run, *args: str) -> Any:
    return json.loads((await run(*args, "--output", "json")).stdout)


def row(output: str, word: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if word in line)


async def test_a_deny_works_from_the_next_request_on_and_its_end_too(run: Run, gateway: Gateway) -> None:
    assert (await gateway.chat("sandbox/echo")).status == 200
    denied = await answer(run, "grant", "create", "--deny", "--everyone", "--model", "echo", "--note", "no echoes here")
    refused = await gateway.chat("sandbox/echo")
    assert refused.status == 403
    assert "no echoes here" in refused.body.decode()
    await run("grant", "revoke", denied["id"], "--yes")
    assert (await gateway.chat("sandbox/echo")).status == 200
    listed = (await run("grant", "list", "--in-force")).stdout
    assert denied["id"] not in listed
    assert row(listed, "grt_")[0] == "allow"


async def test_a_grant_says_for_whom_and_a_condition_must_check(run: Run) -> None:
    assert "Say for whom" in (await run("grant", "create", expect=2)).output
    wrong = await run("grant", "create", "--everyone", "--when", "request.modle == 'x'", expect=1)
    assert "undeclared reference to 'request.modle'" in wrong.output
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
