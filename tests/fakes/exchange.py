"""Short ways to make a transport, a request, and the error it must meet."""

from typing import Any

import pytest

from keystead import settings as keystead_settings
from keystead.domain.errors import ProviderError
from keystead.domain.secret import Secret
from keystead.providers.authorization import Authorized, with_key
from keystead.providers.egress import EgressGuard
from keystead.providers.request import UpstreamRequest
from keystead.providers.row import Auth
from keystead.providers.transport import AiohttpTransport, Transport

KEY = "sk-canary-0123456789abcdefghijklmnop"
LIMIT = 1 << 20


def transport(*, allow: tuple[str, ...] = ("127.0.0.1",), lookup: Any = None, **changes: Any) -> AiohttpTransport:
    given = {f"KEYSTEAD_{name.upper()}": str(value) for name, value in changes.items()}
    settings = keystead_settings.load(given)
    extra = {"lookup": lookup} if lookup else {}
    return AiohttpTransport(settings=settings, guard=EgressGuard(allow), **extra)


def request(origin: str, *, model: str = "m", stream: bool = False, body: bytes | None = None) -> UpstreamRequest:
    text = f'{{"model":"{model}","stream":{str(stream).lower()},"messages":[]}}'
    return UpstreamRequest(
        method="POST",
        origin=origin,
        target="/v1/chat/completions",
        headers=(("content-type", "application/json"), ("accept", "*/*"), ("Accept-Encoding", "identity")),
        body=text.encode() if body is None else body,
        auth=Auth(header="Authorization", prefix="Bearer "),
    )


def proven(asked: UpstreamRequest, key: str = KEY) -> tuple[UpstreamRequest, Authorized]:
    """A request with the key for its proof: what `Transport.open` takes."""
    return asked, with_key(asked, Secret(key))


async def read_all(over: Transport, asked: UpstreamRequest) -> list[bytes]:
    response = await over.open(*proven(asked))
    try:
        return [piece async for piece in response.chunks()]
    finally:
        response.close()


async def read_body(over: Transport, asked: UpstreamRequest) -> bytes:
    response = await over.open(*proven(asked))
    try:
        return await response.body(LIMIT)
    finally:
        response.close()


async def failure(over: Transport, asked: UpstreamRequest) -> ProviderError:
    """Open and read to the end, and return the error that this must meet."""
    with pytest.raises(ProviderError) as caught:
        await read_all(over, asked)
    assert KEY not in str(caught.value)
    assert "127.0.0.1" not in caught.value.message
    return caught.value
