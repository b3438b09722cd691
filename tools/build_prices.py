"""Make the vendored price snapshot from the installed `genai-prices` package (a development dependency).

    python tools/build_prices.py --built-on 2026-11-25           writes src/keystead/metering/data/prices.json
    python tools/build_prices.py --built-on 2026-11-25 --check   fails if the file is not what would be written

The output is the same for the same input: sorted, one model per line so that a new release can be reviewed as a
diff. What the source says in a way Keystead does not know (a new condition, a new unit, a new kind of pattern) stops
the build: it is to be understood, not dropped.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from genai_prices import types as source
from genai_prices.data import providers as source_providers

OUTPUT: Final = Path(__file__).parent.parent / "src/keystead/metering/data/prices.json"

PROVIDERS: Final = {
    "anthropic": "anthropic",
    "aws": "bedrock",
    "azure": "azure",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google": "google",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "x-ai": "xai",
}
"""The source's provider id → Keystead's."""

UNITS: Final = {
    "input_mtok": ("input_tokens", 1_000_000),
    "input_audio_mtok": ("input_audio_tokens", 1_000_000),
    "input_image_mtok": ("input_image_tokens", 1_000_000),
    "input_video_mtok": ("input_video_tokens", 1_000_000),
    "cache_read_mtok": ("cache_read_tokens", 1_000_000),
    "cache_audio_read_mtok": ("cache_read_audio_tokens", 1_000_000),
    "cache_write_mtok": ("cache_write_5m_tokens", 1_000_000),
    "cache_write_1h_mtok": ("cache_write_1h_tokens", 1_000_000),
    "output_mtok": ("output_tokens", 1_000_000),
    "output_reasoning_mtok": ("reasoning_tokens", 1_000_000),
    "output_audio_mtok": ("output_audio_tokens", 1_000_000),
    "output_image_mtok": ("output_image_tokens", 1_000_000),
    "audio_hours": ("audio_seconds", 3_600),
    "input_document_kpages": ("pages", 1_000),
    "input_annotated_document_kpages": ("annotated_pages", 1_000),
    "input_mchars": ("characters", 1_000_000),
    "input_text_messages_kcount": ("text_messages", 1_000),
    "requests_kcount": ("requests", 1_000),
    "web_searches_kcount": ("web_searches", 1_000),
    "storage_searches_kcount": ("file_searches", 1_000),
}
"""The source's price key → Keystead's unit and how many of it the source's price is for."""

WITHOUT_A_COUNT: Final = frozenset({"cache_image_read_mtok", "output_citation_mtok", "output_video_mtok"})
"""Prices of tokens that `domain.usage` does not count apart."""

THIRTY_MINUTE_CACHE: Final = frozenset({"openai"})
"""Whose plain cache-write price is for 30 minutes, not for 5."""

TWELVE_HOUR_WRITES: Final = {("openai", "gpt-6.1-terra"): Decimal("2.5")}
"""12-hour cache writes as a multiple of the input price: 2.50 USD against 1 USD per million tokens, with the same
factors for tiers and long context as every cache price (developers.openai.com/api/docs/models/gpt-6.1-terra).
The source has no unit for it."""

FREE: Final = frozenset(
    {("google", "gemma-3"), ("google", "gemma-3n"), ("google", "gemma-4-26b-a4b-it"), ("google", "gemma-4-31b-it")}
)
"""Free of charge by the provider's own page (ai.google.dev/gemini-api/docs/pricing). The source has an empty price
for these and for models whose price it does not know; only these, and OpenRouter's `:free` models, are really free."""

FREE_PRICES: Final = dict.fromkeys(("input_audio_tokens", "input_tokens", "output_audio_tokens", "output_tokens"), "0")

GUESSED_PATTERNS: Final = frozenset({("openai", "ft:gpt-4-0*")})
"""Patterns that give a fine-tuned model its base model's price."""

PEAK_ON_WORKDAYS_FROM: Final = {
    ("deepseek", "deepseek-flash"): "",
    ("deepseek", "deepseek-v4-flash"): "2026-08-17",
    ("deepseek", "deepseek-v4-pro"): "2026-08-17",
}
"""DeepSeek's peak prices hold on Monday to Friday and since a date; a row of the source holds one condition only, so
its text says what its data cannot (api-docs.deepseek.com/updates). Chinese public holidays stay unknown."""

IGNORED_CONDITIONS: Final = frozenset({("route", "mistral/eu"), ("search_type", "fast"), ("search_type", "web")})
"""Conditions no answer reports, on providers that report their own cost."""

NOT_SPEECH: Final = "^(?!.*-[tT][tT][sS](?:$|-))"


