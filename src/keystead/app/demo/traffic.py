"""The demonstration's requests: who asked for what, what failed, what stepped in, what it cost. Pure.

The same seed makes the same traffic; only ids differ, for they are meant to be unique in the world.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random  # noqa: TID251 - a made-up past must be the same for the same seed; nothing of it is secret
from typing import Final, NamedTuple

import msgspec

from keystead.app.demo import plan, rhythm
from keystead.app.demo.cast import Cast, Placed, Source
from keystead.app.demo.plan import MARGIN_PPM, KeyPlan, Option
from keystead.app.demo.shapes import Shape, Shapes
from keystead.domain.clock import DAY_US, HOUR_US
from keystead.domain.ids import CredentialId, new_id
from keystead.domain.means import Hold
from keystead.domain.records import FREE, AttemptIntent, Cost, RequestIntent, Settlement
from keystead.domain.traffic import CostState, Dialect, Endpoint, ErrorClass, Fault, State
from keystead.ledger.credits import charge
from keystead.ledger.store import REVENUE
from keystead.limits.holds import BudgetRules, consent_holds, credit_hold, holds_for, posts_for
from keystead.metering.price_book import PriceBook

_HELD: Final = 2
"""How many times its cost is held for an attempt: the most that it could have been."""
_PROVIDER_LATE: Final = Cost(state=CostState.UNKNOWN)


class Mishap(NamedTuple):
    """A way in which an attempt does not answer."""

    per_mille: float
    state: State
    upstream_status: int | None
    status: int
    error_class: ErrorClass
    error_code: str
    fault: Fault
    reason: str
    """Why the next attempt is made; empty if none is."""


_MISHAPS: Final = (
    Mishap(16, State.REJECTED, 429, 429, ErrorClass.THROTTLED, "", Fault.PROVIDER, "throttled"),
    Mishap(6, State.REJECTED, 529, 503, ErrorClass.OVERLOADED, "", Fault.PROVIDER, "down"),
    Mishap(2, State.FAILED_UNSENT, None, 502, ErrorClass.UNREACHABLE, "connection_refused", Fault.PROVIDER, "down"),
    Mishap(3, State.FAILED_BILLED, 200, 504, ErrorClass.TIMEOUT, "first_byte_timeout", Fault.PROVIDER, ""),
    Mishap(7, State.REJECTED, 400, 400, ErrorClass.INVALID_REQUEST, "", Fault.CALLER, ""),
    Mishap(2, State.REJECTED, 400, 400, ErrorClass.CONTEXT_TOO_LONG, "", Fault.CALLER, ""),
    Mishap(1, State.REJECTED, 400, 400, ErrorClass.CONTENT_REFUSED, "", Fault.CALLER, ""),
)
_OUTAGE: Final = _MISHAPS[1]
_BROKEN_KEY: Final = Mishap(0, State.REJECTED, 401, 502, ErrorClass.AUTH_FAILED, "", Fault.PROVIDER, "auth_failed")
_REFUSED: Final = 0.011
_CUT: Final = 0.013


class _Try(NamedTuple):
    """One attempt before it is written down."""

    placed: Placed
    mishap: Mishap | None
    shape: Shape | None
    reason: str
    cut: bool = False


class Traffic:
    """Makes the requests of a span, hour by hour."""

    def __init__(
        self,
        cast: Cast,
        *,
        book: PriceBook,
        credit_value_pico: int,
        credits_pico: int,
        random: Random,
        until: int,
        now: int,
    ) -> None:
        """Make what is until `until`, a midnight, and leave out what has not ended by `now`.

        `credits_pico` is what may be charged for fallbacks in all; when it is gone, none is made any more.
        """
        self._cast = cast
        self._random = random
        self._until = until
        self._now = now
        self._shapes = Shapes(book, organization_id=cast.organization_id, random=random)
        self._rules = BudgetRules(cast.budgets)
        self._credit_value_pico = credit_value_pico
        self._credits_pico = credits_pico
        self._weights = {
            name: list(accumulate(option.weight for option in options)) for name, options in plan.WORK.items()
        }
        self._holds: dict[tuple[int, str, str, int], tuple[Hold, ...]] = {}

    def hours(self, count: int) -> Iterator[list[tuple[Settlement, ...]]]:
        """Yield the requests of each hour, oldest first, each as the ends of its attempts: `count` up to the midnight."""
        cast, random, keys = self._cast, self._random, plan.KEYS
        outages = self._outages()
        for at, here, weights in rhythm.hours(
            keys, since=cast.begins_at + HOUR_US, until=self._until, count=count, random=random
        ):
            if at >= self._now:
                return
            if at % DAY_US == 0:
                self._holds.clear()
            starts = sorted(at + int(random.random() * HOUR_US) for _ in range(here))
            chosen = random.choices(keys, weights, k=here) if here else []
            down = outages.get(at, "")
            made = [self._request(start, key, down) for start, key in zip(starts, chosen, strict=True)]
            yield [one for one in made if one[-1].finished_at <= self._now]

    def _outages(self) -> dict[int, str]:
        """Return a few hours in which a provider did not work, with the provider."""
        random, first = self._random, self._cast.begins_at - self._cast.begins_at % HOUR_US
        hours = max(1, (self._until - first) // HOUR_US)
        found: dict[int, str] = {}
        for _ in range(max(1, hours // 360)):
            begins, provider = (
                first + random.randrange(hours) * HOUR_US,
                random.choice(("openai", "anthropic", "google")),
            )
            found |= {begins + hour * HOUR_US: provider for hour in range(random.randint(1, 3))}
        return found

    def _request(self, at: int, key: KeyPlan, down: str) -> tuple[Settlement, ...]:
        random, options = self._random, plan.WORK[key.work]
        option = random.choices(options, cum_weights=self._weights[key.work])[0] if len(options) > 1 else options[0]
        source = self._cast.sources[key.name]
        stream = option.endpoint is not Endpoint.EMBEDDINGS and random.random() < key.streams
        if random.random() < _REFUSED:
            return (self._refusal(at, source, option, key, stream=stream),)
        tries = self._tries(at, source, option, down, stream=stream)
        request = self._intent(at, source, option, key, tries[0].placed, stream=stream)
        ends: list[Settlement] = []
        begins = at + 2_000 + int(random.random() * 3_000)
        for number, one in enumerate(tries, 1):
            end = self._end(request, source, option, one, number=number, begins=begins, last=number == len(tries))
            ends.append(end)
            begins = end.finished_at + 15_000
        return tuple(ends)

    def _tries(self, at: int, source: Source, option: Option, down: str, *, stream: bool) -> Sequence[_Try]:
        random, credentials = self._random, self._cast.credentials
        first = credentials[option.credential]
        mishap = self._mishap(first, down)
        if mishap is None:
            cut = stream and random.random() < _CUT
            return (_Try(first, None, self._shapes.one(option, first, at=at, cut=cut), "", cut),)
        failed = _Try(first, mishap, None, "")
        if not mishap.reason:
            return (failed,)
        if option.fallback and random.random() < 0.8:
            second = credentials[option.fallback]
            return failed, _Try(second, None, self._shapes.one(option, second, at=at, cut=False), mishap.reason)
        if self._covered(source, option):
            platform = credentials[plan.PLATFORM.name]
            shape = self._shapes.one(option, platform, at=at, cut=False)
            if shape.cost.pico and self._charge(shape.cost.pico) * _HELD <= self._credits_pico:
                return failed, _Try(platform, None, shape, mishap.reason)
        return (failed,)

    def _covered(self, source: Source, option: Option) -> bool:
        """Say whether the consent covers it: what it is about, and that own keys did not do it."""
        return option.model.startswith("gpt-") and source.data_class == "internal"

    def _mishap(self, placed: Placed, down: str) -> Mishap | None:
        random = self._random
        if placed.provider == down and random.random() < 0.6:
            return _OUTAGE
        drawn = random.random() * 1000
        if placed.name == "openrouter-shared" and drawn > 985:
            return _BROKEN_KEY
        for mishap in _MISHAPS:
            drawn -= mishap.per_mille
            if drawn < 0:
                return mishap
        return None

    def _intent(
        self, at: int, source: Source, option: Option, key: KeyPlan, first: Placed, *, stream: bool
    ) -> RequestIntent:
        asked = option.asked if option.asked and self._random.random() < 0.5 else option.model
        cast, spender = self._cast, source.spender
        decision = {
            "rule": "route" if asked != option.model else "name",
            "credential": first.name,
            "grant": cast.grants.get(source.team, ""),
            "data_class": source.data_class,
            "candidates": 2 if option.fallback else 1,
        }
        if asked != option.model:
            decision |= {"model": option.model, "route": cast.routes[asked], "strategy": "ordered"}
        return RequestIntent(
            id=new_id("req", at),
            organization_id=cast.organization_id,
            started_at=at,
            instance_id=cast.instance_id,
            team_id=source.team_id,
            principal_kind=spender.principal_kind,
            principal_id=spender.principal_id,
            virtual_key_id=source.virtual_key_id,
            dialect=_plain(option.dialect),
            endpoint=_plain(option.endpoint),
            model_asked=asked,
            stream=stream,
            decision=msgspec.json.encode(decision).decode(),
            client=key.client,
            data_class=source.data_class,
            cost_center=source.cost_center,
        )

    def _refusal(self, at: int, source: Source, option: Option, key: KeyPlan, *, stream: bool) -> Settlement:
        """Return a request that policy refused before anything was sent."""
        slow = self._random.random() < 0.4
        request = self._intent(at, source, option, key, self._cast.credentials[option.credential], stream=stream)
        if not slow:
            says = '{"reason":"No grant lets this key use the model."}'
            request = msgspec.structs.replace(request, model_asked="gpt-5-pro", decision=says)
        return Settlement(
            request=request,
            attempt=None,
            state=State.REJECTED,
            finished_at=at + 900,
            duration_us=900,
            status_code=429 if slow else 403,
            error_code="rate_limited" if slow else "model_not_allowed",
            fault=Fault.POLICY,
            cost=FREE,
        )

    def _end(
        self,
        request: RequestIntent,
        source: Source,
        option: Option,
        one: _Try,
        *,
        number: int,
        begins: int,
        last: bool,
    ) -> Settlement:
        cost = one.shape.cost if one.shape else FREE
        owned_by_platform = one.placed.name == plan.PLATFORM.name
        charged = self._charge(cost.pico) if owned_by_platform and cost.pico else None
        if charged:
            self._credits_pico -= charged
        holds = self._held(source, option, one.placed, cost.pico, begins)
        if charged is not None:
            most, zone = charged * _HELD, self._cast.time_zone
            caps = consent_holds(self._cast.consent, most, now_us=begins, time_zone=zone)
            holds = (*holds, *caps, credit_hold(self._cast.account_id, most, pays=REVENUE))
        attempt = AttemptIntent(
            number=number,
            started_at=begins,
            credential_id=one.placed.id,
            credential_version=one.placed.version(begins),
            owner=one.placed.owner,
            provider=one.placed.provider,
            model_sent=option.model,
            destination=one.placed.origin,
            region=one.placed.region,
            reason=one.reason,
            consent_id=self._cast.consent.id if owned_by_platform else "",
            holds=holds,
        )
        if one.shape is None:
            assert one.mishap is not None, "what has no answer has failed"
            return self._failure(request, attempt, one.mishap, last=last)
        shape, stretch = one.shape, 0.85 + 0.3 * self._random.random()
        duration_us = int(shape.duration_us * stretch)
        return Settlement(
            request=request,
            attempt=attempt,
            state=State.CANCELLED_PARTIAL if one.cut else State.SETTLED,
            finished_at=begins + duration_us,
            duration_us=duration_us,
            first_byte_us=int(shape.first_byte_us * stretch),
            first_token_us=int(shape.first_token_us * stretch) if request.stream else None,
            status_code=200,
            upstream_status=200,
            upstream_request_id=f"up_{request.id[4:20]}",
            reading=shape.reading,
            cost=cost,
            charge_pico=charged,
            posts=posts_for(holds, cost=cost, charge_pico=charged),
            on_disconnect="cancelled" if one.cut else "",
            bytes_received=shape.received,
            bytes_sent=shape.sent,
        )

    def _failure(self, request: RequestIntent, attempt: AttemptIntent, mishap: Mishap, *, last: bool) -> Settlement:
        late = mishap.error_class is ErrorClass.TIMEOUT
        duration_us = 30_000_000 if late else 60_000 + int(self._random.random() * 400_000)
        cost = _PROVIDER_LATE if late else FREE
        return Settlement(
            request=request,
            attempt=attempt,
            state=mishap.state,
            finished_at=attempt.started_at + duration_us,
            duration_us=duration_us,
            first_byte_us=duration_us - 1_000 if mishap.upstream_status and not late else None,
            status_code=mishap.status,
            upstream_status=mishap.upstream_status,
            error_class=mishap.error_class,
            error_code=mishap.error_code,
            fault=mishap.fault,
            cost=cost,
            posts=posts_for(attempt.holds, cost=cost, charge_pico=None),
            bytes_received=180 if mishap.upstream_status else 0,
            bytes_sent=220 if last else 0,
            ends_request=last,
        )

    def _charge(self, cost_pico: int) -> int:
        return charge(cost_pico, margin_ppm=MARGIN_PPM, credit_value_pico=self._credit_value_pico)

    def _held(self, source: Source, option: Option, placed: Placed, pico: int | None, at: int) -> tuple[Hold, ...]:
        # The next power of two: what could have been is an estimate, and few different ones are quickly found.
        amount = 1 << (pico * _HELD).bit_length() if pico else 0
        # Budgets begin anew at local midnight, which is on a whole hour of UTC here.
        key = at // HOUR_US, source.team, placed.name, amount
        held = self._holds.get(key)
        if held is None:
            budgets = self._rules.concerning(source.spender, CredentialId(placed.id), option.model)
            held = self._holds[key] = holds_for(
                budgets, ceiling_pico=amount, currency="USD", now_us=at, time_zone=self._cast.time_zone
            )
        return held


def _plain(word: Dialect | Endpoint) -> str:
    return word.value
