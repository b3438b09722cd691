"""The most a request can cost, known before it is sent. Pure.

Text is bounded by what cannot be argued with: a token covers at least one byte of it. What is not in the body (images
behind links, files, stored conversations) is bounded by the model's context window, as often as the model may run.
Output is bounded by what the request asks for, else by what the model can write. The prices are the highest that may
turn out to apply: of any service tier, region and dated snapshot of the model, of the longest input.

It is a bound on `pricing.cost_of`, not an estimate. Where a provider states no bound a documented number stands in for
it (the constants below); what a provider reports as its own cost beyond that is booked as it stands.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Final

import msgspec

from keystead.dialects.asked import Asked
from keystead.domain.money import MAX_PICO, PICO_PER_UNIT, USD
from keystead.domain.traffic import Endpoint
from keystead.domain.usage import COUNTS, INPUT_COUNTS, OUTPUT_COUNTS
from keystead.metering.most_output import most_output
from keystead.metering.price_book import PriceBook, Terms
from keystead.metering.pricing import FREE_ENDPOINTS, SANDBOX
from keystead.metering.tariff import Dearest

DEFAULT_CONTEXT: Final = 1_048_576
"""Tokens of input that is not in the body, where the model's context window is not known."""
DEFAULT_OUTPUT: Final = 131_072
"""Tokens of an answer that nothing limits, where the context window is not known either."""
FORM_TOKENS: Final = 131_072
"""Tokens of the files of a form: sixteen images, the most that OpenAI's edits take, at up to 8,192 each."""
IMAGE_TOKENS: Final = 16_384
"""Tokens of one generated image; the largest documented ones have 6,240 (gpt-image-1, high, 1536 × 1024)."""
AUDIO_BYTES_PER_SECOND: Final = 500
"""Recordings have at least 4 kbit/s; speech codecs that providers accept begin at 6 (Opus)."""
AUDIO_TOKENS_PER_SECOND: Final = 32
"""Google counts 32 (ai.google.dev/gemini-api/docs/tokens), OpenAI 10."""
PAGES: Final = 1_000
"""Pages of a document, where pages are billed."""
RERANK_BYTES_PER_UNIT: Final = 300
"""Cohere bills a search unit per hundred documents, and a document takes at least three bytes of a list."""
HIDDEN_TOKENS: Final = 256
"""Tokens that a provider adds around the caller's text: roles, separators, its own preamble."""
HIDDEN_TOOL_TOKENS: Final = 4_096
"""The same for a request with tools. Anthropic adds up to 735 for tools, and up to 1,400 for its own ones."""

_ZERO: Final = Decimal(0)
_ROUNDING: Final = Decimal("1.05")
"""The list rounds context windows: 1,000,000 may stand for 1,048,576."""

_TEXT: Final = frozenset(
    {
        Endpoint.CHAT,
        Endpoint.RESPONSES,
        Endpoint.COMPLETIONS,
        Endpoint.MESSAGES,
        Endpoint.GENERATE,
        Endpoint.CONVERSE,
    }
)
_TEXT_INPUT: Final = tuple(name for name in INPUT_COUNTS if not {"audio", "image", "video"} & set(name.split("_")))
_REPORT_REGION: Final = {"anthropic": ("us",)}
"""Providers whose answer names the region that it is billed for, and the dearer ones of these."""
_ALWAYS_SEARCHES: Final = {"perplexity"}
_COUNTED: Final = frozenset(COUNTS)
_PER_TOOL_CALL: Final = frozenset({"web_searches", "file_searches", "search_units", "text_messages"})


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """The most one attempt can cost."""

    pico: int | None
    """In pico units of `currency`; None if the model has no price."""
    currency: str
    input_tokens_most: int
    output_tokens_most: int
    basis: str
    """What the bounds and the prices come from, for people."""


