"""What is found in one answer while its bytes pass, and how that becomes a reading.

Each family of endpoints has its own `Answer`: it knows where in the dialect's bodies and events the usage, the
model, the id, the end and errors are, and hands the usage object to the family's counting rule.
"""

from abc import ABC, abstractmethod
from typing import Final

import msgspec

from keystead.domain.usage import Reading, Usage, UsageSource
from keystead.metering.read_cost import reported_cost
from keystead.metering.read_counts import Counts, JsonObject, decode, decode_usage

USAGE_MISSING: Final = "usage_missing"
USAGE_UNREADABLE: Final = "usage_unreadable"
USAGE_TOO_LARGE: Final = "usage_too_large"
USAGE_ZERO: Final = "usage_zero"
OTHER_MODEL: Final = "other_model"
"""Some counted tokens were used by another model than the one served, at that model's price."""
BODY_UNREADABLE: Final = "body_unreadable"
EVENT_UNREADABLE: Final = "event_unreadable"

_LONGEST_RAW: Final = 64 * 1024
"""Bytes of a usage object that are kept verbatim; real ones have up to about 4 KiB (Anthropic's iterations)."""

_LONGEST_NAME: Final = 256
_LONGEST_CODE: Final = 64
_LONGEST_MESSAGE: Final = 200
"""Characters of a provider's error message that are kept. It may quote the prompt, which is not ours to store."""

_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_TEXT: Final = msgspec.json.Decoder(str)
_CODE: Final = msgspec.json.Decoder(str | int)

EMPTY: Final = msgspec.Raw()
"""The default of a raw member that is not there."""


def text_of(raw: bytes | msgspec.Raw, *, longest: int = _LONGEST_NAME) -> str | None:
    """Return a raw JSON string as text, or None if it is not a printable, non-empty string of sane length."""
    return printable(decode(_TEXT, bytes(raw)) or "", longest=longest) if len(raw) else None


def printable(text: str, *, longest: int = _LONGEST_NAME) -> str | None:
    """Return `text` if it is fit to be stored as a name: printable, not empty, of sane length."""
    return text if text and len(text) <= longest and text.isprintable() else None


def is_json(data: bytes) -> bool:
    """Say whether `data` is one JSON value, as far as brackets and quotes go."""
    return decode(_RAW, data) is not None


def is_null(raw: bytes | msgspec.Raw) -> bool:
    """Say whether a raw member is absent or null."""
    return not len(raw) or bytes(raw) == b"null"


class _Error(msgspec.Struct):
    message: msgspec.Raw = EMPTY
    code: msgspec.Raw = EMPTY
    status: msgspec.Raw = EMPTY
    type: msgspec.Raw = EMPTY


_ERROR: Final = msgspec.json.Decoder(_Error)


def error_of(raw: bytes | msgspec.Raw) -> str:
    """Return a provider's error object, or bare message, as one short line `code: message`."""
    found = decode(_ERROR, bytes(raw))
    if found is None:
        return _short(decode(_TEXT, bytes(raw)) or "", _LONGEST_MESSAGE) or "error"
    # OpenAI and Groq name the error in `code` or `type`, Anthropic in `type`, Gemini in `status` beside a number.
    names = [decode(_CODE, bytes(name)) for name in (found.code, found.status, found.type)]
    code = next((name for name in names if isinstance(name, str) and name), None)
    number = next((str(name) for name in names if isinstance(name, int)), "error")
    message = _short(decode(_TEXT, bytes(found.message)) or "", _LONGEST_MESSAGE)
    return ": ".join(filter(None, [_short(code or number, _LONGEST_CODE), message]))


def _short(text: str, longest: int) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:longest]).strip()


