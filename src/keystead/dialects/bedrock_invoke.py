"""Anthropic's messages in the envelope of Bedrock's InvokeModel: the same words, the model in the path, frames for events. Pure.

    POST /model/{id}/invoke                        the message, without `model` and `stream`
    POST /model/{id}/invoke-with-response-stream   frames `chunk`, each with one of Anthropic's events in base64
    POST /model/{id}/count-tokens                  the message in base64, in `input.invokeModel.body`

Nothing is translated: a field invented today passes. What has no place in the envelope is said in another: betas, which
Anthropic reads from a header, stand in the body. (docs.aws.amazon.com/bedrock, "Anthropic Claude Messages API",
InvokeModelWithResponseStream and CountTokens, November 2026.)
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from keystead.dialects.body import JsonBody, with_members
from keystead.dialects.eventstream import event_frame, exception_frame, read_frame
from keystead.dialects.sse import data_of
from keystead.dialects.translating import UnreadableError

VERSION: Final = msgspec.Raw(b'"bedrock-2023-05-31"')
COUNT_TAIL: Final = "/model/{model}/count-tokens"

BETAS: Final[Mapping[str, str]] = {
    name: name
    for name in (
        "compact-2026-01-12",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "effort-2025-11-24",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "mid-conversation-output-config-2026-07-01",
        "mid-conversation-tool-changes-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "tool-examples-2025-10-29",
        "tool-search-tool-2025-10-19",
    )
} | {"advanced-tool-use-2025-11-20": "tool-search-tool-2025-10-19"}
"""Betas of Claude that Bedrock takes, and what it calls them. It refuses a request that names any other ("invalid beta
flag"), and Claude Code names many."""

_METRICS: Final = "amazon-bedrock-invocationMetrics"
_KIND: Final = re.compile(r"[a-z_]{1,64}")
_LINE_ENDS: Final = re.compile(rb"[\r\n]")

_TYPES: Final = {
    "internalServerException": "api_error",
    "modelStreamErrorException": "api_error",
    "modelTimeoutException": "timeout_error",
    "serviceUnavailableException": "overloaded_error",
    "throttlingException": "rate_limit_error",
    "validationException": "invalid_request_error",
}
"""Exceptions in a stream, and what Anthropic calls the like."""
_EXCEPTIONS: Final = {kind: name for name, kind in _TYPES.items() if name != "modelStreamErrorException"}
_OTHER_EXCEPTION: Final = "modelStreamErrorException"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One of Anthropic's events, whatever it came in."""

    kind: str
    """Its type, such as `message_stop`."""
    data: bytes
    """The JSON, on one line."""

    @property
    def ends(self) -> bool:
        """Say whether nothing comes behind it."""
        return self.kind in {"message_stop", "error"}


class _Chunk(msgspec.Struct):
    data: bytes = msgspec.field(name="bytes")  # in base64, which msgspec decodes


class _Typed(msgspec.Struct):
    type: str


class _Failure(msgspec.Struct):
    message: str = ""


class _Problem(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Failed(msgspec.Struct):
    error: _Problem = msgspec.field(default_factory=_Problem)


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_TYPED: Final = msgspec.json.Decoder(_Typed)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FAILURE: Final = msgspec.json.Decoder(_Failure)
_FAILED: Final = msgspec.json.Decoder(_Failed)
_NAMES: Final = msgspec.json.Decoder(list[str])
_UNREADABLE: Final = (ValueError, RecursionError)


# -- requests ---------------------------------------------------------------------------------------------------------


def taken_betas(header: str) -> tuple[list[str], list[str]]:
    """Return the betas of an `anthropic-beta` header that Bedrock takes, by its names, and those that are left out."""
    named = list(dict.fromkeys(filter(None, map(str.strip, header.split(",")))))
    taken = dict.fromkeys(BETAS[name] for name in named if name in BETAS)
    return list(taken), [name for name in named if name not in BETAS]


def wrapped(body: JsonBody, betas: Iterable[str]) -> JsonBody:
    """Return a body of Anthropic's as InvokeModel takes it; all that stays keeps its bytes."""
    asked = list(betas)
    changed: dict[str, msgspec.Raw | None] = {"model": None, "stream": None, "anthropic_version": VERSION}
    if asked:
        changed["anthropic_beta"] = msgspec.Raw(msgspec.json.encode(asked))
    return with_members(body, changed)


def unwrapped(body: JsonBody, *, model: str, stream: bool) -> tuple[JsonBody, str]:
    """Return a body of InvokeModel as Anthropic takes it, and its `anthropic-beta` header, empty for none."""
    betas = ",".join(_names(body.members.get("anthropic_beta")))
    changed: dict[str, msgspec.Raw | None] = {
        "anthropic_version": None,
        "anthropic_beta": None,
        "model": msgspec.Raw(msgspec.json.encode(model)),
        "stream": msgspec.Raw(b"true") if stream else None,
    }
    return with_members(body, changed), betas


def counting(body: JsonBody, betas: Iterable[str]) -> bytes:
    """Return the body of CountTokens for a counting body of Anthropic's.

    What is counted is a whole message, which needs a limit; thinking needs one beyond its budget.
    """
    thinking = body.members.get("thinking")
    limit = _budget(thinking) + 1 if thinking is not None else 1
    whole = with_members(wrapped(body, betas), {"max_tokens": msgspec.Raw(str(limit).encode())}).raw
    return msgspec.json.encode({"input": {"invokeModel": {"body": whole}}})  # bytes become base64


def foundation(model: str) -> str:
    """Return the foundation model's id behind an inference profile's id or ARN: CountTokens takes no other."""
    return model[at:] if (at := model.rfind("anthropic.")) > 0 else model


# -- events -----------------------------------------------------------------------------------------------------------


def read_chunk(frame: bytes) -> Said | None:
    """Return the event that a frame of InvokeModelWithResponseStream holds; None for a kind invented later.

    An exception becomes Anthropic's error event, and what Bedrock adds to the last event (its own metrics) is left out.

    Raises:
        UnreadableError: it is no such frame.
    """
    found = read_frame(frame)
    if found.failure:
        return _failure(found.failure, found.payload, found.headers.get(":error-message", ""))
    if found.event != "chunk":
        return None
    try:
        data = _CHUNK.decode(found.payload).data
        said = _said(data)
        if said.kind == "message_stop" and _METRICS.encode() in data:
            members = _MEMBERS.decode(data)
            members.pop(_METRICS, None)
            said = Said(kind=said.kind, data=msgspec.json.encode(members))
    except _UNREADABLE as error:
        raise UnreadableError("a chunk") from error
    return said


def read_event(event: bytes) -> Said | None:
    """Return the event that stands in one of Anthropic's server-sent events; None for a comment.

    Raises:
        UnreadableError: it is none.
    """
    data = data_of(event)
    if not data.strip():
        return None
    try:
        return _said(data)
    except _UNREADABLE as error:
        raise UnreadableError("an event") from error


def write_event(said: Said) -> bytes:
    """Write an event as Anthropic does."""
    return b"event: " + said.kind.encode() + b"\ndata: " + said.data + b"\n\n"


def write_chunk(said: Said) -> bytes:
    """Write an event as InvokeModelWithResponseStream does: a chunk, or an exception behind which nothing may follow."""
    if said.kind != "error":
        return event_frame("chunk", msgspec.json.encode({"bytes": said.data}))
    try:
        problem = _FAILED.decode(said.data).error
    except _UNREADABLE:
        problem = _Problem()
    kind = _EXCEPTIONS.get(problem.type, _OTHER_EXCEPTION)
    return exception_frame(kind, msgspec.json.encode({"message": problem.message or problem.type or kind}))


def _said(data: bytes) -> Said:
    kind = _TYPED.decode(data).type
    if _KIND.fullmatch(kind) is None:
        raise ValueError(kind)
    if _LINE_ENDS.search(data) is not None:  # between members: a string holds none
        data = msgspec.json.format(data, indent=-1)
    return Said(kind=kind, data=data)


def _failure(name: str, payload: bytes, told: str) -> Said:
    try:
        message = _FAILURE.decode(payload or b"{}").message
    except _UNREADABLE:
        message = ""
    error = {"type": _TYPES.get(name, "api_error"), "message": message or told or name}
    return Said(kind="error", data=msgspec.json.encode({"type": "error", "error": error}))


def _names(value: msgspec.Raw | None) -> list[str]:
    try:
        return _NAMES.decode(value) if value is not None else []
    except _UNREADABLE:
        return []


def _budget(thinking: msgspec.Raw) -> int:
    try:
        budget = _MEMBERS.decode(thinking).get("budget_tokens", b"0")
        return max(msgspec.json.decode(budget, type=int), 0)
    except _UNREADABLE:
        return 0
