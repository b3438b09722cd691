"""A stream beyond what is kept of it, seen from outside: an error in the caller's own dialect, and settled."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.acceptance import upstreams
from tests.acceptance.upstreams import Said
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLS: tuple[tuple[str, str, dict[str, str]], ...] = tuple((f"call_{number}", "weather", {}) for number in range(4100))
BEYOND = {"event_too_large": Said(text="Sunny." * 3_000_000), "too_many_parts": Said(text="Sunny.", calls=CALLS)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Gateway, FakeProvider]]:
    home = tmp_path_factory.mktemp("bounds") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        await gateway.add_credential("openai", "openai", "sk-proj-canary-7f3b1c9d5e2a4860", origin=fake.origin)
        yield gateway, fake


@pytest.mark.parametrize("code", BEYOND)
async def test_it_ends_in_an_error_of_the_callers_dialect_and_is_settled(
    house: tuple[Gateway, FakeProvider], code: str
) -> None:
    gateway, fake = house
    fake.always(lambda call: upstreams.answer_to(call, BEYOND[code]))
    asked = {"model": "openai/m-1", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    async with asyncio.timeout(30):
        told = bytearray()
        headers = {"x-api-key": gateway.virtual_key}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{gateway.url}/v1/messages", json=asked, headers=headers) as reply,
        ):
            with pytest.raises(aiohttp.ClientPayloadError):  # noqa: PT012 - what came before counts
                async for piece in reply.content.iter_any():
                    told += piece
        while True:
            [row] = (await gateway.admin("GET", "/requests?limit=1"))["items"]
            if row["state"] != "intent":
                break
    assert (row["state"], row["error_code"], row["fault"]) == ("failed_billed", code, "provider")
    last = told.decode().strip().split("\n\n")[-1]
    assert json.loads(last.partition("data: ")[2])["type"] == "error"