def ceiling_of(
    book: PriceBook,
    *,
    organization_id: str,
    provider: str,
    endpoint: Endpoint,
    model: str,
    region: str,
    at: int,
    body_bytes: int,
    asked: Asked,
) -> Ceiling:
    """Return the most an attempt can cost. Never raises.

    Args:
        book: the prices.
        organization_id: whose overrides count.
        provider: who would do the work.
        endpoint: what is asked; some endpoints are free.
        model: the model's name as it would be sent.
        region: the region of the endpoint that would be called.
        at: now, Unix microseconds.
        body_bytes: the length of the body that would be sent.
        asked: what the body asks for.
    """
    if endpoint in FREE_ENDPOINTS or provider == SANDBOX:
        return Ceiling(pico=0, currency=USD, input_tokens_most=0, output_tokens_most=0, basis="free of charge")
    usual = Terms(
        organization_id=organization_id,
        provider=provider,
        model_sent=model,
        # At Azure a deployment's name says nothing for certain, and is the best guess before an answer names its model.
        model_served=model if provider == "azure" else "",
        tier="",
        region=region.lower(),
        at=at,
    )
    key = (organization_id, provider, model, region, "fast" if asked.fast else "")
    dearest = book.dearest(key, at, lambda: _dearest(book, usual, fast=asked.fast))
    read, read_basis = _input_most(endpoint, body_bytes, asked, dearest.context)
    written, written_basis = _output_most(endpoint, asked, dearest.context, most_output(provider, model))
    prices = dearest.prices_for(read)
    if endpoint is Endpoint.PASSTHROUGH or (endpoint is Endpoint.REALTIME and "audio_seconds" in prices):
        prices = {}  # nobody knows what it does, or how long it goes on
    units = _units_most(prices, endpoint, provider, model, body_bytes=body_bytes, asked=asked)
    return Ceiling(
        pico=_total(endpoint, prices, read, written, units, text_only=not asked.media and asked.rounds == 1),
        currency=dearest.currency,
        input_tokens_most=read,
        output_tokens_most=written,
        basis=f"input by {read_basis}, output by {written_basis}, prices: {dearest.version or 'none'}",
    )


def _input_most(endpoint: Endpoint, body_bytes: int, asked: Asked, context: int | None) -> tuple[int, str]:
    window = context or DEFAULT_CONTEXT
    if endpoint is Endpoint.TRANSCRIPTION:
        return _seconds(body_bytes) * AUDIO_TOKENS_PER_SECOND, "length of the recording"
    if endpoint is Endpoint.IMAGES and asked.media:
        return FORM_TOKENS + min(body_bytes, DEFAULT_CONTEXT), "number of images"
    if asked.media or asked.rounds > 1:
        return window * asked.rounds, f"context window × {asked.rounds}" if asked.rounds > 1 else "context window"
    return body_bytes + (HIDDEN_TOOL_TOKENS if asked.tools else HIDDEN_TOKENS), "bytes of the body"


def _output_most(endpoint: Endpoint, asked: Asked, context: int | None, most: int | None) -> tuple[int, str]:
    if endpoint in {Endpoint.EMBEDDINGS, Endpoint.RERANK}:
        return 0, "endpoint"
    if endpoint is Endpoint.IMAGES:
        return asked.n * IMAGE_TOKENS, "number of images"
    answers = 1 if endpoint is Endpoint.TRANSCRIPTION else asked.n
    window = context or DEFAULT_OUTPUT
    if asked.max_output_tokens is not None:
        # A limit beyond the context window is refused by the provider, or cut to it.
        one = asked.max_output_tokens if context is None else min(asked.max_output_tokens, context)
        basis = "limit in the request"
    else:
        one = window if most is None else most
        basis = "longest answer of the model" if most is not None else "context window"
    return one * answers * asked.rounds, basis


