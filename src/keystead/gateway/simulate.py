"""What other rules would have decided about requests that were made. Pure.

Both sides are decided anew, by the functions that decide real requests: by the rules of today and by the other ones, so
that what differs is the rules' doing and not that of a key revoked since. What a request was refused for beside them
(its form, its content, a budget, a rate, the network it came from) is not looked at, and neither are its tags, which
are not recorded: a condition that asks for one is decided as if there were none.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.errors import KeysteadError
from keystead.gateway.plan import Plan, Question, plan_for
from keystead.gateway.rules import Caller, Rules, caller_of
from keystead.metering.asked import Asked
from keystead.policy.facts import Facts

EXAMPLES: Final = 3
"""Request ids per finding."""

MAX_FINDINGS: Final = 100
"""Findings of each kind; a longer list is for nobody to read. The totals hold all of it."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided about a request, and why."""

    allowed: bool
    code: str
    """For a refusal: which kind it is."""
    reason: str


class Sums(msgspec.Struct, kw_only=True):
    """What requests come to."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico: dict[str, int] = {}
    """By currency."""

    def add(self, asked: Asked) -> None:
        """Add requests that are alike."""
        self.requests += asked.requests
        self.input_tokens += asked.input_tokens
        self.output_tokens += asked.output_tokens
        if asked.cost_pico:
            self.cost_pico[asked.currency] = self.cost_pico.get(asked.currency, 0) + asked.cost_pico


class Finding(msgspec.Struct, kw_only=True):
    """Requests that are decided otherwise, all for the same reason."""

    verdict: Verdict
    """By the other rules."""
    sums: Sums
    examples: list[str]


class Side:
    """One set of rules, and the keys under it."""

    def __init__(self, rules: Rules, keys: Iterable[VirtualKey]) -> None:
        """Decide by `rules` for `keys`, of which a revoked one may do nothing."""
        self._rules = rules
        self._keys = {key.id: key for key in keys}
        self._callers: dict[str, Caller] = {}

    @property
    def looks_at_the_time(self) -> bool:
        """Say whether some condition could decide otherwise at another time."""
        return any(self._rules.access.conditional(caller_of(key, self._rules).subject) for key in self._keys.values())

    def decide(self, asked: Asked, now_us: int) -> Verdict:
        """Decide about requests that are alike."""
        key = self._keys.get(asked.virtual_key_id)
        if key is None or key.revoked_at is not None:
            return Verdict(
                allowed=False, code="key_revoked", reason="The virtual key is revoked, or its owner disabled."
            )
        caller = self._callers.get(key.id)
        if caller is None:
            caller = self._callers[key.id] = caller_of(key, self._rules)
        try:
            plan = plan_for(self._question(caller, asked, now_us))
        except KeysteadError as error:
            return Verdict(allowed=False, code=error.code, reason=error.message)
        return Verdict(allowed=True, code="", reason=_why(plan))

    def _question(self, caller: Caller, asked: Asked, now_us: int) -> Question:
        data_class = self._rules.classes.highest([*caller.data_classes, asked.data_class])
        return Question(
            caller=caller,
            dialect=asked.dialect,
            endpoint=asked.endpoint,
            model=asked.model,
            data_class=data_class,
            facts=Facts(
                model=asked.model,
                endpoint=asked.endpoint,
                dialect=asked.dialect,
                stream=asked.stream,
                tags={},
                team=caller.key.team_id,
                principal=caller.key.principal_id,
                data_class=data_class.name,
                time_us=asked.at,
                time_zone=self._rules.time_zone,
            ),
            now_us=now_us,
        )


class Simulation:
    """Decides about requests by two sets of rules, and adds up what differs."""

    def __init__(self, today: Side, other: Side, *, now_us: int) -> None:
        """Compare `other` with `today`; contracts are taken to be what they are at `now_us`."""
        self._today = today
        self._other = other
        self._now_us = now_us
        self.unchanged = Sums()
        self.refused_now = Sums()
        self.allowed_now = Sums()
        self.otherwise_recorded = 0
        """Requests about which the rules of their time decided otherwise than today's."""
        self._found: dict[tuple[str, str, bool], Finding] = {}

    def add(self, asked: Asked) -> None:
        """Decide about requests that are alike."""
        before, after = (side.decide(asked, self._now_us) for side in (self._today, self._other))
        if before.allowed is asked.refused:
            self.otherwise_recorded += asked.requests
        if before.allowed is after.allowed:
            self.unchanged.add(asked)
            return
        (self.allowed_now if after.allowed else self.refused_now).add(asked)
        key = (after.code, after.reason, after.allowed)
        finding = self._found.get(key)
        if finding is None:
            finding = self._found[key] = Finding(verdict=after, sums=Sums(), examples=[])
        finding.sums.add(asked)
        if len(finding.examples) < EXAMPLES:
            finding.examples.append(asked.example)

    def findings(self, *, allowed: bool) -> list[Finding]:
        """Return what is allowed, or refused, by the other rules alone; what concerns most requests first."""
        found = [finding for finding in self._found.values() if finding.verdict.allowed is allowed]
        found.sort(key=lambda finding: -finding.sums.requests)
        return found[:MAX_FINDINGS]


def _why(plan: Plan) -> str:
    return next((considered.reason for considered in plan.considered if considered.allowed), plan.rule)
