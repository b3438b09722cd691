"""What a walk keeps in mind: the request and what was decided about it, the step whose turn it is, what has happened."""

from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from keystead.domain.errors import KeysteadError
from keystead.domain.grants import Consent, Reason
from keystead.domain.records import RequestIntent
from keystead.gateway.ask import Ask
from keystead.gateway.departure import Departure
from keystead.gateway.flight import Flight
from keystead.gateway.means import Means
from keystead.gateway.plan import Plan, Step
from keystead.gateway.rules import Caller


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A step whose turn it is."""

    step: Step
    consent: Consent | None = None
    """What lets a platform credential step in after an own one."""
    began_us: int
    """When its breaker let it through: a monotonic reading."""
    tries: int = 1
    """How often it has been made, this time included."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A request that has been decided about: who, what, how it may be done, and by which prices."""

    caller: Caller
    ask: Ask
    plan: Plan
    means: Means


class Trip(msgspec.Struct, kw_only=True):
    """One request on its way through its steps."""

    case: Case
    request: RequestIntent
    departure: Departure
    decide_again: Callable[[], Awaitable[Case]]
    """Decides about the request by the rules of now; raises a KeysteadError where they allow it nothing any more."""
    steps: deque[Step] = msgspec.field(default_factory=deque)
    """Those not looked at yet."""
    number: int = 0
    own_seen: bool = False
    """An own credential was tried or passed over: from here on, a platform one is a fallback."""
    reason: Reason | None = None
    """Why the attempt before did not answer."""
    own_reason: Reason | None = None
    """Why an own credential could not serve: what a consent must cover."""
    refusal: KeysteadError | None = None
    """Why the last step that was not even tried was not."""
    waiting: Turn | None = None
    """The first step whose breaker is open: better than nothing, if nothing else may be tried."""
    between: Flight | None = None
    """The attempt that has ended while its request has not, because another may follow."""


def as_decided(step: Step, plan: Plan) -> Step | None:
    """Return the step as `plan` has it, with the credential's version of now; None if it is not allowed any more."""
    planned = (*(each for group in plan.groups for each in group), *plan.reserve)
    if any(each is step for each in planned):
        return step
    same = (each for each in planned if (each.credential.id, each.model) == (step.credential.id, step.model))
    return next(same, None)
