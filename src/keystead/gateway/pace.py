"""How fast and how many at once: the limits that concern a request, asked before it and told after it."""

from collections.abc import Sequence
from typing import Final

from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError
from keystead.domain.means import RateLimit
from keystead.domain.traffic import Endpoint
from keystead.gateway.ask import Weighed
from keystead.gateway.plan import Plan
from keystead.gateway.rules import Caller
from keystead.limits.rates import Admission, Rates

_WRITES: Final = frozenset(
    {
        Endpoint.CHAT,
        Endpoint.COMPLETIONS,
        Endpoint.RESPONSES,
        Endpoint.MESSAGES,
        Endpoint.GENERATE,
        Endpoint.REALTIME,  # which cannot say at its beginning how long its answers may be
        Endpoint.CONVERSE,
    }
)
"""Endpoints whose answers are written token by token."""
_KEEPS: Final = frozenset(
    {
        Endpoint.FILES,
        Endpoint.BATCHES,
        Endpoint.VECTOR_STORES,
        Endpoint.CACHED_CONTENTS,
        Endpoint.CONVERSATIONS,
    }
)
"""Endpoints whose bodies no model reads before the answer."""


class Pace:
    """Applies rate limits and limits of length."""

    def __init__(self, rates: Rates, clock: Clock) -> None:
        """Count with `rates`."""
        self._rates = rates
        self._clock = clock

    async def admit(self, caller: Caller, plan: Plan, ask: Weighed) -> Admission | None:
        """Let the request begin, or refuse it; None if no limit concerns it.

        Limits of a credential or a model are those of the plan's first step: what follows a refusal is no new request.

        Raises:
            InvalidRequestError: it asks for a longer answer than the key or a limit allows.
            KeysteadError: it comes too fast, or there are too many at once.
        """
        limits = limits_on(caller, plan)
        check_length(caller, limits, ask)
        rates = [limit for limit in limits if limit.measure != "max_output_tokens"]
        if not rates:
            return None
        # A token covers some four bytes of text; what it really was is told afterwards.
        return await self._rates.admit(
            rates,
            cost_tokens=0 if ask.endpoint in _KEEPS else ask.body_bytes // 4 + 1,
            now_us=self._clock.now_us(),
            dialect=ask.dialect,
        )

    async def done(self, admission: Admission | None, tokens: int) -> None:
        """Tell that an admitted request has ended, and how many tokens it took."""
        if admission is not None:
            await self._rates.done(admission, tokens=tokens)


def limits_on(caller: Caller, plan: Plan) -> tuple[RateLimit, ...]:
    """Return the limits that a request is under."""
    first = next(step for group in plan.groups for step in group)
    return caller.rules.rates.concerning(caller.spender, first.credential.id, first.model)


def check_length(caller: Caller, limits: Sequence[RateLimit], ask: Weighed) -> None:
    """Refuse too long an answer. A body without a limit is refused too, where there is one: it is not ours to change.

    Raises:
        InvalidRequestError: `output_limit`.
    """
    bounds = [limit.most for limit in limits if limit.measure == "max_output_tokens"]
    if caller.key.max_output_tokens is not None:
        bounds.append(caller.key.max_output_tokens)
    if not bounds or ask.endpoint not in _WRITES:
        return
    most = min(bounds)
    asked = ask.wanted.max_output_tokens
    if asked is None or asked > most:
        raise InvalidRequestError(
            f"At most {most} output tokens may be asked for here, and the request must say how many it wants.",
            code="output_limit",
            param="max_tokens",
            next_step=f"Set the request's limit of output tokens to {most} or less.",
        )
