"""What an attempt may cost, what is held for it, and what is posted when it has ended."""

from collections.abc import Sequence
from typing import Final

import msgspec

from keystead.dialects.asked import Asked
from keystead.domain.clock import Clock
from keystead.domain.grants import Consent
from keystead.domain.means import CREDITS, Hold
from keystead.domain.money import USD
from keystead.domain.records import AttemptIntent, Cost
from keystead.domain.usage import Reading
from keystead.gateway.ask import Weighed
from keystead.gateway.plan import Step
from keystead.gateway.rules import Caller
from keystead.ledger.credits import charge
from keystead.limits.holds import consent_holds, credit_hold, holds_for, posts_for
from keystead.metering.ceiling import Ceiling, ceiling_of
from keystead.metering.price_book import PriceBook
from keystead.metering.pricing import cost_of

BEYOND_HELD: Final = "cost_beyond_held"
"""The anomaly of an answer that cost more than the most that was thought possible: the provider counts wrongly, or the
price list does."""

_THOUSAND: Final = 1_000


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """Prices and books, as of one snapshot."""

    price_book: PriceBook
    credit_value_pico: int
    """What a credit is worth, in pico USD."""
    revenue_account: str
    clock: Clock

    def ceiling(self, step: Step, ask: Weighed) -> Ceiling:
        """Return the most that `step` can cost, at the prices of whoever's contract it is made under.

        A customer of the platform must not set the price of what it buys.
        """
        if step.most is not None:
            return step.most
        return ceiling_of(
            self.price_book,
            organization_id=step.credential.organization_id,
            provider=step.provider.name,
            endpoint=ask.endpoint,
            model=step.model,
            region=step.credential.region,
            at=ask.started_at,
            body_bytes=ask.body_bytes,
            asked=ask.wanted,
        )

    def cost(self, step: Step, attempt: AttemptIntent, reading: Reading) -> Cost:
        """Return what an attempt cost by what was read of it, at the prices of the time at which it began."""
        return cost_of(
            self.price_book,
            organization_id=step.credential.organization_id,  # whose contract it is, not whose request
            provider=step.provider.name,
            endpoint=step.wire[1],
            model_sent=step.model,
            region=attempt.region,
            at=attempt.started_at,
            reading=reading,
        )

    def price_of(self, step: Step, ask: Weighed) -> int | None:
        """Return what a thousand tokens in and a thousand out cost on `step`, at their dearest; None if unpriced."""
        return ceiling_of(
            self.price_book,
            organization_id=step.credential.organization_id,
            provider=step.provider.name,
            endpoint=ask.endpoint,
            model=step.model,
            region=step.credential.region,
            at=ask.started_at,
            body_bytes=_THOUSAND,
            asked=Asked(max_output_tokens=_THOUSAND),
        ).pico

    def holds(self, caller: Caller, step: Step, ask: Weighed, consent: Consent | None) -> tuple[Hold, ...]:
        """Return what must be held for `step` before it is made.

        Raises:
            PolicyDenied: nobody knows the most it can cost, and a budget or the platform does not take that.
        """
        rules = caller.rules
        budgets = rules.budgets.concerning(caller.spender, step.credential.id, step.model)
        if not budgets and not step.is_platform:
            return ()
        ceiling = self.ceiling(step, ask)
        now = self.clock.now_us()
        charged: int | None = None
        if step.is_platform and ceiling.pico is not None:
            charged = self._charged(step, ceiling.pico)
        held = holds_for(
            budgets,
            ceiling_pico=ceiling.pico,
            currency=ceiling.currency,
            credits_pico=charged,
            now_us=now,
            time_zone=rules.time_zone,
        )
        if not step.is_platform:
            return held
        paid = credit_hold(rules.prepaid_account, charged, pays=self.revenue_account)
        if consent is not None and charged is not None:
            held += consent_holds(consent, charged, now_us=now, time_zone=rules.time_zone)
        return (*held, paid)

    def charge(self, step: Step, cost: Cost, holds: Sequence[Hold]) -> int | None:
        """Return the credits that the platform bills for an attempt; None on an own credential, or if unknown.

        Never more than was held for it: what the record says is what the books say.
        """
        if not step.is_platform or cost.pico is None or cost.currency != USD:
            return None
        held = sum(hold.amount for hold in holds if hold.kind == "credits")
        return min(self._charged(step, cost.pico), held)

    def is_beyond(self, step: Step, cost: Cost, holds: Sequence[Hold]) -> bool:
        """Say whether an attempt cost more than was held for it, in whatever it is counted.

        A hold of nothing is that of a budget which lets pass what has no price.
        """
        if cost.pico is None:
            return False
        spent = {cost.currency: cost.pico}
        if step.is_platform and cost.currency == USD:
            spent[CREDITS] = self._charged(step, cost.pico)
        return any(0 < hold.amount < spent.get(hold.currency, 0) for hold in holds)

    def _charged(self, step: Step, cost_pico: int) -> int:
        return charge(cost_pico, margin_ppm=step.credential.margin_ppm or 0, credit_value_pico=self.credit_value_pico)


def posts(holds: Sequence[Hold], *, cost: Cost, charged: int | None) -> tuple[int, ...]:
    """Return what is posted for each hold, in their order."""
    return posts_for(holds, cost=cost, charge_pico=charged) if holds else ()
