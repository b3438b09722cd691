"""Budgets and rate limits on the command line, against a gateway that really runs."""

import pytest

from tests.fakes.command_line import Run, answer
from tests.fakes.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_budget_lives_from_its_creation_to_its_end(run: Run) -> None:
    create = ("budget", "create", "research", "--team", "Default team", "--period", "month", "--limit", "100")
    made = await answer(run, *create, "--unpriced", "hold", "--unpriced-hold", "0.5", "--ends", "90d")
    assert (made["scope_kind"], made["scope"], made["limit"], made["hard"]) == ("team", "Default team", "100", True)
    assert (made["unpriced_hold"], made["alert_percent"]) == ("0.5", 80)
    shown = (await run("budget", "show", "research")).stdout
    assert "100 USD per month, hard" in shown
    assert "hold, 0.5 USD" in shown
    line = next(line for line in (await run("budget", "list")).stdout.splitlines() if "research" in line)
    assert "team Default team" in line
    assert "ok" in line

    await run("budget", "change", "research", "--limit", "12.5", "--soft")
    changed = await answer(run, "budget", "change", made["id"], "--alert", "50", "--no-end", "--unpriced", "allow")
    assert (changed["limit"], changed["hard"], changed["alert_percent"]) == ("12.5", False, 50)
    assert (changed["ends_at"], changed["unpriced_hold"]) == (None, None)
    assert "ended" in (await run("budget", "end", "research", "--yes")).stdout
    assert await answer(run, "budget", "list", "--in-force") == []


async def test_a_rolling_budget_in_credits_for_models(run: Run) -> None:
    options = ("--model", "gpt-5*", "--period", "rolling", "--rolling-hours", "24", "--limit", "500")
    shown = (await run("budget", "create", "bought", *options, "--currency", "XCR", "--soft", "--alert", "1")).stdout
    assert "500 credits per 24 hours, soft" in shown
    assert "model gpt-5*" in shown


@pytest.mark.parametrize(
    "scope",
    [("--organization",), ("--member", "administrator"), ("--key", "first key"), ("--credential", "sandbox")],
)
async def test_a_limit_is_for_whatever_can_be_counted(run: Run, scope: tuple[str, ...]) -> None:
    shown = (await run("limit", "create", f"out{scope[0]}", "--max-output-tokens", "4096", *scope)).stdout
    assert "4,096" in shown
    assert "max output tokens" in shown
    await run("limit", "delete", f"out{scope[0]}", "--yes")


async def test_a_rate_limit_slows_its_callers_down_until_it_is_deleted(run: Run, gateway: Gateway) -> None:
    made = await answer(run, "limit", "create", "pace", "--requests-per-minute", "2", "--key", "first key")
    ask = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hi"}]}
    statuses = [(await gateway.call("POST", "/v1/chat/completions", ask)).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert made["id"] in (await run("limit", "list")).stdout
    assert "deleted" in (await run("limit", "delete", "pace", "--yes")).stdout
    assert (await gateway.call("POST", "/v1/chat/completions", ask)).status == 200


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("budget", "create", "x", "--limit", "1", "--period", "day"), "exactly one thing"),
        (("budget", "create", "x", "--limit", "1", "--period", "day", "--organization", "--team", "a"), "exactly one"),
        (("budget", "change", "x"), "what to change"),
        (("budget", "change", "x", "--no-end", "--ends", "1d"), "not both"),
        (("limit", "create", "x", "--organization"), "exactly one of --requests-per-minute"),
        (("limit", "create", "x", "--concurrent", "1", "--tokens-per-minute", "1"), "exactly one of"),
        (("limit", "create", "x", "--concurrent", "1"), "exactly one thing"),
    ],
)
async def test_what_is_not_clear_is_asked_for(run: Run, args: tuple[str, ...], told: str) -> None:
    assert told in (await run(*args, expect=2)).output


@pytest.mark.parametrize("amount", ["0", "-5", "NaN", "1e309", "0.0000000000001"])
async def test_what_is_no_amount_is_refused_with_what_to_do(run: Run, amount: str) -> None:
    options = ("--organization", "--period", "day", "--limit", amount)
    refused = await run("budget", "create", "odd", *options, expect=1)
    assert "Write a number above zero" in refused.output
