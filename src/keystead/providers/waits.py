"""How long a provider asks to wait, in every form in which providers say it. Pure.

The order between the forms is `classify`'s. Values are given as they are said, however absurd: whoever waits caps them.
What is not one of the forms says nothing.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from keystead.providers.headers import first

_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_RETRY_DELAY: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)s")
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:d|h|ms|m|s))+")
_DURATION_PART: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(d|h|ms|m|s)")
_SPOKEN: Final = re.compile(r"(?:try again|retry) (?:in|after) ((?:[0-9.]+ ?(?:d|h|ms|m|s)[a-z]* ?)+)", re.IGNORECASE)
_SPOKEN_DATE: Final = re.compile(r"regain access on ([0-9]{4}-[0-9]{2}-[0-9]{2}) at ([0-9]{2}:[0-9]{2}) UTC")
_SECONDS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

_LIMIT: Final = re.compile(r"(?:x|anthropic)-ratelimit(?:-.+)?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_S: Final = re.compile(r"[0-9]{10}")
_EPOCH_MS: Final = re.compile(r"[0-9]{13}")


def of_headers(headers: Sequence[tuple[str, str]], now_us: int | None) -> float | None:
    """Read `retry-after-ms`, then `retry-after` in seconds or as a date: the official SDKs' own order.

    A date is ignored without `now_us` (Unix microseconds).
    """
    milliseconds = _number(first(headers, "retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    header = first(headers, "retry-after")
    seconds = _number(header)
    if seconds is not None:
        return seconds
    return _until(_http_date(header), now_us) if header else None


def of_retry_info(details: Any) -> float | None:
    """Read google.rpc.RetryInfo (`"retryDelay": "17s"`) in an error's details: Google sends no retry-after header."""
    for item in details if isinstance(details, list) else ():
        delay = item.get("retryDelay") if isinstance(item, dict) else None
        if isinstance(delay, str) and (match := _RETRY_DELAY.fullmatch(delay)):
            return float(match[1])
    return None


def of_words(message: str, now_us: int | None) -> float | None:
    """Read "Please try again in 1m12.5s" (OpenAI, Groq), "retry after 9 seconds" (Azure), "regain access on …"."""
    spoken = _SPOKEN.search(message)
    if spoken is not None:
        return _duration(spoken[1])
    date = _SPOKEN_DATE.search(message)  # Anthropic, when the customer's own spend limit is reached
    return None if date is None else _until(_iso(f"{date[1]}T{date[2]}+00:00"), now_us)


def of_limits(headers: Sequence[tuple[str, str]], now_us: int | None) -> float | None:
    """Read when the limits that are used up are renewed; the last of them decides.

    They are on every answer, so they say something only about a refusal that is known to be a throttle. Forms:
    `x-ratelimit-remaining-tokens: 0` with `x-ratelimit-reset-tokens: 6m0s` (OpenAI, Groq), `x-ratelimit-reset` in
    seconds (Together) or as Unix time (OpenRouter, in milliseconds), and `anthropic-ratelimit-tokens-remaining: 0`
    with `anthropic-ratelimit-tokens-reset` as RFC 3339.
    """
    limits = {name: value for name, value in headers if _LIMIT.fullmatch(name)}
    found = [
        _reset(limits.get(name.replace("remaining", "reset"), ""), now_us)
        for name, value in limits.items()
        if "remaining" in name and value.strip() == "0"
    ]
    return max((wait for wait in found if wait is not None), default=None)


def until_next_month(now_us: int) -> float:
    """Return the time until the first of the next month, 00:00 UTC: when Anthropic renews a tier's monthly cap."""
    now = _EPOCH + timedelta(microseconds=now_us)
    first_day = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return ((first_day + timedelta(days=32)).replace(day=1) - now).total_seconds()


def _reset(text: str, now_us: int | None) -> float | None:
    if _EPOCH_MS.fullmatch(text):
        return _until(int(text) * 1000, now_us)
    if _EPOCH_S.fullmatch(text):
        return _until(int(text) * 1_000_000, now_us)
    if _DURATION.fullmatch(text):
        return _duration(text)
    seconds = _number(text)
    return _until(_iso(text), now_us) if seconds is None else seconds


def _until(at_us: int | None, now_us: int | None) -> float | None:
    return None if at_us is None or now_us is None else max(0, at_us - now_us) / 1_000_000


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _duration(text: str) -> float:
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text.lower()))


def _http_date(text: str) -> int | None:
    try:
        return _micros(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def _iso(text: str) -> int | None:
    try:
        return _micros(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _micros(at: datetime) -> int:
    # RFC 9110 dates are in GMT, also the old forms that do not say so.
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
