"""What requests come to, added up by what would become of them, why, and whose they were. Pure, and bounded."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from keystead.metering.recorded import Recorded

Kind = Literal["same", "refused_now", "allowed_now", "other_credential", "undecidable"]
KINDS: Final[tuple[Kind, ...]] = ("refused_now", "allowed_now", "other_credential", "undecidable", "same")

MOST_GROUPS: Final = 1_000
"""Groups of a kind that are told apart. Callers choose names of models, so there may be any number."""
EXAMPLES: Final = 3
"""Ids of requests that are kept for each finding."""
OTHERS: Final = "(others)"

Paid = dict[str, int]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of one request, and what became of it by the rules of today."""

    kind: Kind
    code: str = ""
    """Of the refusal, or of what is not known."""
    today: str = ""
    other: str = ""
    """What each side says, for people."""
    paid_today: Mapping[str, int] = {}
    paid_other: Mapping[str, int] = {}
    """By currency, in pico units."""
    at_most: Mapping[str, int] = {}
    """The most that it could cost in addition, where nobody knows what it would."""


class Sums(msgspec.Struct, kw_only=True):
    """What requests come to."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    paid_today: Paid = {}
    paid_other: Paid = {}
    at_most: Paid = {}

    def add(self, recorded: Recorded, change: Change) -> None:
        """Add a request."""
        self.requests += 1
        self.input_tokens += recorded.input_tokens
        self.output_tokens += recorded.output_tokens
        add_to(self.paid_today, change.paid_today)
        add_to(self.paid_other, change.paid_other)
        add_to(self.at_most, change.at_most)


class Finding(msgspec.Struct, kw_only=True):
    """Requests of which the same becomes, for the same reason."""

    kind: Kind
    code: str
    today: str
    other: str
    sums: Sums
    examples: list[str]


class Share(msgspec.Struct, kw_only=True):
    """How the requests of one team, key or model fare."""

    of: str
    """An id, or a model's name."""
    requests: dict[Kind, int]
    paid_today: Paid = {}
    paid_other: Paid = {}

    @property
    def changed(self) -> int:
        """How many fare otherwise, or may."""
        return sum(count for kind, count in self.requests.items() if kind != "same")


class Findings:
    """Findings by what becomes of requests and why."""

    def __init__(self) -> None:
        """Hold none."""
        self._found: dict[tuple[str, ...], Finding] = {}

    def add(self, recorded: Recorded, change: Change) -> None:
        """Add a request of which something else becomes, or may."""
        key = (change.kind, change.code, change.today, change.other)
        if key not in self._found and len(self._found) >= MOST_GROUPS:
            key = (change.kind, "", "", OTHERS)
        finding = self._found.get(key)
        if finding is None:
            _, code, today, other = key
            finding = Finding(kind=change.kind, code=code, today=today, other=other, sums=Sums(), examples=[])
            self._found[key] = finding
        finding.sums.add(recorded, change)
        if len(finding.examples) < EXAMPLES:
            finding.examples.append(recorded.id)

    def largest(self, most: int) -> list[Finding]:
        """Return what concerns most requests, each kind by itself."""
        return sorted(self._found.values(), key=lambda one: (KINDS.index(one.kind), -one.sums.requests))[:most]


class Shares:
    """Shares by team, key or model."""

    def __init__(self) -> None:
        """Hold none."""
        self._found: dict[str, Share] = {}

    def add(self, of: str, change: Change) -> None:
        """Add a request."""
        if of not in self._found and len(self._found) >= MOST_GROUPS:
            of = OTHERS
        share = self._found.get(of)
        if share is None:
            share = self._found[of] = Share(of=of, requests={})
        share.requests[change.kind] = share.requests.get(change.kind, 0) + 1
        add_to(share.paid_today, change.paid_today)
        add_to(share.paid_other, change.paid_other)

    def largest(self, most: int) -> list[Share]:
        """Return those of which most requests fare otherwise."""
        return sorted(self._found.values(), key=lambda one: (-one.changed, -sum(one.requests.values())))[:most]


def add_to(paid: Paid, more: Mapping[str, int]) -> None:
    """Add amounts to those in `paid`."""
    for currency, amount in more.items():
        paid[currency] = paid.get(currency, 0) + amount


def added(many: Iterable[Mapping[str, int]]) -> Paid:
    """Return the sum of amounts."""
    total: Paid = {}
    for one in many:
        add_to(total, one)
    return total