def _units_most(
    prices: Mapping[str, Decimal], endpoint: Endpoint, provider: str, model: str, *, body_bytes: int, asked: Asked
) -> dict[str, int]:
    """Return the most of each other unit that has a price."""
    searches = asked.rounds if asked.rounds > 1 else int(provider in _ALWAYS_SEARCHES or "search" in model.lower())
    most = {
        "requests": 1,
        "images": asked.n,
        "characters": body_bytes,
        "audio_seconds": _seconds(body_bytes),
        "pages": PAGES if asked.media else 0,
        "annotated_pages": PAGES if asked.media else 0,
    } | dict.fromkeys(_PER_TOOL_CALL, searches)
    if endpoint is Endpoint.RERANK:
        most["search_units"] = body_bytes // RERANK_BYTES_PER_UNIT + 1
    return {unit: most.get(unit, 1) for unit in prices.keys() - _COUNTED}


def _seconds(body_bytes: int) -> int:
    """Return the most seconds of a recording; at least the ten that Groq bills."""
    return max(body_bytes // AUDIO_BYTES_PER_SECOND + 1, 10)


def _total(
    endpoint: Endpoint,
    prices: Mapping[str, Decimal],
    read: int,
    written: int,
    units: Mapping[str, int],
    *,
    text_only: bool,
) -> int | None:
    dearest_in = _highest(prices, _TEXT_INPUT if text_only else INPUT_COUNTS)
    dearest_out = _highest(prices, OUTPUT_COUNTS)
    if endpoint in _TEXT and (dearest_in is None or (written and dearest_out is None)):
        return None
    if not prices:
        return None
    with localcontext(prec=60):
        total = (dearest_in or _ZERO) * read + (dearest_out or _ZERO) * written
        total += sum((prices[unit] * count for unit, count in units.items()), _ZERO)
        pico = int((total * PICO_PER_UNIT).to_integral_value(ROUND_CEILING))
    return min(pico, MAX_PICO)


def _highest(prices: Mapping[str, Decimal], names: Iterable[str]) -> Decimal | None:
    return max((prices[name] for name in names if name in prices), default=None)


def _dearest(book: PriceBook, usual: Terms, *, fast: bool) -> Dearest:
    """Work out the highest prices under which an attempt may end up, over everything that only its answer tells."""
    tariffs = [book.tariff(terms) for terms in _possible(book, usual, fast=fast)]
    span = max(tariff.span[0] for tariff in tariffs), min(tariff.span[1] for tariff in tariffs)
    rates = tariffs[0].rates_for(0)
    if rates is None:
        return Dearest(span=span, steps=(), currency=USD, version="", context=None)
    steps: list[tuple[int, dict[str, Decimal]]] = []
    together: dict[str, Decimal] = {}
    dearer = [step for tariff in tariffs for step in tariff.steps if step[1].currency == rates.currency]
    for over, step in sorted(dearer, key=lambda step: step[0]):
        for unit, (price, _) in (step.tokens | step.units).items():
            together[unit] = max(price, together.get(unit, price))
        steps.append((over, dict(together)))
    found = book.listed(usual.provider, model_sent=usual.model_sent, model_served=usual.model_served)
    context = found.model.context if found is not None else None
    if context is not None and context <= steps[-1][0]:
        context = None  # a price for more than fits into the window: then it is not the whole window
    return Dearest(
        span=span,
        steps=tuple(steps),
        currency=rates.currency,
        version=rates.version,
        context=None if context is None else int(context * _ROUNDING),
    )


def _possible(book: PriceBook, usual: Terms, *, fast: bool) -> Iterator[Terms]:
    """Yield the terms that an answer may turn out to have, the usual ones first."""
    alias = usual.model_sent.lower().removeprefix("models/").removesuffix("-latest")
    snapshots = book.snapshots_of(usual.organization_id, usual.provider, alias)
    tiers = book.tiers_of(usual.organization_id, usual.provider, (usual.model_sent, *snapshots))
    for served in (usual.model_served, *snapshots):
        for tier in sorted(tiers):
            if fast or "fast" not in tier:
                for region in (usual.region, *_REPORT_REGION.get(usual.provider, ())):
                    yield msgspec.structs.replace(usual, model_served=served, tier=tier, region=region)
