"""What is spent, held and under way under one set of rules, as the time of the record passes. Pure."""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Final

import msgspec

from keystead.domain.clock import HOUR_US
from keystead.domain.ids import CredentialId
from keystead.domain.means import CREDITS, Hold
from keystead.gateway.means import Means, posts
from keystead.gateway.pace import Pace
from keystead.gateway.plan import Plan
from keystead.gateway.replay.side import Side
from keystead.gateway.rules import Caller, Rules
from keystead.limits.holds import holds_for
from keystead.limits.periods import span_at
from keystead.limits.rates import RENEW_S, Admission, Rates
from keystead.metering.recorded import Recorded
from keystead.storage.admission import Room, Standing, window_of

_RENEW_US: Final = int(RENEW_S * 1_000_000)
_NO_LIMIT: Final = 2**53
_LONGEST_US: Final = HOUR_US
"""How long a request is taken to last of which no end is recorded."""


class _Now:
    """The time of the record."""

    def __init__(self) -> None:
        self.at = 0

    def now_us(self) -> int:
        return self.at

    def monotonic_us(self) -> int:
        return self.at


class _Due(msgspec.Struct, frozen=True, kw_only=True):
    """What happens when a request ends."""

    holds: Sequence[Hold] = ()
    posts: Sequence[int] = ()
    admission: Admission | None = None
    tokens: int = 0


class Books:
    """Counters of budgets and caps, and of what comes and runs, under one set of rules."""

    def __init__(self, side: Side) -> None:
        """Begin with nothing spent and nothing under way."""
        self._now = _Now()
        self.means: Means = msgspec.structs.replace(side.means, clock=self._now)
        self._rules: Rules = side.rules
        self._rates = Rates(clock=self._now)
        self._pace = Pace(self._rates, self._now)
        self._counted: dict[str, dict[int, int]] = {}
        """By counter and bucket: what is spent or held."""
        self._due: list[tuple[int, int, _Due]] = []
        self._number = 0
        self._running = 0
        self._renewed_at = 0

    def begins_at(self, since: int) -> int:
        """Return from when on requests count for what is decided from `since` on."""
        rules = self._rules
        starts = [since]
        starts.extend(
            span_at(budget.period, budget.rolling_hours, since, rules.time_zone).since_at
            for budget in rules.budgets.all
            if budget.hard
        )
        if rules.consents:
            starts.append(span_at("month", 0, since, rules.time_zone).since_at)
        if rules.rates.all:
            starts.append(since - _LONGEST_US)
        return max(min(starts), 0)

    async def advance(self, at: int) -> None:
        """Let time pass until `at`: what has ended by then is let go."""
        while self._due and self._due[0][0] <= at:
            ended_at, _, due = heappop(self._due)
            await self._pass(ended_at)
            self._let_go(due.holds, due.posts)
            if due.admission is not None:
                self._running -= 1
                await self._pace.done(due.admission, due.tokens)
        await self._pass(at)

    async def admit(self, caller: Caller, plan: Plan, recorded: Recorded) -> Admission | None:
        """Let a request begin, as `Pace.admit` does.

        Raises:
            KeysteadError: it comes too fast, there are too many at once, or it asks for too long an answer.
        """
        admission = await self._pace.admit(caller, plan, recorded)
        self._running += admission is not None
        return admission

    def full(self, holds: Sequence[Hold]) -> Hold | None:
        """Return the first of `holds` for which there is no room; None if there is room for all."""
        limited = _limited(holds)
        if not limited:
            return None
        room = Room({window_of(hold): Standing(counted=self._standing(hold)) for hold in limited})
        return room.admit(limited)

    def spend(self, holds: Sequence[Hold], spent: Sequence[int]) -> None:
        """Count what an attempt cost that is over already."""
        self._hold(holds)
        self._let_go(holds, spent)

    def hold(self, holds: Sequence[Hold], spent: Sequence[int], *, until: int) -> None:
        """Hold what an attempt can cost until it ends; then count what it did cost."""
        self._hold(holds)
        self._fall_due(until, _Due(holds=holds, posts=spent))

    def end(self, admission: Admission | None, *, at: int, tokens: int) -> None:
        """See to it that an admitted request ends at `at`, or now if that is past."""
        if admission is not None:
            self._fall_due(at, _Due(admission=admission, tokens=tokens))

    async def take(self, caller: Caller | None, recorded: Recorded) -> None:
        """Count a request as it was, without deciding about it."""
        if caller is None or not recorded.tried:
            return
        first, last = recorded.tried[0], recorded.tried[-1]
        limits = self._rules.rates.concerning(caller.spender, CredentialId(first.credential_id), first.model)
        if limits:
            boundless = [msgspec.structs.replace(limit, most=_NO_LIMIT) for limit in limits]
            tokens = recorded.body_bytes // 4 + 1
            admission = await self._rates.admit(boundless, cost_tokens=tokens, now_us=self._now.at)
            self._running += 1
            usage = last.reading.usage
            self.end(admission, at=end_of(recorded), tokens=usage.input_total + usage.output_total)
        for tried in recorded.tried:
            budgets = self._rules.budgets.concerning(caller.spender, CredentialId(tried.credential_id), tried.model)
            holds = holds_for(
                [budget for budget in budgets if budget.hard and budget.currency in {tried.cost.currency, CREDITS}],
                ceiling_pico=tried.cost.pico or 0,
                currency=tried.cost.currency,
                credits_pico=tried.charge_pico,
                now_us=self._now.at,
                time_zone=self._rules.time_zone,
            )
            self.spend(holds, posts(holds, cost=tried.cost, charged=tried.charge_pico))

    def _standing(self, hold: Hold) -> int:
        _, _, since = window_of(hold)
        return sum(amount for at, amount in self._counted.get(hold.counter_id, {}).items() if at >= since)

    def _hold(self, holds: Sequence[Hold]) -> None:
        for hold in _limited(holds):
            buckets = self._counted.setdefault(hold.counter_id, {})
            for past in [at for at in buckets if at < window_of(hold)[2]]:
                del buckets[past]
            buckets[hold.bucket_at] = buckets.get(hold.bucket_at, 0) + hold.amount

    def _let_go(self, holds: Sequence[Hold], spent: Sequence[int]) -> None:
        for hold, post in zip(holds, spent, strict=True):
            buckets = self._counted.get(hold.counter_id, {})
            if hold.bucket_at in buckets:
                buckets[hold.bucket_at] += post - hold.amount

    def _fall_due(self, at: int, due: _Due) -> None:
        self._number += 1
        heappush(self._due, (max(at, self._now.at), self._number, due))

    async def _pass(self, at: int) -> None:
        """Move the time on, renewing the slots of what runs meanwhile as the gateway does."""
        if not self._rules.rates.all:
            self._now.at = at
            return
        if not self._running:  # nothing to renew; what nobody counts any more is forgotten
            self._renewed_at = max(self._renewed_at, at - _RENEW_US)
        while self._renewed_at + _RENEW_US <= at:
            self._renewed_at += _RENEW_US
            self._now.at = self._renewed_at
            await self._rates.renew()
        self._now.at = at


def end_of(recorded: Recorded) -> int:
    """Return when a request ended."""
    return recorded.started_at + _LONGEST_US if recorded.finished_at is None else recorded.finished_at


def _limited(holds: Sequence[Hold]) -> list[Hold]:
    """Return the holds that can refuse. Prepaid credits are no part of an organization's rules, and are not replayed."""
    return [hold for hold in holds if hold.limit is not None and hold.kind != "credits"]
