"""A fake of OpenAI's realtime endpoint on a real socket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, Self

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

USAGE: Final[dict[str, Any]] = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
"""Of every response."""


DEAR: Final[dict[str, Any]] = {
    "total_tokens": 80_000,
    "input_tokens": 0,
    "output_tokens": 80_000,
    "output_token_details": {"text_tokens": 0, "audio_tokens": 80_000},
}
"""More than any response has: 5.12 USD of gpt-realtime."""


class Handshake(msgspec.Struct, frozen=True):
    """What came in."""

    path: str
    headers: dict[str, str]


class FakeRealtime:
    """Answers `response.create` with a response and its usage; does what other messages say."""

    def __init__(self) -> None:
        self.handshakes: list[Handshake] = []
        self.heard: list[dict[str, Any]] = []
        self.open: set[ServerConnection] = set()
        self.refuse: tuple[int, bytes] | None = None
        """Status and body for the next handshakes."""
        self._server: Server | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        fake = cls()
        async with serve(
            fake._converse, "127.0.0.1", 0, process_request=fake._shake, compression=None, max_size=2**24
        ) as fake._server:
            yield fake

    @property
    def origin(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def nobody(self) -> None:
        """Wait until no session is open."""
        for connection in list(self.open):
            await connection.wait_closed()

    def _shake(self, connection: ServerConnection, request: Request) -> Response | None:
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        self.handshakes.append(Handshake(request.path, headers))
        if self.refuse is None:
            return None
        status, body = self.refuse
        response = connection.respond(HTTPStatus(status), body.decode())
        response.headers["location"] = "https://elsewhere.example/"
        return response

    async def _converse(self, connection: ServerConnection) -> None:
        self.open.add(connection)
        try:
            model = connection.request.path.partition("model=")[2] if connection.request else ""
            session = {"type": "realtime", "model": model, "object": "realtime.session", "id": "sess_1"}
            await _say(connection, "session.created", session=session)
            async for message in connection:
                heard = json.loads(message)
                self.heard.append(heard)
                await self._act(connection, heard)
        finally:
            self.open.discard(connection)

    async def _act(self, connection: ServerConnection, heard: dict[str, Any]) -> None:
        if heard["type"] != "response.create":
            await _say(connection, "conversation.item.done", item={"id": "item_1", "type": "message"})
            return
        wish = heard.get("response", {}).get("instructions", "")
        started = {"id": f"resp_{len(self.heard)}", "object": "realtime.response", "status": "in_progress"}
        await _say(connection, "response.created", response=started)
        if wish == "never":
            return
        if wish == "garbage":
            await connection.send(b'{"type":"\xff"}', text=True)
        if wish == "cut":
            connection.transport.abort()
            return
        if wish == "leak":
            await _say(
                connection, "error", error={"type": "x", "message": self.handshakes[-1].headers["authorization"]}
            )
        await _say(connection, "response.output_text.delta", delta="pong", response_id=started["id"])
        if wish == "transcribe":
            usage = {"type": "duration", "seconds": 2.5}
            kind = "conversation.item.input_audio_transcription.completed"
            await _say(connection, kind, transcript="Hi", usage=usage, item_id="item_1", content_index=0)
        usage = DEAR if wish == "dear" else USAGE
        await _say(connection, "response.done", response={**started, "status": "completed", "usage": usage})
        if wish == "close":
            await connection.close(1000)


async def _say(connection: ServerConnection, kind: str, **members: Any) -> None:
    await connection.send(json.dumps({"type": kind, "event_id": "event_1", **members}))
