"""A client that calls an ASGI application in the test's own event loop, as a server would."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from keystead.gateway.departure import EXTENSION, Departure
from keystead.web.admin.application import AdminApplication


class Answer(msgspec.Struct, frozen=True):
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


async def call(
    app: AdminApplication,
    method: str,
    target: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    chunks: Sequence[bytes] = (),
    leaves_after: int | None = None,
) -> Answer:
    """Send one request whose body comes in `chunks`; with `leaves_after`, hang up after so many pieces of the answer."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), *((name.lower().encode(), value.encode()) for name, value in headers)],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 5397),
        "state": {},
        "extensions": {EXTENSION: Departure()},
    }
    incoming = [
        *({"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks),
        {"type": "http.request", "body": b"", "more_body": False},
    ]
    outgoing: list[Any] = []
    left = asyncio.Event()

    async def receive() -> Any:
        if incoming:
            return incoming.pop(0)
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        outgoing.append(message)
        if len(outgoing) - 1 == leaves_after:
            left.set()

    await app(scope, receive, send)
    start = outgoing[0]
    assert start["type"] == "http.response.start"
    return Answer(
        start["status"],
        {name.decode().lower(): value.decode() for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in outgoing[1:]),
    )
