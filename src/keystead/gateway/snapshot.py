"""The compiled, immutable view of keys, rules and prices that the hot path reads.

A snapshot is compiled from the tables in one read transaction and swapped whole (see `gateway.snapshots`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential
from keystead.gateway.known import KnownModels
from keystead.gateway.means import Means
from keystead.gateway.plan import Plan, Question
from keystead.gateway.rules import Caller, Rules, caller_of
from keystead.identity import directory
from keystead.metering.price_book import PriceBook

_MAX_PLANS: Final = 10_000
"""Plans remembered per snapshot. Bounded because callers choose model names; emptied whole when full."""

PLAN_LIFE_US: Final = 1_000_000
"""How long a plan is remembered: grants, terms and contracts end by the clock, without a change of the tables."""

PlanKey = tuple[str, str, str, str, str]
"""Virtual key, dialect, endpoint, model, data class."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the hot path needs to know, as of one revision of the tables."""

    revision: int
    compiled_at: int
    pepper: bytes
    keys: Mapping[str, VirtualKey]
    admin_tokens: Mapping[str, directory.AdminToken]
    rules: Mapping[str, Rules]
    """By organization."""
    credentials: Sequence[Credential] = ()
    """Every organization's."""
    known: KnownModels = msgspec.field(default_factory=KnownModels)
    """The models behind them."""
    means: Means
    callers: dict[str, Caller]
    """Worked out when a key is first used; a memo, so it changes nothing."""
    plans: dict[PlanKey, tuple[int, Plan]]
    """Decisions already made, with the instant until which they are remembered; a memo as well."""

    @property
    def price_book(self) -> PriceBook:
        """The prices, overrides included."""
        return self.means.price_book

    def in_force(self, key_id: str, now_us: int) -> VirtualKey | None:
        """Return the virtual key of that id, None if there is none, or it is revoked or expired."""
        key = self.keys.get(key_id)
        if key is None or key.revoked_at is not None or (key.expires_at is not None and now_us >= key.expires_at):
            return None
        return key

    def caller(self, key: VirtualKey) -> Caller:
        """Return what follows from a virtual key of this snapshot."""
        found = self.callers.get(key.id)
        if found is None:
            found = self.callers[key.id] = caller_of(key, self.rules[key.organization_id])
        return found

    def plan(self, question: Question, decide: Callable[[Question], Plan]) -> Plan:
        """Return the plan for `question`, decided anew only if a condition could decide otherwise than last time.

        Raises:
            KeysteadError: as `decide` does.
        """
        caller = question.caller
        if caller.rules.access.conditional(caller.subject):
            return decide(question)
        key = (
            caller.key.id,
            question.dialect.value,
            question.endpoint.value,
            question.model,
            question.data_class.name,
        )
        until, plan = self.plans.get(key, (0, None))
        if plan is None or question.now_us >= until:
            plan = decide(question)
            if len(self.plans) >= _MAX_PLANS:
                self.plans.clear()
            self.plans[key] = (question.now_us + PLAN_LIFE_US, plan)
        return plan
