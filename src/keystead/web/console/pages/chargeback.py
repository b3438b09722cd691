"""Who pays what: the organization's own money and credits apart, and what is not known said and never added as zero.

What a provider bills the platform for work on its own credentials is the platform's; the organization pays credits for
it, and so only those are counted here. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from keystead.metering.usage_views import UsageLine
from keystead.web.console.pages.sums import named

PLATFORM: Final = "platform"
_NOTHING: Final = Decimal(0)

HEADER: Final = (
    "id",
    "name",
    "currency",
    "own cost",
    "credits",
    "requests",
    "input tokens",
    "output tokens",
    "estimated attempts",
    "attempts without a price",
    "attempts of unknown cost",
    "own cost before",
    "credits before",
)


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody or something spent in a span, in one currency."""

    id: str
    name: str
    currency: str
    own: Decimal = _NOTHING
    """By the organization's own credentials, as far as it is known."""
    credits: Decimal = _NOTHING
    requests: int = 0
    input_total: int = 0
    output_total: int = 0
    estimated: int = 0
    unpriced: int = 0
    unknown: int = 0

    @property
    def missing(self) -> int:
        """Attempts whose cost is not in the sum, because nobody knows it."""
        return self.unpriced + self.unknown

    @property
    def own_known(self) -> Decimal | None:
        """The own cost; None if nothing of it is known."""
        return None if self.missing and not self.own else self.own


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chargeback: this span, and the one before."""

    now: Spent
    before: Spent
    percent: int
    """Of the dearest one, for a bar beside it."""


def spent(lines: Iterable[UsageLine]) -> list[Spent]:
    """Return what a report by one dimension and by owner comes to, the dearest first."""
    found: dict[tuple[str, str], Spent] = {}
    for line in lines:
        key, owner = line.keys
        had = found.get((key.id, line.currency)) or Spent(id=key.id, name=named(key.name), currency=line.currency)
        found[key.id, line.currency] = _more(had, line, own=owner.id != PLATFORM)
    return sorted(found.values(), key=lambda one: (-one.own, -one.credits, -one.requests, one.name))


def together(some: Sequence[Spent]) -> list[Spent]:
    """Return the sum in each currency, the dearest first."""
    found: dict[str, Spent] = {}
    for one in some:
        had = found.get(one.currency) or Spent(id="", name="", currency=one.currency)
        numbers = {name: getattr(had, name) + getattr(one, name) for name in _ADDED}
        found[one.currency] = msgspec.structs.replace(had, **numbers)
    return sorted(found.values(), key=lambda one: -one.own)


def compared(now: Sequence[Spent], before: Sequence[Spent]) -> list[Line]:
    """Return the lines of this span with the same of the one before."""
    was: Mapping[tuple[str, str], Spent] = {(one.id, one.currency): one for one in before}
    top = max((one.own for one in now), default=_NOTHING)
    return [
        Line(
            now=one,
            before=was.get((one.id, one.currency)) or Spent(id=one.id, name=one.name, currency=one.currency),
            percent=int(one.own * 100 / top) if top else 0,
        )
        for one in now
    ]


def cells(line: Line) -> tuple[Any, ...]:
    """Return a line as the file holds it, exactly; an own cost of which nothing is known is empty."""
    now, before = line.now, line.before
    return (
        now.id,
        now.name,
        now.currency,
        now.own_known,
        now.credits,
        now.requests,
        now.input_total,
        now.output_total,
        now.estimated,
        now.unpriced,
        now.unknown,
        before.own_known,
        before.credits,
    )


def _more(had: Spent, line: UsageLine, *, own: bool) -> Spent:
    return msgspec.structs.replace(
        had,
        own=had.own + Decimal(line.cost) if own else had.own,
        credits=had.credits + Decimal(line.charge),
        requests=had.requests + line.requests,
        input_total=had.input_total + line.input_total,
        output_total=had.output_total + line.output_total,
        estimated=had.estimated + line.estimated,
        unpriced=had.unpriced + line.unpriced,
        unknown=had.unknown + line.unknown,
    )


_ADDED: Final = ("own", "credits", "requests", "input_total", "output_total", "estimated", "unpriced", "unknown")