def main() -> int:
    """Write or check the snapshot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--built-on", required=True, help="the snapshot's date, YYYY-MM-DD")
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    arguments = parser.parse_args()
    made = render(arguments.built_on)
    if arguments.check:
        same = OUTPUT.read_text(encoding="utf-8") == made
        print("up to date" if same else f"{OUTPUT} differs from what {Path(__file__).name} makes")
        return 0 if same else 1
    OUTPUT.write_text(made, encoding="utf-8")
    print(f"{OUTPUT}: {len(made)} bytes")
    return 0


def render(built_on: str) -> str:
    """Return the snapshot's text."""
    head = {
        "source": "genai-prices",
        "source_version": version("genai-prices"),
        "source_url": "https://github.com/pydantic/genai-prices",
        "licence": "MIT; see NOTICE beside this file",
        "built_on": built_on,
    }
    lines = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in head.items()]
    providers = []
    for provider in source_providers:
        name = PROVIDERS.get(provider.id)
        if name is None:
            continue
        models = [made for model in provider.models if (made := convert(name, model)) is not None]
        rows = ",\n".join(json.dumps(model, separators=(",", ":"), sort_keys=True) for model in models)
        providers.append(f"{json.dumps(name)}:[\n{rows}]")
    return "{" + ",\n".join([*lines, '"providers":{\n' + ",\n".join(sorted(providers)) + "}"]) + "}\n"


def convert(provider: str, model: Any) -> dict[str, Any] | None:
    """Return a model's entry, or None if the source has no price for it."""
    rows = [*base_rows(provider, model), *tier_rows(provider, model)]
    if not any(row.get("prices") for row in rows):
        if (provider, model.id) in FREE or (provider == "openrouter" and model.id.endswith(":free")):
            rows = [{"prices": FREE_PRICES}]
        else:
            return None
    match, exclude = patterns(model.match)
    names = [pattern for pattern in match if (provider, pattern) not in GUESSED_PATTERNS]
    entry: dict[str, Any] = {"id": model.id, "match": names, "rows": rows}
    if exclude:
        entry["exclude"] = exclude
    if model.context_window:
        entry["context"] = model.context_window
    return entry


def base_rows(provider: str, model: Any) -> list[dict[str, Any]]:
    """Return the standard rows, in the source's order: of those that apply, the last counts."""
    if isinstance(model.prices, source.ModelPrice):
        return [priced(provider, model.id, model.prices)]
    rows = []
    for number, conditional in enumerate(model.prices):
        row = priced(provider, model.id, conditional.prices)
        match conditional.constraint:
            case None:
                pass
            case source.StartDateConstraint(start_date=start):
                row["valid_from"] = start.isoformat()
            case source.TimeOfDateConstraint(start_time=start, end_time=end):
                row["hours"] = [f"{start:%H:%M}", f"{end:%H:%M}"]
                workdays_from = PEAK_ON_WORKDAYS_FROM.get((provider, model.id))
                if workdays_from is not None:
                    row["weekdays"] = "12345"
                if workdays_from:
                    row["valid_from"] = workdays_from
            case other:
                raise SystemExit(f"{provider}/{model.id}: unknown constraint {other}")
        if number == 0 and len(row.keys() & {"valid_from", "hours"}):
            raise SystemExit(f"{provider}/{model.id}: no row applies before the first condition does")
        rows.append(row)
    return rows


def tier_rows(provider: str, model: Any) -> list[dict[str, Any]]:
    """Return the rows of service tiers, oldest first. The source lists them newest first and takes the first."""
    by_tier: dict[str, list[dict[str, Any]]] = {}
    for variant in model.price_variants or ():
        tier = tier_name(provider, model, variant)
        if tier is None:
            continue
        row = {"tier": tier, **priced(provider, model.id, variant.prices)}
        if variant.constraint is not None:
            row["valid_from"] = variant.constraint.start_date.isoformat()
        by_tier.setdefault(tier, []).append(row)
    if "fast" in by_tier and provider == "openai":
        # OpenAI's fast is its former priority, and what it reports back is `priority`.
        fast = [{**row, "tier": "priority"} for row in by_tier.pop("fast")]
        if fast != by_tier.get("priority"):
            raise SystemExit(f"{provider}/{model.id}: fast and priority differ")
    for tier, rows in by_tier.items():
        rows.sort(key=lambda row: row.get("valid_from", ""))
        if len({tuple(sorted(row.get("prices", {}))) for row in rows}) != 1:
            raise SystemExit(f"{provider}/{model.id}: dated rows of {tier} price different units")
    return [row for _, rows in sorted(by_tier.items()) for row in rows]


def tier_name(provider: str, model: Any, variant: Any) -> str | None:
    """Return Keystead's name for a variant's condition, or None where it changes nothing we can know."""
    ((key, value),) = variant.when.items()
    if (key, value) in IGNORED_CONDITIONS:
        return None
    if (key, value) == ("service_tier", "default"):
        if variant.prices.__dict__:
            raise SystemExit(f"{provider}/{model.id}: the default tier has other prices")
        return None
    if (key, value) in {("processing", "batch"), ("speed", "fast")} or key == "service_tier":
        return str(value)
    raise SystemExit(f"{provider}/{model.id}: unknown condition {variant.when}")


