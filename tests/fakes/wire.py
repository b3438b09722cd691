"""What the fake provider receives and what it can be told to send."""

from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came over the socket."""

    at: int
    """Unix microseconds."""
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    """Names in lower case, in the order they came."""
    body: bytes
    model: str
    """From the body or the path."""
    marker: str
    """The word after `marker-` in the body: a test's own mark, given back in the answer."""
    auth: str
    """The value of the header that carries a key."""

    def header(self, name: str) -> str | None:
        """Return the header called `name` (lower case)."""
        return dict(self.headers).get(name)


class _Cut(Enum):
    STALL = "send nothing more, keep the connection"
    RESET = "close with RST"


STALL: Final = _Cut.STALL
RESET: Final = _Cut.RESET

Step = bytes | float | _Cut
"""Bytes to send, seconds to wait, or a way to end badly."""


class Framing(Enum):
    """How the body's end is told."""

    LENGTH = "content-length"
    CHUNKED = "chunked"
    CLOSE = "by closing"
    RAW = "the steps are the whole answer, head included"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. A plain answer is `Answer(steps=(body,))`."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    steps: Iterable[Step] = ()
    framing: Framing = Framing.LENGTH
    chunk_size: int | None = None
    """Re-cut the bytes to this size."""
    declared_length: int = 0
    """The content-length to claim, when the steps are not plain bytes."""
    close: bool = False
    """Close after the steps, without the terminating chunk."""

    @property
    def plain(self) -> bool:
        """Say whether it is one piece of bytes with its length."""
        return (
            self.framing is Framing.LENGTH
            and isinstance(self.steps, tuple)
            and all(isinstance(step, bytes) for step in self.steps)
        )
