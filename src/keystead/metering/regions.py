"""What a region adds to the list price: one small table, each row with its source. Pure.

The price source has no region prices, and providers state them as a factor on token prices (tools and audio time
are not multiplied). Overrides are never multiplied: an operator's own price is what is paid.
"""

import re
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final

import msgspec

DEFAULT_REGIONS: Final = frozenset({"", "global", "not_available"})
"""Names for no particular region. Anthropic reports `not_available` for models that cannot be placed."""

ONE: Final = Decimal(1)


class RegionRule(msgspec.Struct, frozen=True, kw_only=True):
    """A factor on the token prices of one provider in some regions."""

    provider: str
    regions: tuple[str, ...]
    """Shell-style patterns."""
    factor: Decimal
    exempt: tuple[str, ...] = ()
    """Patterns of models without the surcharge."""
    released_before: str = ""
    """Models whose name ends in an earlier date are exempt as well."""
    source: str


_OPENAI_BEFORE_MARCH_2026: Final = (
    "ada",
    "babbage*",
    "chatgpt-4o*",
    "codex-mini*",
    "computer-use*",
    "curie",
    "dall-e-*",
    "davinci*",
    "ft:gpt-3.5*",
    "ft:gpt-4*",
    "ft:o4-mini*",
    "gpt-3*",
    "gpt-4*",
    "gpt-5",
    "gpt-5-[!4-9]*",  # gpt-5-mini and the like; gpt-5-4 is another spelling of gpt-5.4
    "gpt-5.[1-3]*",
    "gpt-audio",
    "gpt-audio-1.5",
    "gpt-audio-mini*",
    "gpt-image-1*",
    "gpt-oss-*",
    "gpt-realtime",
    "gpt-realtime-1.5",
    "gpt-realtime-mini*",
    "o1*",
    "o3*",
    "o4-mini*",
    "omni-moderation*",
    "text-*",
    "tts-1*",
    "whisper-1",
)
"""Released before the surcharge began. A closed list: what is released later is not on it, so a new model is
surcharged without an entry here."""

_VERTEX_BEFORE_SURCHARGE: Final = (
    "claude-3*",
    "claude-opus-4",
    "claude-opus-4-1*",
    "claude-opus-4-2025*",
    "claude-opus-4@*",
    "claude-sonnet-4",
    "claude-sonnet-4-2025*",
    "claude-sonnet-4@*",
    "codestral*",
    "gemini-1*",
    "gemini-2*",
    "gemini-3-*",
    "gemini-3.1-flash-lite-preview*",
    "gemini-3.1-pro-preview*",
    "gemini-embedding-001",
    "ministral*",
    "mistral*",
)
"""At the same price everywhere; a closed list, as above."""

RULES: Final = (
    RegionRule(
        provider="openai",
        regions=("us", "eu", "ae", "au", "in", "jp"),
        factor=Decimal("1.1"),
        exempt=_OPENAI_BEFORE_MARCH_2026,
        released_before="2026-03-05",
        source="https://developers.openai.com/api/docs/guides/data-residency",
    ),
    RegionRule(
        provider="anthropic",
        regions=("us",),  # as the answer reports it in usage.inference_geo
        factor=Decimal("1.1"),
        source="https://platform.claude.com/docs/en/manage-claude/data-residency",
    ),
    RegionRule(
        provider="mistral",
        regions=("eu", "us"),
        factor=Decimal("1.1"),
        source="https://docs.mistral.ai/inference/regional-inference",
    ),
    RegionRule(
        provider="xai",
        regions=("us",),
        factor=Decimal("1.1"),
        source="https://docs.x.ai/developers/advanced-api-usage/regions",
    ),
    RegionRule(
        provider="together",
        regions=("us", "ca"),
        factor=Decimal("1.25"),
        source="https://docs.together.ai/docs/serverless/geo-specific-inference",
    ),
    RegionRule(
        provider="vertex",
        regions=("*",),  # every one but `global`, the multi-regions as well
        factor=Decimal("1.1"),
        exempt=_VERTEX_BEFORE_SURCHARGE,
        source="https://cloud.google.com/vertex-ai/generative-ai/pricing",
    ),
    # Data Zone and Regional deployments have price lists of their own that the price source does not hold.
    RegionRule(
        provider="azure",
        regions=(),
        factor=ONE,
        source="https://azure.microsoft.com/pricing/details/cognitive-services/openai-service/",
    ),
)

_BY_PROVIDER: Final = {rule.provider: rule for rule in RULES}
_DATE_SUFFIX: Final = re.compile(r"-(20\d\d-\d\d-\d\d)$")


def region_factor(provider: str, region: str, model: str) -> Decimal | None:
    """Return the factor on token prices, or None where the region has prices nobody told us.

    Providers without a rule have no region prices, whatever the region is called.
    """
    rule = _BY_PROVIDER.get(provider)
    if rule is None or region in DEFAULT_REGIONS:
        return ONE
    if not any(fnmatchcase(region, pattern) for pattern in rule.regions):
        return None
    return ONE if _exempt(rule, model.lower()) else rule.factor


def _exempt(rule: RegionRule, model: str) -> bool:
    dated = _DATE_SUFFIX.search(model)
    if dated is not None and rule.released_before:
        return dated[1] < rule.released_before
    return any(fnmatchcase(model, pattern) for pattern in rule.exempt)