def priced(provider: str, model_id: str, model_price: Any) -> dict[str, Any]:
    """Return `prices` and `steps` of one set of prices."""
    prices: dict[str, Decimal] = {}
    steps: dict[int, dict[str, Decimal]] = {}
    given = {key: value for key, value in model_price.__dict__.items() if value is not None}
    if "input_audio_hours" in given and given.pop("input_audio_hours") != given["audio_hours"]:
        raise SystemExit(f"{provider}/{model_id}: two prices for an hour of audio")
    for key, value in given.items():
        if key in WITHOUT_A_COUNT:
            continue
        unit, per = UNITS[key]
        if unit == "cache_write_5m_tokens" and provider in THIRTY_MINUTE_CACHE:
            unit = "cache_write_30m_tokens"
        if isinstance(value, source.TieredPrices):
            prices[unit] = value.base / per
            for tier in value.tiers:
                steps.setdefault(tier.start, {})[unit] = tier.price / per
        else:
            prices[unit] = value / per
    ratio = TWELVE_HOUR_WRITES.get((provider, model_id))
    for known in (prices, *steps.values()):
        if ratio is not None and "input_tokens" in known:
            known["cache_write_12h_tokens"] = known["input_tokens"] * ratio
    made: dict[str, Any] = {"prices": texts(prices)} if prices else {}
    if steps:
        made["steps"] = [{"over": over, "prices": texts(known)} for over, known in sorted(steps.items())]
    return made


def texts(prices: dict[str, Decimal]) -> dict[str, str]:
    """Return prices as plain decimal text.

    A price per hour need not end as a price per second; 24 decimals are off by less than 10⁻²⁰ USD an hour.
    """
    rounded = {unit: price.quantize(Decimal(1).scaleb(-24), ROUND_HALF_EVEN) for unit, price in prices.items()}
    return {unit: f"{price:f}".rstrip("0").rstrip(".") for unit, price in rounded.items()}


def patterns(clause: Any) -> tuple[list[str], list[str]]:
    """Return a match clause as shell-style patterns, and the patterns it excludes."""
    match, exclude = set(), set()
    for alternative in clause.or_ if isinstance(clause, source.ClauseOr) else [clause]:
        positive = []
        for part in alternative.and_ if isinstance(alternative, source.ClauseAnd) else [alternative]:
            if isinstance(part, source.ClauseRegex) and part.regex == NOT_SPEECH:
                exclude |= {"*-tts", "*-tts-*"}
            else:
                positive.append(pattern(part))
        if len(positive) != 1:
            raise SystemExit(f"a conjunction of {positive} is not a pattern")
        match.add(positive[0])
    return sorted(match), sorted(exclude)


def pattern(clause: Any) -> str:
    """Return one condition as a shell-style pattern."""
    match clause:
        case source.ClauseEquals(equals=text):
            return literal(text)
        case source.ClauseStartsWith(starts_with=text):
            return literal(text) + "*"
        case source.ClauseEndsWith(ends_with=text):
            return "*" + literal(text)
        case source.ClauseContains(contains=text):
            return "*" + literal(text) + "*"
        case source.ClauseRegex(regex=text):
            return shell_pattern(text)
        case other:
            raise SystemExit(f"unknown clause {other}")


def literal(text: str) -> str:
    """Return text for use in a pattern."""
    if set(text) & set("*?[]"):
        raise SystemExit(f"{text!r} holds a wildcard")
    return text.lower()


def shell_pattern(regex: str) -> str:
    """Return a regular expression made of literals, digits and character sets as a shell-style pattern."""
    token = re.compile(
        r"\\d\{(?P<count>\d+)\}|(?P<digit>\\d)|\\(?P<escaped>[.\-])|(?P<set>\[[^\]]+\])|(?P<plain>[\w/:@-])"
    )
    body = regex.removeprefix("^")
    if body == regex:
        raise SystemExit(f"{regex!r} is not anchored")
    made, position = "", 0
    closed = body.endswith("$")
    body = body.removesuffix("$")
    while position < len(body):
        found = token.match(body, position)
        if found is None:
            raise SystemExit(f"{regex!r} cannot be written as a pattern")
        made += _shell(found)
        position = found.end()
    return made.lower() if closed else made.lower() + "*"


def _shell(found: re.Match[str]) -> str:
    if found["count"]:
        return "[0-9]" * int(found["count"])
    if found["digit"]:
        return "[0-9]"
    return _first((found["escaped"], found["set"], found["plain"]))


def _first(texts: Iterable[str | None]) -> str:
    return next(text for text in texts if text)


if __name__ == "__main__":
    sys.exit(main())
