"""What each dialect must offer to be translated from and to. Pure.

caller's bytes ── read_request ──► ChatRequest ── write_request ──► provider's bytes
caller's bytes ◄── write_answer ── Answer ◄── read_answer ── provider's bytes
caller's events ◄── StreamWriter ── Event … ◄── StreamReader ── provider's events
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from keystead.domain.chat import Answer, ChatRequest, Event, Loss, Maker, Sealed
from keystead.domain.usage import Usage


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider or a family of its models differs from the dialect it speaks (OpenAI's look-alikes, mostly)."""

    limit_name: str = "max_completion_tokens"
    """OpenAI's look-alikes know only `max_tokens`."""
    instructions_role: str = "developer"
    """Or `system`."""
    reasoning_effort: bool = True
    """Knows `reasoning_effort`."""
    json_schema: bool = True
    """Knows `response_format.json_schema`; else `json_object` is asked for and the schema is a grave loss."""
    strict_tools: bool = True
    usage_option: bool = True
    """Knows `stream_options.include_usage`."""
    custom_tools: bool = False
    default_max_tokens: int = 8192
    """For a dialect that must be told a limit (Anthropic) when the caller sets none."""
    efforts: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    """The values of `reasoning_effort` that it knows, least first."""
    unknown: frozenset[str] = frozenset()
    """Members of OpenAI's chat completions that it refuses a request for; `name` is that of a message."""
    thoughts: str = ""
    """The member of an assistant's message in which it takes back what its model thought; empty: in none."""
    short_call_ids: bool = False
    """Takes no other ids of tool calls than of nine letters and digits."""
    strict_turns: bool = False
    """Wants instructions at the head of a conversation alone, and after a tool's result the assistant."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A body for the provider."""

    body: bytes
    losses: tuple[Loss, ...] = ()
    """What the target has no word for, in the caller's words as far as they are known (`ChatRequest.losses` are not
    repeated)."""


class UnreadableError(ValueError):
    """An answer that is not what its dialect says. The message names the place and repeats no content."""


class TooManyError(UnreadableError):
    """An answer that opens more at once than can be kept."""


MOST_OPENED: Final = 4096
"""Answers and tool calls of one stream, or blocks of content that are open at once. A translation keeps each until it is
whole, and real ones have a few dozen."""


def bounded(count: int) -> None:
    """See that a stream has not opened too much.

    Raises:
        TooManyError: it has.
    """
    if count > MOST_OPENED:
        raise TooManyError(f"more than {MOST_OPENED} answers, tool calls or blocks")


class Splitter(Protocol):
    """Cuts a stream into events, whatever the sizes of the chunks it comes in."""

    dropped: int
    """How many events were too long to be kept."""

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        """Take bytes and return the events they complete.

        Raises:
            UnreadableError: where events end cannot be told any more.
        """
        ...

    def tail(self) -> bytes:
        """Return what came behind the last whole event."""
        ...


class StreamReader(Protocol):
    """Reads a provider's stream, one event at a time (server-sent, or a frame). Memory is bounded by one event."""

    def feed(self, event: bytes) -> Sequence[Event]:
        """Take one whole event as it came; unknown kinds of events give nothing.

        Raises:
            UnreadableError: it is no event of this dialect.
        """
        ...

    def end(self) -> Sequence[Event]:
        """The stream came to its end: return what is still owed. Without a finish the stream was cut."""
        ...


class StreamWriter(Protocol):
    """Writes a stream for the caller. Each call returns whole events, possibly none."""

    def feed(self, event: Event) -> bytes:
        """Write an event."""
        ...

    def end(self, usage: Usage | None) -> bytes:
        """Write what ends a stream that came to its own end; None: no usage is known."""
        ...


class Translator(Protocol):
    """A dialect."""

    def read_request(self, body: bytes, *, model: str, stream: bool) -> ChatRequest:
        """Read a caller's body.

        Raises:
            InvalidRequestError: it is no valid request of the dialect; `param` names the place.
        """
        ...

    def write_request(self, request: ChatRequest, profile: Profile) -> Written:
        """Write a body for a provider."""
        ...

    def read_answer(self, body: bytes) -> Answer:
        """Read a provider's whole answer.

        Raises:
            UnreadableError: it is no answer of the dialect.
        """
        ...

    def write_answer(self, answer: Answer, *, usage: Usage | None, created_s: int) -> bytes:
        """Write a whole answer for the caller."""
        ...

    def stream_reader(self) -> StreamReader:
        """Return a reader for one stream."""
        ...

    def stream_writer(self, request: ChatRequest, *, request_id: str, created_s: int) -> StreamWriter:
        """Return a writer for one stream, the answer to `request`."""
        ...


FREE_TEXT: Final = msgspec.Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')
"""The arguments of a tool that takes free text, for a provider that knows none such (see `gateway.own_tools`)."""

_CARRIED: Final = "ks1."


def carry(sealed: Sealed, native: Maker) -> str:
    """Return what stands for a seal in the field of `native`'s dialect: its own as they are, others wrapped."""
    if sealed.maker is native:
        return sealed.data
    return f"{_CARRIED}{sealed.maker.value}.{base64.urlsafe_b64encode(sealed.data.encode()).decode()}"


def uncarry(text: str, native: Maker) -> Sealed:
    """Read what a caller sends back in the field of `native`'s dialect."""
    if text.startswith(_CARRIED):
        name, _, encoded = text.removeprefix(_CARRIED).partition(".")
        try:
            return Sealed(maker=Maker(name), data=base64.b64decode(encoded, altchars=b"-_", validate=True).decode())
        except (ValueError, binascii.Error):
            pass  # looks like ours and is not: the maker will judge it
    return Sealed(maker=native, data=text)
