"""What would have become of recorded requests under other rules, beside what becomes of them under those of today. Pure.

Both sides are decided anew, and both as if their rules had been in force all along, so that what differs is the rules'
doing. What no rules decide (a body that cannot be read, the network that a key is used from, which never changes for a
key) is as it was. A caller who was refused may have come again: nobody knows.
"""

from typing import Final

import msgspec

from keystead.domain.means import CREDITS
from keystead.gateway.plan import Plan
from keystead.gateway.replay.books import Books
from keystead.gateway.replay.course import Outcome, outcome_of
from keystead.gateway.replay.pairs import AsRecorded, Pair, Pairs, Undecidable
from keystead.gateway.replay.side import Decided, Side, key_of
from keystead.gateway.replay.sums import Change, Findings, Kind, Paid, Shares, Sums, add_to, added
from keystead.metering.recorded import Recorded

MAX_EXAMPLES: Final = 200


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A request that fares otherwise, or may."""

    recorded: Recorded
    change: Change


class Use(msgspec.Struct, kw_only=True):
    """What a credential does on each side."""

    credential: str
    requests_today: int = 0
    requests_other: int = 0
    paid_today: Paid = {}
    paid_other: Paid = {}


class Simulation:
    """Decides about requests, oldest first, by two sets of rules, and adds up what differs."""

    def __init__(self, today: Side, other: Side, *, since: int, recognizers_differ: bool, examples: int) -> None:
        """Compare `other` with `today` for the requests from `since` on, of which the first `examples` are kept."""
        self._sides = (today, other)
        self._books = (Books(today), Books(other))
        self._pairs = Pairs(today, other, recognizers_differ=recognizers_differ)
        self._since = since
        self._most_examples = examples
        self.totals: dict[Kind, Sums] = {}
        self.findings = Findings()
        self.teams = Shares()
        self.keys = Shares()
        self.models = Shares()
        self.uses: dict[str, Use] = {}
        self.examples: list[Example] = []
        self.otherwise_recorded = 0
        """Requests of which the rules of their time made something else than those of today."""

    def begins_at(self) -> int:
        """Return from when on requests are to be added: budgets count what was spent before in their periods."""
        return min(books.begins_at(self._since) for books in self._books)

    async def add(self, recorded: Recorded) -> Change:
        """Decide about a request."""
        for books in self._books:
            await books.advance(recorded.started_at)
        counted = recorded.started_at >= self._since
        found = self._pairs.of(recorded)
        if isinstance(found, Pair):
            change = await self._decide(recorded, found, counted=counted)
        else:
            if isinstance(found, Undecidable):
                for side, books in zip(self._sides, self._books, strict=True):
                    await books.take(side.caller(recorded), recorded)
            change = _unchanged(recorded, found)
        if counted:
            self._note(recorded, change)
        return change

    async def _decide(self, recorded: Recorded, pair: Pair, *, counted: bool) -> Change:
        (today, other), (books, other_books) = self._sides, self._books
        before = await outcome_of(today, books, recorded, pair.today)
        after = await outcome_of(other, other_books, recorded, pair.other, known=before)
        if counted:
            self._use(before, after)
            if recorded.refused is (before.step is not None):
                self.otherwise_recorded += 1
        return Change(
            kind=_kind(before, after),
            code="" if (refusal := after.refusal or before.refusal) is None else refusal.code,
            today=_said(before, pair.today),
            other=_said(after, pair.other),
            paid_today=before.paid,
            paid_other=after.paid,
            at_most=after.at_most if before.step is None else {},
        )

    def _note(self, recorded: Recorded, change: Change) -> None:
        self.totals.setdefault(change.kind, Sums()).add(recorded, change)
        self.teams.add(recorded.team_id, change)
        self.keys.add(recorded.virtual_key_id, change)
        self.models.add(recorded.model, change)
        if change.kind == "same":
            return
        self.findings.add(recorded, change)
        if len(self.examples) < self._most_examples:
            self.examples.append(Example(recorded=recorded, change=change))

    def _use(self, before: Outcome, after: Outcome) -> None:
        if before.step is not None:
            use = self.uses.setdefault(before.step.credential.id, Use(credential=before.step.credential.name))
            use.requests_today += 1
            add_to(use.paid_today, before.paid)
        if after.step is not None:
            use = self.uses.setdefault(after.step.credential.id, Use(credential=after.step.credential.name))
            use.requests_other += 1
            add_to(use.paid_other, after.paid)


def _kind(before: Outcome, after: Outcome) -> Kind:
    if before.step is None or after.step is None:
        if before.step is after.step:
            return "same"
        return "allowed_now" if before.step is None else "refused_now"
    if before.answered and not after.answered:
        return "refused_now"
    return "same" if key_of(before.step) == key_of(after.step) else "other_credential"


def _said(outcome: Outcome, decided: Decided) -> str:
    """Say what becomes of a request, in words that are the same for requests that are alike."""
    if outcome.step is None or (outcome.refusal is not None and not outcome.answered):
        return "" if outcome.refusal is None else outcome.refusal.reason
    assert isinstance(decided, Plan), "something is tried"
    credential, model = outcome.step.credential.name, outcome.step.model
    why = next(
        (c.reason for c in decided.considered if c.allowed and (c.credential, c.model) == (credential, model)), ""
    )
    return f"Credential {credential}, model {model}. {why}".rstrip()


def _unchanged(recorded: Recorded, found: Undecidable | AsRecorded) -> Change:
    paid = added(
        {CREDITS: tried.charge_pico or 0} if tried.is_platform else {tried.cost.currency: tried.cost.pico or 0}
        for tried in recorded.tried
    )
    if isinstance(found, AsRecorded):
        return Change(kind="same", paid_today=paid, paid_other=paid)
    return Change(kind="undecidable", code=found.code, other=found.reason, paid_today=paid, paid_other=paid)
