"""Counts out of a provider's usage object: bounded, disjoint, and with a flag for whatever looks wrong.

Providers are not trusted to count well. Recorded answers have more cached tokens than prompt tokens, more
reasoning than completion, and totals that do not add up. A wrong count is brought into bounds and flagged; it is
never left out in silence and never raises.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from keystead.domain.usage import COUNTS, Usage

NEGATIVE: Final = "negative_count"
ABSURD: Final = "absurd_count"
FRACTIONAL: Final = "fractional_count"
NOT_A_COUNT: Final = "not_a_count"
CACHED_EXCEEDS_INPUT: Final = "cached_exceeds_input"
MODALITY_EXCEEDS_INPUT: Final = "modality_exceeds_input"
MODALITY_EXCEEDS_OUTPUT: Final = "modality_exceeds_output"
REASONING_EXCEEDS_OUTPUT: Final = "reasoning_exceeds_output"
TOTAL_MISMATCH: Final = "total_mismatch"

MOST: Final = 10**12
"""No answer has a trillion tokens: a count from here on is a defect. Sums of counts below stay within 64 bits."""

_LONGEST_NUMBER: Final = 40
"""Characters of a number with a fraction or an exponent; `Decimal` would take megabytes of digits, slowly."""

_MOST_AMOUNT: Final = 10**15
"""An amount from here on (money, ticks, seconds) is a defect."""

_FINEST: Final = -30
"""Decimal places of an exact amount; the finest real ones (xAI ticks) have 10."""

JsonObject = dict[str, Any]
_Decoded = TypeVar("_Decoded")


def exact_number(text: str) -> Decimal:
    """Return a JSON number as it is written, or NaN if it is not a number anyone means."""
    try:
        return Decimal(text) if len(text) <= _LONGEST_NUMBER else Decimal("NaN")
    except InvalidOperation:
        return Decimal("NaN")


_USAGE: Final = msgspec.json.Decoder(JsonObject, float_hook=exact_number)
"""Checks all of the object, so that its bytes are valid UTF-8 JSON and can be stored; numbers stay exact."""


def decode(decoder: msgspec.json.Decoder[_Decoded], data: bytes) -> _Decoded | None:
    """Return `data` decoded, or None if it is not what the decoder takes."""
    try:
        return decoder.decode(data)
    except (ValueError, RecursionError):
        # ValueError is what msgspec.DecodeError, UnicodeDecodeError and an integer of 5,000 digits have in common;
        # RecursionError is JSON nested a thousand deep.
        return None


def decode_usage(data: bytes) -> JsonObject | None:
    """Return a usage object with exact numbers, or None if it is not a JSON object."""
    return decode(_USAGE, data)


def member(holder: Mapping[str, Any], *names: str) -> JsonObject:
    """Return the first member of `holder` among `names` that is an object, or an empty object."""
    for name in names:
        value = holder.get(name)
        if isinstance(value, dict):
            return value
    return {}


class Modal(NamedTuple):
    """Tokens that are not text, by what they are."""

    audio: int = 0
    image: int = 0
    video: int = 0


NO_PARTS: Final = Modal()


class Counts:
    """Takes counts from usage objects and notes what looks wrong."""

    def __init__(self) -> None:
        self.anomalies: list[str] = []
        self.found = 0
        """How many figures the provider really gave; without any, nothing is known."""

    def flag(self, anomaly: str) -> None:
        """Note an anomaly once."""
        if anomaly not in self.anomalies:
            self.anomalies.append(anomaly)

    def take(self, holder: Mapping[str, Any], *names: str) -> int:
        """Return the first count in `holder` among `names`, brought into 0 … 2⁴⁰ - 1; 0 if there is none."""
        return self.stated(holder, *names) or 0

    def stated(self, holder: Mapping[str, Any], *names: str) -> int | None:
        """Return as `take` does, but None if the provider states no such count."""
        for name in names:
            value = holder.get(name)
            if value is None:
                continue
            if type(value) is int and 0 <= value < MOST:
                self.found += 1
                return value
            return self._bounded(value)
        return None

    def within(self, part: int, whole: int, anomaly: str) -> int:
        """Return `part`, but not more than `whole`; flag `anomaly` if it is more."""
        if part <= whole:
            return part
        self.flag(anomaly)
        return whole

    def parts_within(self, parts: Modal, whole: int, anomaly: str) -> Modal:
        """Return `parts`, cut so that their sum is not more than `whole`; flag `anomaly` if it is more."""
        if parts is NO_PARTS or sum(parts) <= whole:
            return parts
        audio = self.within(parts.audio, whole, anomaly)
        image = self.within(parts.image, whole - audio, anomaly)
        video = self.within(parts.video, whole - audio - image, anomaly)
        return Modal(audio, image, video)

    def check_total(self, stated: int | None, summed: int) -> None:
        """Hold the counts against the total the provider states, and flag a difference."""
        if stated is not None and stated != summed:
            self.flag(TOTAL_MISMATCH)

    def units(self, **values: object) -> dict[str, str]:
        """Return the units that are more than zero, as exact decimal text."""
        units = {}
        for name, value in values.items():
            if value is None:
                continue
            text = exact_text(value)
            if text is None:
                self.flag(NOT_A_COUNT)
            elif text != "0":
                units[name] = text
                self.found += 1
        return units

    def _bounded(self, value: object) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or value != value:  # noqa: PLR0124 - NaN
            self.flag(NOT_A_COUNT)
            return None
        self.found += 1
        if value < 0:
            self.flag(NEGATIVE)
            return 0
        if value >= MOST:
            self.flag(ABSURD)
            return MOST - 1
        if isinstance(value, int):
            return value
        if value != int(value):
            # Rounded up: no provider bills less than it counted.
            self.flag(FRACTIONAL)
        return int(value.to_integral_value(ROUND_CEILING))


def input_counts(
    counts: Counts,
    *,
    total: int,
    parts: Modal = NO_PARTS,
    cached: int = 0,
    cached_parts: Modal | None = None,
    written: int = 0,
) -> dict[str, int]:
    """Take an input total apart, where cached tokens and modalities both lie inside it and may overlap.

    Without `cached_parts`, text is taken to be what is cached first, because providers cache prefixes and say
    which modality only where it has its own price.

    Returns:
        The input fields of `Usage` except the cache writes; with `written` they sum to `total`.
    """
    cached = counts.within(cached, total, CACHED_EXCEEDS_INPUT)
    written = counts.within(written, total - cached, CACHED_EXCEEDS_INPUT)
    if parts is NO_PARTS and cached_parts is None:
        return {"input_tokens": total - cached - written, "cache_read_tokens": cached}  # text alone, as most is
    parts = counts.parts_within(parts, total, MODALITY_EXCEEDS_INPUT)
    text = total - sum(parts)
    if cached_parts is not None:
        cached_parts = counts.parts_within(cached_parts, cached, MODALITY_EXCEEDS_INPUT)
        too_much = any(one > whole for one, whole in zip(cached_parts, parts, strict=True))
        if too_much or cached - sum(cached_parts) + written > text:
            counts.flag(MODALITY_EXCEEDS_INPUT)
            cached_parts = None
    if cached_parts is None:
        beyond_text = max(0, cached + written - text)
        audio = min(beyond_text, parts.audio)
        image = min(beyond_text - audio, parts.image)
        cached_parts = Modal(audio, image, beyond_text - audio - image)
    fresh = Modal(*[whole - one for one, whole in zip(cached_parts, parts, strict=True)])
    cached_audio = min(cached_parts.audio, cached)
    return {
        "input_tokens": total - cached - written - sum(fresh),
        "input_audio_tokens": fresh.audio,
        "input_image_tokens": fresh.image,
        "input_video_tokens": fresh.video,
        "cache_read_tokens": cached - cached_audio,
        "cache_read_audio_tokens": cached_audio,
    }


def added(one: Usage, other: Usage) -> Usage:
    """Return the token counts of both together, with the units of `one`."""
    sums = {name: getattr(one, name) + getattr(other, name) for name in COUNTS}
    return Usage(**sums, units=one.units)


def exact_text(amount: object, *, scale: int = 0) -> str | None:
    """Return `amount` × 10^`scale` as plain decimal text, or None if it is not a finite amount ≥ 0 of sane size."""
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        return None
    number = Decimal(amount)
    if not number.is_finite() or not 0 <= number < _MOST_AMOUNT:
        return None
    if not number:
        return "0"
    if scale:
        number = number.scaleb(scale)
    if int(number.as_tuple().exponent) < _FINEST:
        return None
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
