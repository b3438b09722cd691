"""How long answers take, from a gateway that really runs to what the command line says of it."""

import pytest

from tests.fakes.command_line import Run, answer
from tests.fakes.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_whole_answers_and_first_tokens_of_streams_are_measured(run: Run, gateway: Gateway) -> None:
    assert (await gateway.chat("sandbox/echo")).status == 200
    assert (await gateway.chat("sandbox/echo", stream=True)).status == 200
    [streamed, plain] = (await gateway.admin("GET", "/requests?limit=2"))["items"]
    [attempt] = (await gateway.admin("GET", f"/requests/{streamed['id']}"))["attempts"]
    assert attempt["first_byte_us"] <= attempt["first_token_us"] <= attempt["duration_us"]
    [attempt] = (await gateway.admin("GET", f"/requests/{plain['id']}"))["attempts"]
    assert attempt["first_token_us"] is None
    assert "first token" in (await run("request", "show", streamed["id"])).stdout

    found = await answer(run, "usage", "--latency", "--by", "provider")
    assert found["bounds_us"][:3] == [50_000, 100_000, 200_000]
    [line] = found["lines"]
    assert (line["attempts"], line["duration"]["count"], line["first_token"]["count"]) == (2, 2, 1)
    assert line["duration"]["p50"]["few"] is True
    shown = (await run("usage", "--latency", "--by", "hour,model")).stdout
    assert "first token p95" in shown
    assert "ms *" in shown


async def test_only_some_values_of_a_dimension(run: Run, gateway: Gateway) -> None:
    assert (await gateway.chat("sandbox/echo")).status == 200
    whole = await answer(run, "usage", "--by", "day,model")
    model = whole["lines"][0]["keys"][1]["id"]
    narrowed = await answer(run, "usage", "--by", "day", "--only", f"model:{model}", "--only", "provider:sandbox")
    assert narrowed["lines"][0]["requests"] == whole["lines"][0]["requests"] > 0
    assert (await answer(run, "usage", "--latency", "--only", "model:none-such"))["lines"] == []
    assert "does not say a dimension" in (await run("usage", "--only", "none-such", expect=1)).stderr


async def test_usage_still_tells_tokens_and_cost(run: Run, gateway: Gateway) -> None:
    assert (await gateway.chat("sandbox/echo")).status == 200
    shown = (await run("usage", "--by", "provider")).stdout
    assert "cost" in shown
    assert "p50" not in shown
