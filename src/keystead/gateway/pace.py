"""How fast and how many at once: the limits that concern a request, asked before it and told after it."""

from typing import Final

from keystead.dialects.asked import asked_output
from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.plan import Plan
from keystead.gateway.rules import Caller
from keystead.limits.rates import Admission, Rates

_WRITES: Final = frozenset(
    {Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.RESPONSES, Endpoint.MESSAGES, Endpoint.GENERATE}
)
"""Endpoints whose answers are written token by token."""


class Pace:
    """Applies rate limits and limits of length."""

    def __init__(self, rates: Rates, clock: Clock) -> None:
        """Count with `rates`."""
        self._rates = rates
        self._clock = clock

    async def admit(self, caller: Caller, plan: Plan, ask: Ask) -> Admission | None:
        """Let the request begin, or refuse it; None if no limit concerns it.

        Limits of a credential or a model are those of the plan's first step: what follows a refusal is no new request.

        Raises:
            InvalidRequestError: it asks for a longer answer than the key or a limit allows.
            KeysteadError: it comes too fast, or there are too many at once.
        """
        first = next(step for group in plan.groups for step in group)
        limits = caller.rules.rates.concerning(caller.spender, first.credential.id, first.model)
        most = caller.key.max_output_tokens
        if not limits and most is None:
            return None
        for limit in limits:
            if limit.measure == "max_output_tokens":
                most = limit.most if most is None else min(most, limit.most)
        if most is not None:
            _check_length(ask, most)
        rates = [limit for limit in limits if limit.measure != "max_output_tokens"]
        if not rates:
            return None
        # A token covers some four bytes of text; what it really was is told afterwards.
        return await self._rates.admit(
            rates, cost_tokens=len(ask.body) // 4 + 1, now_us=self._clock.now_us(), dialect=ask.dialect
        )

    async def done(self, admission: Admission | None, tokens: int) -> None:
        """Tell that an admitted request has ended, and how many tokens it took."""
        if admission is not None:
            await self._rates.done(admission, tokens=tokens)


def _check_length(ask: Ask, most: int) -> None:
    """Refuse an answer longer than `most` tokens. A body without a limit is refused too: it is not ours to change."""
    if ask.json is None or ask.endpoint not in _WRITES:
        return
    asked = asked_output(ask.json, ask.dialect).max_output_tokens
    if asked is None or asked > most:
        raise InvalidRequestError(
            f"At most {most} output tokens may be asked for here, and the request must say how many it wants.",
            code="output_limit",
            param="max_tokens",
            next_step=f"Set the request's limit of output tokens to {most} or less.",
        )
