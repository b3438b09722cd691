"""T6: a name is resolved once, judged, and connected to as judged.

The resolver is the system's, which a test cannot change for another process; so these drive the transport itself,
over real sockets, with a look-up that changes its mind. Who gets a connection is what counts, not what is said on it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from keystead import settings
from keystead.domain.errors import ProviderError
from keystead.domain.secret import Secret
from keystead.providers.egress import EgressGuard
from keystead.providers.request import UpstreamRequest
from keystead.providers.table import Auth
from keystead.providers.transport import AiohttpTransport

KEY = Secret("sk-proj-attack-rebinding-0b1c9d7f3b9d5e2a")
NAME = "rebinding.example"
INSIDE = "127.0.0.1"
ALLOWED = "127.0.0.2"


class Listeners:
    """Two hosts on one port: `INSIDE`, where the attacker wants to get, and `ALLOWED`, the only one permitted."""

    def __init__(self) -> None:
        self.port = 0
        self.connected: list[str] = []

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Listeners"]:
        async with contextlib.AsyncExitStack() as stack:
            for address in (INSIDE, ALLOWED):
                server = await asyncio.start_server(self._accepted, address, self.port)
                await stack.enter_async_context(server)
                self.port = server.sockets[0].getsockname()[1]
            yield self

    def _accepted(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.append(writer.get_extra_info("sockname")[0])
        writer.close()


@pytest.fixture
async def listeners() -> AsyncIterator[Listeners]:
    async with Listeners().open() as opened:
        yield opened


async def attempt(port: int, *answers: Sequence[str], times: int = 1) -> tuple[list[str], int]:
    """Send `times` requests to the name, whose look-ups give `answers` in order; return the errors and the look-ups."""
    left = list(answers)
    asked = 0

    async def lookup(_host: str, _port: int) -> Sequence[str]:
        nonlocal asked
        asked += 1
        return left.pop(0) if len(left) > 1 else left[0]

    transport = AiohttpTransport(
        settings=settings.load({"KEYSTEAD_CONNECT_TIMEOUT_S": "1"}), guard=EgressGuard((ALLOWED,)), lookup=lookup
    )
    request = UpstreamRequest(
        method="POST",
        origin=f"https://{NAME}:{port}",
        target="/v1/chat/completions",
        headers=(("content-type", "application/json"),),
        body=b"{}",
        auth=Auth(header="Authorization", prefix="Bearer "),
    )
    errors = []
    try:
        for _ in range(times):
            with pytest.raises(ProviderError) as caught:
                await transport.open(request, KEY)
            errors.append(caught.value.code)
            assert not caught.value.sent
    finally:
        await transport.close()
    return errors, asked


async def test_the_address_that_was_judged_is_the_address_that_is_connected_to(listeners: Listeners) -> None:
    _, asked = await attempt(listeners.port, [ALLOWED], [INSIDE])
    assert asked == 1, "a second look-up could answer differently"
    assert set(listeners.connected) == {ALLOWED}


async def test_a_name_that_turns_inwards_later_is_not_followed(listeners: Listeners) -> None:
    await attempt(listeners.port, [ALLOWED], [INSIDE], times=3)
    assert INSIDE not in listeners.connected


@pytest.mark.parametrize("order", [[ALLOWED, INSIDE], [INSIDE, ALLOWED], [INSIDE, INSIDE, ALLOWED]])
async def test_of_several_addresses_only_the_allowed_one_is_tried(listeners: Listeners, order: list[str]) -> None:
    await attempt(listeners.port, order)
    assert set(listeners.connected) == {ALLOWED}


@pytest.mark.parametrize(
    "address",
    [INSIDE, "::1", "::ffff:127.0.0.1", "169.254.169.254", "0.0.0.0", "::", "64:ff9b::7f00:1", "2002:7f00:1::"],
)
async def test_a_name_that_leads_inside_is_refused_before_a_socket_is_made(listeners: Listeners, address: str) -> None:
    errors, _ = await attempt(listeners.port, [address], times=2)
    assert set(errors) == {"egress_denied"}
    assert listeners.connected == []
