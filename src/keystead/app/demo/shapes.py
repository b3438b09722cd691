"""What answers of the demonstration look like: usage in the providers' own words, priced by the real price book. Pure."""

from random import Random  # noqa: TID251 - a made-up past must be the same for the same seed; nothing of it is secret
from typing import Final

import msgspec

from keystead.app.demo.cast import Placed
from keystead.app.demo.plan import Option
from keystead.domain.records import Cost
from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.usage import Reading, Usage, UsageSource
from keystead.metering.price_book import PriceBook
from keystead.metering.pricing import cost_of

_REASONING: Final = ("gpt-5", "gemini-2.5-pro")
_MONTH_US: Final = 30 * 24 * 3_600_000_000


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, as any number of requests may have got it."""

    reading: Reading
    cost: Cost
    duration_us: int
    first_byte_us: int
    first_token_us: int
    """Of a stream."""
    received: int
    sent: int


class Shapes:
    """Makes as many different answers of each kind as `variety`, and then gives them again."""

    def __init__(self, book: PriceBook, *, organization_id: str, random: Random, variety: int = 48) -> None:
        """Price by `book`."""
        self._book = book
        self._organization_id = organization_id
        self._random = random
        self._variety = variety
        self._made: dict[tuple[str, str, bool, int], list[Shape]] = {}

    def one(self, option: Option, placed: Placed, *, at: int, cut: bool) -> Shape:
        """Return an answer of an option from a credential; a cut one was left by its caller before its end."""
        key = option.model + option.endpoint, placed.name, cut, at // _MONTH_US
        made = self._made.setdefault(key, [])
        if len(made) < self._variety:
            made.append(self._make(option, placed, at=at, cut=cut))
            return made[-1]
        return made[int(self._random.random() * self._variety)]

    def _make(self, option: Option, placed: Placed, *, at: int, cut: bool) -> Shape:
        random = self._random
        taken = max(8, int(option.input_tokens * random.lognormvariate(0, 0.7)))
        given = max(1, int(option.output_tokens * random.lognormvariate(0, 0.6))) if option.output_tokens else 0
        if cut:
            given = max(1, given // 4)
        cached = int(taken * option.cached * random.uniform(0.7, 1.1)) if random.random() < 0.8 else 0
        cached = min(cached, taken - 1)
        reasoning = int(given * random.uniform(0.2, 0.6)) if option.model.startswith(_REASONING) else 0
        usage = Usage(
            input_tokens=taken - cached,
            cache_read_tokens=cached,
            output_tokens=given - reasoning,
            reasoning_tokens=reasoning,
        )
        reading = Reading(
            usage=usage,
            source=UsageSource.PROVIDER_PARTIAL if cut else UsageSource.PROVIDER,
            raw=_words(option, usage),
            model=option.served or option.model,
            finished=not cut,
        )
        cost = cost_of(
            self._book,
            organization_id=self._organization_id,
            provider=placed.provider,
            endpoint=option.endpoint,
            model_sent=option.model,
            region=placed.region,
            at=at,
            reading=reading,
        )
        first_us = int(220_000 * random.lognormvariate(0, 0.45)) + taken * 9
        per_token_us = 9_000 + 9_000 * random.random()
        return Shape(
            reading=reading,
            cost=cost,
            first_byte_us=int(first_us * 0.8),
            first_token_us=first_us,
            duration_us=first_us + int(given * per_token_us) + 4_000,
            received=400 + given * 5,
            sent=400 + given * 5,
        )


def _words(option: Option, usage: Usage) -> bytes:
    """Return the usage object as the option's provider writes it."""
    whole, out = usage.input_total, usage.output_total
    said: dict[str, object]
    if option.dialect is Dialect.ANTHROPIC:
        said = {
            "input_tokens": usage.input_tokens,
            "cache_read_input_tokens": usage.cache_read_tokens,
            "output_tokens": out,
        }
    elif option.dialect is Dialect.GEMINI:
        said = {
            "promptTokenCount": whole,
            "cachedContentTokenCount": usage.cache_read_tokens,
            "candidatesTokenCount": usage.output_tokens,
            "thoughtsTokenCount": usage.reasoning_tokens,
        }
    elif option.endpoint is Endpoint.RESPONSES:
        said = {
            "input_tokens": whole,
            "input_tokens_details": {"cached_tokens": usage.cache_read_tokens},
            "output_tokens": out,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        }
    else:
        said = {
            "prompt_tokens": whole,
            "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
            "completion_tokens": out,
            "total_tokens": whole + out,
        }
    return msgspec.json.encode(said)
