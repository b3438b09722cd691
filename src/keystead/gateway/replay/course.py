"""Which attempts a request makes of its plan, and what they cost, as far as the record tells. Pure.

What an attempt came to is known where it was made. One that was not made is taken to answer, for what the tokens of
the record cost there. A step that the rules of today plan, that has room, and that was not made all the same, was
passed over (its breaker was open): then the other rules pass it over too. What failed is counted when the request
begins, and does not hold anything until it ends.
"""

from collections.abc import Mapping, Sequence

import msgspec

from keystead.domain.errors import KeysteadError, PolicyDenied
from keystead.domain.grants import Consent, Reason
from keystead.domain.means import CREDITS, Hold, HoldRefusedError
from keystead.domain.records import FREE, Cost
from keystead.domain.usage import NOTHING, Reading
from keystead.gateway.consent import consent_for
from keystead.gateway.means import posts
from keystead.gateway.plan import Plan, Step
from keystead.gateway.replay.books import Books, end_of
from keystead.gateway.replay.side import Decided, Refusal, Side, StepKey, key_of
from keystead.gateway.rules import Caller
from keystead.metering.pricing import cost_of
from keystead.metering.recorded import Recorded, Tried
from keystead.routing.verdict import reason_of


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a request."""

    step: Step | None = None
    """The last attempt that is made; None if the request is refused."""
    answered: bool = False
    """That attempt is what the caller gets, and not a failure after which others could have been made."""
    refusal: Refusal | None = None
    """Why nothing, or nothing more, is tried."""
    paid: Mapping[str, int] = {}
    """What is owed for all attempts: by currency, in pico units. Credits for those on platform credentials."""
    at_most: Mapping[str, int] = {}
    """The most that an attempt of which no tokens are recorded can cost; it is not in `paid`."""
    passed_over: frozenset[StepKey] = frozenset()
    """Steps with room for them that were not made."""
    beyond: frozenset[StepKey] = frozenset()
    """Steps that could have followed the last one, and did not."""


async def outcome_of(
    side: Side, books: Books, recorded: Recorded, decided: Decided, known: Outcome | None = None
) -> Outcome:
    """Return what becomes of a request, and count it.

    Args:
        side: the rules.
        books: what is spent and under way under them, at the time when the request begins.
        recorded: the request.
        decided: what the rules say about it.
        known: what becomes of it by the rules of today, where these are others.
    """
    if isinstance(decided, Refusal):
        return Outcome(refusal=decided)
    caller = side.caller(recorded)
    assert caller is not None, "something was planned for it"
    try:
        admission = await books.admit(caller, decided, recorded)
    except KeysteadError as error:
        return Outcome(refusal=_refusal(error))
    course = _Course(side, books, recorded, decided, caller=caller, known=known)
    outcome = course.walk()
    usage = recorded.tried[-1].reading.usage if recorded.tried else NOTHING.usage
    tokens = usage.input_total + usage.output_total if outcome.answered else 0
    books.end(admission, at=end_of(recorded) if outcome.answered else course.failed_at, tokens=tokens)
    return outcome


class _Course:
    """The walk through one plan."""

    def __init__(
        self, side: Side, books: Books, recorded: Recorded, plan: Plan, *, caller: Caller, known: Outcome | None
    ) -> None:
        self._books = books
        self._recorded = recorded
        self._plan = plan
        self._caller = caller
        self._known = known
        self._steps = side.path(recorded, plan)
        self._tried: dict[StepKey, list[Tried]] = {}
        for tried in recorded.tried:
            self._tried.setdefault((tried.credential_id, tried.model), []).append(tried)
        self._left = {key_of(step) for step in self._steps} & self._tried.keys()
        self._own_seen = False
        self._own_reason: Reason | None = None
        self._refusal: Refusal | None = None
        self._last: Step | None = None
        self._ended = False
        """What was recorded is over, and ended with a provider's refusal."""
        self.failed_at = 0
        """When the last attempt ended that failed."""
        self._paid: dict[str, int] = {}
        self._at_most: dict[str, int] = {}
        self._passed_over: set[StepKey] = set()
        self._beyond: set[StepKey] = set()

    def walk(self) -> Outcome:
        """Make attempts until one answers."""
        for step in self._steps:
            if self._may_be_made(step) and self._make(step):
                return self._outcome(answered=True)
        return self._outcome(answered=False)

    def _may_be_made(self, step: Step) -> bool:
        """Say whether it is this step's turn, as far as the record tells."""
        key = key_of(step)
        if key in self._tried or self._known is None:
            return True
        if key in self._known.passed_over:
            self._own_seen = self._own_seen or not step.is_platform
            return False
        return not (self._ended and key in self._known.beyond)

    def _make(self, step: Step) -> bool:
        """Make a step if there is room for it; say whether it answers."""
        key, tried = key_of(step), self._tried.get(key_of(step), [])
        self._left.discard(key)
        try:
            holds = self._holds(step, tried)
        except PolicyDenied as refusal:
            if self._refusal is None or refusal.code != "no_consent":
                self._refusal = _refusal(refusal)
            return False
        if not tried and self._known is None and (self._left or self._ended):
            (self._passed_over if self._left else self._beyond).add(key)
            return False
        self._last = step
        if not tried:
            cost, charge = self._supposed(step, holds)
            self._pay(step, cost, charge)
            self._books.hold(holds, posts(holds, cost=cost, charged=charge), until=end_of(self._recorded))
            return True
        for one in tried:
            self._pay(step, one.cost, one.charge_pico)
            spent = posts(holds, cost=one.cost, charged=one.charge_pico)
            if _failed(one) is None:
                self._books.hold(holds, spent, until=end_of(self._recorded))
            else:
                self._books.spend(holds, spent)
        return self._follow(step, tried[-1])

    def _follow(self, step: Step, tried: Tried) -> bool:
        """Say whether a recorded attempt is the last one; else remember why it did not answer."""
        failed = _failed(tried)
        if failed is None:
            return True
        self.failed_at = tried.finished_at or 0
        if not step.is_platform:
            self._own_reason = failed
        self._ended = tried is self._recorded.tried[-1]
        return False

    def _holds(self, step: Step, tried: Sequence[Tried]) -> tuple[Hold, ...]:
        """Return what is held for a step.

        Raises:
            PolicyDenied: it may not be made, or there is no room for it.
        """
        consent = self._consent(step, tried)
        self._own_seen = self._own_seen or not step.is_platform
        if step.is_platform and self._recorded.refused and self._recorded.error_code == "out_of_credits":
            raise PolicyDenied("The prepaid account had no room for it.", code="out_of_credits")
        holds = self._books.means.holds(self._caller, step, self._recorded, consent)
        full = self._books.full(holds)
        if full is not None:
            raise HoldRefusedError(full)
        return holds

    def _consent(self, step: Step, tried: Sequence[Tried]) -> Consent | None:
        if not (step.is_platform and self._own_seen):
            return None
        outline = self._recorded.outline
        recorded = Reason(tried[0].reason) if tried and tried[0].reason else None
        return consent_for(
            step,
            self._caller,
            self._plan,
            own_only=outline is not None and outline.own_only,
            reason=self._own_reason or recorded,
            now_us=self._recorded.started_at,
        )

    def _supposed(self, step: Step, holds: Sequence[Hold]) -> tuple[Cost, int | None]:
        """Return what the recorded tokens cost on a step that was not made; nothing, where none are recorded."""
        last = self._recorded.tried[-1] if self._recorded.tried else None
        if last is None or last.reading is NOTHING:
            ceiling = self._books.means.ceiling(step, self._recorded)
            if ceiling.pico:
                self._at_most = {ceiling.currency: ceiling.pico}
            return FREE, 0 if step.is_platform else None
        reading = last.reading
        if (last.provider, last.model) != (step.provider.name, step.model):
            reading = Reading(usage=reading.usage, source=reading.source)
        cost = cost_of(
            self._books.means.price_book,
            organization_id=step.credential.organization_id,
            provider=step.provider.name,
            endpoint=self._recorded.endpoint,
            model_sent=step.model,
            region=step.credential.region,
            at=self._recorded.started_at,
            reading=reading,
        )
        return cost, self._books.means.charge(step, cost, holds)

    def _pay(self, step: Step, cost: Cost, charge: int | None) -> None:
        currency, amount = (CREDITS, charge) if step.is_platform else (cost.currency, cost.pico)
        if amount:
            self._paid[currency] = self._paid.get(currency, 0) + amount

    def _outcome(self, *, answered: bool) -> Outcome:
        return Outcome(
            step=self._last,
            answered=answered,
            refusal=None if answered else self._refusal or self._nothing_more(),
            paid=self._paid,
            at_most=self._at_most,
            passed_over=frozenset(self._passed_over),
            beyond=frozenset(self._beyond),
        )

    def _nothing_more(self) -> Refusal:
        after = "" if self._last is None else f" after credential {self._last.credential.name} has failed"
        return Refusal(code="nothing_to_try", reason=f"Nothing may be tried{after}.")


def _failed(tried: Tried) -> Reason | None:
    """Return why another attempt could follow a recorded one; None if it answered, or nothing could follow it."""
    if tried.answered or tried.error_class is None:
        return None
    return reason_of(tried.error_class)


def _refusal(error: KeysteadError) -> Refusal:
    return Refusal(code=error.code, reason=error.message)
