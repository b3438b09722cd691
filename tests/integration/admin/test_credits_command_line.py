"""Credits on the command line, against a gateway that really runs."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fakes.command_line import Run, answer, row
from tests.fakes.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with Gateway.running(tmp_path_factory.mktemp("credits") / "home", credit_value="0.05") as running:
        yield running


async def test_credits_are_paid_in_put_right_and_accounted_for(run: Run) -> None:
    assert "available     100 credits of 0.05 USD" in (await run("credits", "balance")).stdout
    top_up = ("credits", "top-up", "500", "--reference", "inv-42", "--note", "card")
    assert "500 credits, trf_" in (await run(*top_up)).stdout
    assert "It was booked before" in (await run(*top_up)).stdout
    refused = await run("credits", "top-up", "501", "--reference", "inv-42", expect=1)
    assert "booked already" in refused.output
    adjusted = await answer(run, "credits", "adjust", "--by", "-12.5", "--reason", "paid twice")
    assert (adjusted["transfer"]["credits"], adjusted["balance"]["available"]) == ("-12.5", "587.5")

    shown = (await run("credits", "statement")).stdout
    assert row(shown, "opening balance")[-1] == "0"
    assert row(shown, "inv-42")[2:5] == ["topup", "500", "inv-42"]
    assert "paid twice" in shown
    assert row(shown, "free credits")[-1] == "100"
    assert row(shown, "closing balance")[-1] == "587.5"
    statement = await answer(run, "credits", "statement", "--since", "1d")
    assert [line["kind"] for line in statement["transfers"]] == ["grant", "topup", "adjustment"]
    assert statement["closing"] == "587.5"

    trial = (await run("credits", "trial-balance")).stdout
    assert row(trial, "received")[1:4] == ["500", "0", "-500"]
    assert row(trial, "Default organization")[3:6] == ["12.5", "600", "587.5"]
    assert "The books agree" in trial


@pytest.mark.parametrize("amount", ["0", "-5", "NaN", "1e309", "0.0000000000001"])
async def test_what_is_no_amount_is_refused_with_what_to_do(run: Run, amount: str) -> None:
    refused = await run("credits", "top-up", "--reference", "odd", "--", amount, expect=1)
    assert "Write a number above zero" in refused.output


async def test_a_platform_credential_is_added_offered_and_repriced(run: Run) -> None:
    key = "canary-platform-key-number-one"
    add = ("credential", "add", "sold", "--provider", "sandbox", "--platform")
    await run(*add, stdin=key, expect=2)
    await run("credential", "add", "own", "--provider", "sandbox", "--margin", "5%", stdin=key, expect=2)
    added = (await run(*add, "--margin", "20%", stdin=key)).stdout
    assert row(added, "margin")[1:] == ["20", "%"]
    assert row(added, "owner")[1:] == ["platform"]
    await run("credential", "margin", "sold", "12.5%")
    offered = (await run("platform-credential", "list")).stdout
    assert row(offered, "sold")[:1] == ["sold"]
    assert "12.5 %" in offered
    assert "canary" not in added + offered
