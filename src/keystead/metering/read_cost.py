"""The cost that a provider states itself, in its usage object. It is booked before any computed one."""

from decimal import Decimal, localcontext
from typing import Final

from keystead.metering.read_counts import Counts, JsonObject, exact_text, member

BYOK_UPSTREAM_ADDED: Final = "byok_upstream_cost_added"
BYOK_UPSTREAM_UNKNOWN: Final = "byok_upstream_cost_unknown"
COST_UNREADABLE: Final = "cost_unreadable"

_TICK_SCALE: Final = -10
"""xAI: one US dollar is 10¹⁰ ticks. A recorded call with 284 fresh and 152 cached input and 216 output tokens of a
model at $0.20, $0.05 and $0.50 per million costs $0.0001724 and says 1,724,000 ticks."""


def reported_cost(provider: str, usage: JsonObject, counts: Counts) -> str | None:
    """Return the cost in USD that `provider` states in its usage object, as exact decimal text, or None."""
    if provider == "xai":
        # Nothing is free at xAI: its hosted models on other clouds say 0 ticks, which is no statement.
        return _checked(usage.get("cost_in_usd_ticks") or None, counts, scale=_TICK_SCALE)
    if provider == "openrouter":
        return _openrouter(usage, counts)
    if provider == "perplexity":
        return _checked(member(usage, "cost").get("total_cost"), counts)
    return None


def _openrouter(usage: JsonObject, counts: Counts) -> str | None:
    cost = usage.get("cost")
    if not usage.get("is_byok"):
        return _checked(cost, counts)
    # With a key of the organization's own at OpenRouter, `cost` is OpenRouter's fee alone; the provider behind it
    # bills the rest to the organization directly.
    upstream = member(usage, "cost_details").get("upstream_inference_cost")
    if upstream is None:
        counts.flag(BYOK_UPSTREAM_UNKNOWN)
        return None
    counts.flag(BYOK_UPSTREAM_ADDED)
    fee, inference = _checked(cost, counts), _checked(upstream, counts)
    if fee is None or inference is None:
        return None
    with localcontext(prec=60):
        return exact_text(Decimal(fee) + Decimal(inference))


def _checked(amount: object, counts: Counts, *, scale: int = 0) -> str | None:
    if amount is None:
        return None
    text = exact_text(amount, scale=scale)
    if text is None:
        counts.flag(COST_UNREADABLE)
    return text
