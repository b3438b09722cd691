"""What the overview counts and draws: cost, requests and what became of them, and tokens by kind. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from keystead.domain.traffic import State
from keystead.metering.usage_views import UsageLine
from keystead.web.console.pages import chargeback, sums
from keystead.web.console.pages.periods import Span
from keystead.web.console.words import change

OUTCOMES: Final[Mapping[str, str]] = {
    State.SETTLED: "answered",
    State.REJECTED: "refused",
    State.FAILED_UNSENT: "failed",
    State.FAILED_BILLED: "failed",
    State.CANCELLED_PARTIAL: "cut short",
    State.UNKNOWN: "unknown",
}
_FAILED: Final = frozenset({State.FAILED_UNSENT, State.FAILED_BILLED, State.UNKNOWN})
KINDS: Final[Mapping[str, str]] = {
    "input_tokens": "input",
    "input_audio_tokens": "input",
    "input_image_tokens": "input",
    "input_video_tokens": "input",
    "cache_read_tokens": "read from cache",
    "cache_read_audio_tokens": "read from cache",
    "cache_write_5m_tokens": "written to cache",
    "cache_write_30m_tokens": "written to cache",
    "cache_write_1h_tokens": "written to cache",
    "cache_write_12h_tokens": "written to cache",
    "output_tokens": "output",
    "output_audio_tokens": "output",
    "output_image_tokens": "output",
    "reasoning_tokens": "reasoning",
}


def numbers(now: Sequence[UsageLine], before: Sequence[UsageLine], currency: str) -> list[dict[str, Any]]:
    """Return the figures at the top, each beside the span before; lines are by …, outcome and owner."""
    this, that = _figures(now, currency), _figures(before, currency)
    titles = {
        "own": ("Own cost", "money"),
        "credits": ("Credits", "credits"),
        "requests": ("Requests", "count"),
        "tokens": ("Tokens", "short"),
        "failed": ("Failed", "count"),
    }
    return [
        {"title": title, "kind": kind, "value": this[name], "change": change(this[name], that[name])}
        for name, (title, kind) in titles.items()
    ]


def outcomes(lines: Iterable[UsageLine], span: Span) -> sums.Charted:
    """Return requests over time by what became of them."""
    measured = [(line.keys[0].id, OUTCOMES.get(line.keys[1].id, "unknown"), Decimal(line.requests)) for line in lines]
    return sums.over_time(measured, span, measure="Requests", series=tuple(dict.fromkeys(OUTCOMES.values())))


def tokens(lines: Iterable[UsageLine], span: Span) -> sums.Charted:
    """Return tokens over time by kind."""
    measured = [(line.keys[0].id, KINDS[name], Decimal(count)) for line in lines for name, count in line.tokens.items()]
    return sums.over_time(measured, span, measure="Tokens", series=tuple(dict.fromkeys(KINDS.values())))


def _figures(lines: Sequence[UsageLine], currency: str) -> dict[str, Decimal | int]:
    own = [line for line in lines if line.keys[-1].id != chargeback.PLATFORM and line.currency == currency]
    return {
        "own": sum((Decimal(line.cost) for line in own), Decimal(0)),
        "credits": sum((Decimal(line.charge) for line in lines), Decimal(0)),
        "requests": sum(line.requests for line in lines),
        "tokens": sum(line.input_total + line.output_total for line in lines),
        "failed": sum(line.requests for line in lines if line.keys[-2].id in _FAILED),
    }