class Answer(ABC):
    """What has been found so far. Subclasses fill it from their dialect's events and bodies.

    Args:
        provider: The provider's name; some mean the same words differently.
        billed: Whether usage is expected. A free endpoint without usage is not an anomaly.
    """

    def __init__(self, provider: str, *, billed: bool = True) -> None:
        self.provider = provider
        self.billed = billed
        self.model_asked = ""
        self.counts = Counts()
        self.containers: dict[str, int | None] = {}
        """Those that the answer says were opened for it, by id, with their end in Unix microseconds."""
        self.raw: bytes | None = None
        """The newest usage object, verbatim."""
        self.model: str | None = None
        self.response_id: str | None = None
        self.service_tier: str | None = None
        self.region: str | None = None
        self.speed: str | None = None
        self.error: str | None = None
        self.ended = False
        """The answer came to its own end."""
        self.final = False
        """The usage at hand is the provider's last word, even if the stream is cut after it."""

    @abstractmethod
    def event(self, event: bytes) -> None:
        """Take one server-sent event. Called for each: an event of no interest must cost next to nothing."""

    @abstractmethod
    def value(self, data: bytes) -> None:
        """Take one JSON value of a stream."""

    @abstractmethod
    def body(self, data: bytes) -> bool:
        """Take a whole answer that is not a stream; return whether it could be read."""

    def completed(self) -> None:  # noqa: B027 - most dialects do nothing here
        """Note that a stream's bytes ended in order. For most dialects that alone is no end of the answer."""

    @abstractmethod
    def usage_of(self, usage: JsonObject) -> Usage:
        """Take the usage object apart by the family's rule."""

    def is_final(self) -> bool:
        """Say whether the usage at hand is the provider's last word."""
        return self.final or self.ended

    def named(self, *, model: msgspec.Raw, response_id: msgspec.Raw = EMPTY, service_tier: msgspec.Raw = EMPTY) -> None:
        """Note the names an answer goes by, and the newest tier: OpenAI says `auto` first, and at the end which."""
        if self.model is None:
            self.model = text_of(model)
        if self.response_id is None:
            self.response_id = text_of(response_id)
        self.service_tier = text_of(service_tier) or self.service_tier

    def found_usage(self, raw: bytes | msgspec.Raw) -> bool:
        """Note a usage object; say whether it is one (null and absent are none)."""
        if is_null(raw):
            return False
        self.raw = bytes(raw)
        return True

    def failed(self, error: bytes | msgspec.Raw) -> None:
        """Note an error inside an answer that began well; the first one counts."""
        self.error = self.error or error_of(error)

    def unreadable(self, data: bytes) -> None:
        """Note an event that should have been JSON; one without data is a comment."""
        if data.strip():
            self.counts.flag(EVENT_UNREADABLE)

    def whole_usage(self) -> JsonObject | None:
        """Return the usage object to count, decoded."""
        return None if self.raw is None else decode_usage(self.raw)

    def reading(self) -> Reading:
        """Return what was found. Without a figure from the provider the source is `none`, never a zero."""
        usage, cost = self._counted()
        known = usage is not None
        ended = self.ended and self.error is None
        if ended and not known and self.billed:
            self.counts.flag(USAGE_MISSING)
        if known and self.raw is not None and len(self.raw) > _LONGEST_RAW:
            self.counts.flag(USAGE_TOO_LARGE)
            self.raw = None
        source = UsageSource.PROVIDER if self.is_final() else UsageSource.PROVIDER_PARTIAL
        return Reading(
            usage=usage or Usage(),
            source=source if known else UsageSource.NONE,
            raw=self.raw if known else None,
            model=self.model,
            response_id=self.response_id,
            service_tier=self.service_tier,
            region=self.region,
            speed=self.speed,
            provider_cost=cost,
            anomalies=tuple(self.counts.anomalies),
            finished=ended,
            error=self.error,
        )

    def _counted(self) -> tuple[Usage | None, str | None]:
        decoded = self.whole_usage()
        if decoded is None:
            if self.raw is not None:
                self.counts.flag(USAGE_UNREADABLE)
            return None, None
        usage = self.usage_of(decoded)
        cost = reported_cost(self.provider, decoded, self.counts)
        if not self.counts.found and cost is None:
            return None, None
        if not usage.input_total and not usage.output_total and not usage.units:
            self.counts.flag(USAGE_ZERO)
        return usage, cost
