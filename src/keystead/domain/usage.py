"""Usage: disjoint counts of what a provider bills, and what is known about them.

Disjoint means that every token is in exactly one field, so totals are sums and prices multiply once.
Providers report overlapping counts (cached inside input at OpenAI, outside at Anthropic; reasoning inside
output at OpenAI, outside at Gemini and xAI chat): metering takes them apart by each provider's own rules.
"""

from enum import StrEnum
from typing import Final

import msgspec

INPUT_COUNTS: Final = (
    "input_tokens",  # text input at the full price: not cached, not audio, image or video
    "input_audio_tokens",
    "input_image_tokens",
    "input_video_tokens",
    "cache_read_tokens",
    "cache_read_audio_tokens",
    "cache_write_5m_tokens",
    "cache_write_30m_tokens",
    "cache_write_1h_tokens",
    "cache_write_12h_tokens",
)
OUTPUT_COUNTS: Final = (
    "output_tokens",  # visible text and tool calls
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
)
COUNTS: Final = INPUT_COUNTS + OUTPUT_COUNTS
"""Every token count, in the order of the columns in attempts and roll-ups."""


class UsageSource(StrEnum):
    """Where the counts come from; totals are always shown split by it."""

    PROVIDER = "provider"
    """The provider's own final figures."""
    PROVIDER_PARTIAL = "provider_partial"
    """The provider's own figures, from before it was finished (a cut stream)."""
    ESTIMATED = "estimated"
    """Counted by us, because the provider gave none. Never silently mixed with the provider's."""
    NONE = "none"
    """Nothing is known."""


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Disjoint token counts and other billed units of one attempt. All counts are ≥ 0."""

    input_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    input_video_tokens: int = 0
    cache_read_tokens: int = 0
    cache_read_audio_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_30m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_write_12h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    units: dict[str, str] = {}
    """Other billed units as exact decimal text, by name: `web_searches`, `search_units`, `pages`,
    `audio_seconds`, `images`, `characters`."""

    @property
    def input_total(self) -> int:
        """All tokens read, cached ones included."""
        return (
            self.input_tokens
            + self.input_audio_tokens
            + self.input_image_tokens
            + self.input_video_tokens
            + self.cache_read_tokens
            + self.cache_read_audio_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_30m_tokens
            + self.cache_write_1h_tokens
            + self.cache_write_12h_tokens
        )

    @property
    def output_total(self) -> int:
        """All tokens written, reasoning included."""
        return self.output_tokens + self.reasoning_tokens + self.output_audio_tokens + self.output_image_tokens


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What metering read from one answer: the counts, the provider's verbatim words, and what looked wrong."""

    usage: Usage
    source: UsageSource
    raw: bytes | None = None
    """The provider's usage object, verbatim JSON (kept to re-rate later)."""
    model: str | None = None
    """The model the provider says it served."""
    response_id: str | None = None
    """The provider's id of the answer (resp_…, chatcmpl-…, msg_…)."""
    service_tier: str | None = None
    """As reported by the provider: default, flex, priority, batch …"""
    region: str | None = None
    """As reported by the provider (Anthropic `inference_geo`)."""
    speed: str | None = None
    """As reported by the provider (Anthropic `speed`)."""
    provider_cost: str | None = None
    """The cost in USD that the provider itself reported, as exact decimal text."""
    anomalies: tuple[str, ...] = ()
    """Flags such as `total_mismatch`, `cached_exceeds_input`, `negative_count`: shown, never hidden."""
    finished: bool = False
    """The answer came to its own end (usage event, terminal event or whole body)."""
    error: str | None = None
    """An error event seen inside an answer that began with HTTP 200."""


NOTHING: Final = Reading(usage=Usage(), source=UsageSource.NONE)
