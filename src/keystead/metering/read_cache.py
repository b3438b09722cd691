"""Gemini's explicit caches: what is kept, and for how long, is billed by tokens and hours."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from keystead.domain.usage import Usage
from keystead.metering.read_answer import EMPTY, Answer
from keystead.metering.read_counts import JsonObject, decode

_HOUR: Final = Decimal(3600)
_FINEST: Final = Decimal("0.000001")


class _Cache(msgspec.Struct):
    model: str = ""
    usageMetadata: msgspec.Raw = EMPTY  # noqa: N815 - Gemini's own words
    createTime: datetime | None = None  # noqa: N815
    expireTime: datetime | None = None  # noqa: N815


_CACHE: Final = msgspec.json.Decoder(_Cache)


class CacheAnswer(Answer):
    """A cache that was made: tokens × the hours for which it is to be kept, at a price of its own where there is one.

    What is deleted earlier or kept for longer costs less or more; the figure is that of the promise.
    """

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._hours: Decimal | None = None

    def event(self, event: bytes) -> None:
        """Pass over it: there are no streams."""

    def value(self, data: bytes) -> None:
        """Pass over it: there are no streams."""

    def body(self, data: bytes) -> bool:
        """Take a cache."""
        cache = decode(_CACHE, data)
        if cache is None:
            return False
        self.ended = True
        self.model = cache.model.removeprefix("models/")[:256] or None
        self.found_usage(cache.usageMetadata)
        if cache.createTime and cache.expireTime and cache.createTime.tzinfo and cache.expireTime.tzinfo:
            seconds = int((cache.expireTime - cache.createTime).total_seconds())
            self._hours = Decimal(max(seconds, 0)) / _HOUR
        return True

    def whole_usage(self) -> JsonObject | None:
        """Return the usage; without the hours nothing is known."""
        return None if self._hours is None else super().whole_usage()

    def usage_of(self, usage: JsonObject) -> Usage:
        """Count token-hours."""
        tokens = self.counts.take(usage, "totalTokenCount") or 0
        hours = (tokens * (self._hours or Decimal(0))).quantize(_FINEST)
        return Usage(units=self.counts.units(cached_token_hours=hours))
