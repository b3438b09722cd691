"""What is asked of every proxy, and how often."""

import json
from typing import Final

import msgspec

MODEL: Final = "gpt-4o-mini"
"""A model with a price, so that the cost is computed too."""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How much is asked. Every number is bounded: a benchmark ends by itself."""

    requests: int
    warm_up: int
    lone_requests: int
    streams: int
    lone_streams: int
    connections: int = 32
    stream_connections: int = 10
    events: int = 200
    large_requests: int = 1000


FULL: Final = Scale(requests=10_000, warm_up=500, lone_requests=500, streams=100, lone_streams=100)
SLOW: Final = Scale(
    requests=600, warm_up=50, lone_requests=60, streams=20, lone_streams=20, events=100, large_requests=60
)
"""For peers that take tens of milliseconds a request."""
QUICK: Final = Scale(requests=1000, warm_up=100, lone_requests=100, streams=20, lone_streams=20, large_requests=100)
"""To see that the harness itself works."""

SMALL_BODY_BYTES: Final = 1000
LARGE_BODY_BYTES: Final = 64 * 1024
"""What a coding agent sends on each turn: 50 to 90 KB."""


def chat_body(*, size: int, events: int = 0) -> bytes:
    """Return a chat request of about `size` bytes; a streamed one of `events` events if `events` is not 0."""
    messages = [
        {"role": "system", "content": "You answer in one line."},
        {"role": "user", "content": ("What glitters? " * (size // 15))[:size]},
    ]
    body: dict[str, object] = {"model": MODEL, "messages": messages, "temperature": 0.2}
    if events:
        body |= {"stream": True, "max_completion_tokens": events}
    return json.dumps(body, separators=(",", ":")).encode()
