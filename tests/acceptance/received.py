"""An answer as a client got it, cut or whole."""

from collections.abc import Mapping

import aiohttp
import msgspec


class Received(msgspec.Struct, frozen=True):
    """What came."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool
    """The answer came to its end, as HTTP tells it."""


async def receive(response: aiohttp.ClientResponse) -> Received:
    """Read an answer to its end, whichever it is."""
    body = bytearray()
    whole = True
    try:
        async for part in response.content.iter_any():
            body += part
    except aiohttp.ClientPayloadError:
        whole = False
    return Received(response.status, response.headers, bytes(body), whole)
