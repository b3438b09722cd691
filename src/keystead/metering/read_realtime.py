"""OpenAI's realtime sessions: every response states its own usage; a session's is their sum.

Sources: developers.openai.com/api/reference/resources/realtime (`response.done`, `conversation.item.input_audio_
transcription.completed`, `session.created`).
"""

import re
from typing import Any, Final

import msgspec

from keystead.domain.usage import Reading, Usage, UsageSource
from keystead.metering.read_answer import (
    EMPTY,
    EVENT_UNREADABLE,
    OTHER_MODEL,
    USAGE_MISSING,
    USAGE_TOO_LARGE,
    USAGE_UNREADABLE,
    is_null,
    text_of,
)
from keystead.metering.read_counts import Counts, JsonObject, added, decode, decode_usage, exact_text
from keystead.metering.read_openai import openai_usage

_OF_INTEREST: Final = re.compile(
    rb'"type"\s*:\s*"(?:response\.(?:created|done)|session\.(?:created|updated)'
    rb'|conversation\.item\.input_audio_transcription\.completed)"'
)
_TRANSCRIBED: Final = "conversation.item.input_audio_transcription.completed"
_MOST_OPEN: Final = 64
"""Responses under way that are remembered; a conversation has one, and a few out of band."""
_MOST_RAW: Final = 60 * 1024
"""Bytes of the usage objects that are kept, verbatim, one after another."""


class _Event(msgspec.Struct):
    type: msgspec.Raw = EMPTY
    response: msgspec.Raw = EMPTY
    session: msgspec.Raw = EMPTY
    usage: msgspec.Raw = EMPTY


class _Response(msgspec.Struct):
    id: msgspec.Raw = EMPTY
    usage: msgspec.Raw = EMPTY


class _Session(msgspec.Struct):
    model: msgspec.Raw = EMPTY
    type: msgspec.Raw = EMPTY


_EVENT: Final = msgspec.json.Decoder(_Event)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_SESSION: Final = msgspec.json.Decoder(_Session)


class RealtimeMeter:
    """Watches the provider's messages. `feed` takes one whole message; `finish` may be asked in between as well.

    What the caller says is transcribed by another model, at that model's price: it is counted in units of its own, for
    which there is no price here, so that it shows as unpriced and not as nothing.
    """

    def __init__(self) -> None:
        self._counts = Counts()
        self._usage = Usage()
        self._units: dict[str, Any] = {}
        self._raw: list[bytes] = []
        self._raw_bytes = 0
        self._open: set[str] = set()
        self._model: str | None = None
        self._missing = False

    def feed(self, chunk: bytes) -> None:
        """Take a message."""
        if _OF_INTEREST.search(chunk) is None:
            return
        event = decode(_EVENT, chunk)
        if event is None:
            self._counts.flag(EVENT_UNREADABLE)
            return
        kind = text_of(event.type)
        if kind == _TRANSCRIBED:
            self._transcribed(event.usage)
        elif kind in {"session.created", "session.updated"}:
            session = decode(_SESSION, bytes(event.session))
            if session is not None and self._model is None:
                self._model = text_of(session.model)
        elif kind in {"response.created", "response.done"}:
            self._response(event.response, done=kind == "response.done")

    def finish(self, *, complete: bool) -> Reading:  # noqa: ARG002 - whether it was is seen by what was left open
        """Return what there was so far."""
        known = self._counts.found or not (self._open or self._missing)
        source = UsageSource.PROVIDER_PARTIAL if self._open or self._missing else UsageSource.PROVIDER
        units = {name: exact_text(amount) or "0" for name, amount in self._units.items()}
        return Reading(
            usage=msgspec.structs.replace(self._usage, units=units),
            source=source if known else UsageSource.NONE,
            raw=b"[" + b",".join(self._raw) + b"]" if self._raw else None,
            model=self._model,
            anomalies=tuple(self._counts.anomalies),
            finished=not self._open,
        )

    def _response(self, raw: msgspec.Raw, *, done: bool) -> None:
        response = decode(_RESPONSE, bytes(raw))
        if response is None:
            self._counts.flag(EVENT_UNREADABLE)
            return
        name = text_of(response.id) or ""
        if not done:
            if len(self._open) < _MOST_OPEN:
                self._open.add(name)
            return
        self._open.discard(name)
        if is_null(response.usage):
            self._missing = True
            self._counts.flag(USAGE_MISSING)
            return
        usage = self._decoded(response.usage)
        if usage is not None:
            self._usage = added(self._usage, openai_usage(usage, self._counts))

    def _transcribed(self, raw: msgspec.Raw) -> None:
        usage = None if is_null(raw) else self._decoded(raw)
        self._counts.flag(OTHER_MODEL)
        if usage is None:
            return
        if usage.get("type") == "duration":
            self._add("transcription_seconds", usage.get("seconds"))
        else:
            self._add("transcription_tokens", self._counts.take(usage, "total_tokens"))

    def _add(self, unit: str, amount: Any) -> None:
        if exact_text(amount) is None:
            self._counts.flag(USAGE_UNREADABLE)
            return
        self._counts.found += 1
        self._units[unit] = self._units.get(unit, 0) + amount

    def _decoded(self, raw: msgspec.Raw) -> JsonObject | None:
        usage = decode_usage(bytes(raw))
        if usage is None:
            self._missing = True
            self._counts.flag(USAGE_UNREADABLE)
            return None
        self._raw_bytes += len(bytes(raw)) + 1
        if self._raw_bytes > _MOST_RAW:
            self._raw.clear()
            self._counts.flag(USAGE_TOO_LARGE)
        else:
            self._raw.append(bytes(raw))
        return usage


def ended_responses(reading: Reading) -> Reading | None:
    """Return the tokens that a session's ended responses have stated; None if none has ended."""
    if reading.source is UsageSource.NONE and not reading.anomalies:
        return None
    return msgspec.structs.replace(reading, usage=msgspec.structs.replace(reading.usage, units={}))
