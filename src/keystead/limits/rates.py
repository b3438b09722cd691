"""How fast and how many at once: rate limits over all processes, or each process's cautious share of them.

With Redis, one call decides for all processes, exactly. Without it, or while it is away, each process takes an equal
share of every limit, so together they never let through more than the limit, and a single process counts exactly. A
limit smaller than the number of processes lets each of them have one. What Redis admits is counted here as well: when
it goes away, this process knows its own last minute.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Final

import msgspec

from keystead.coordination import NEVER, Counters, CountersAwayError, Demand, Return, Room
from keystead.coordination.memory import MemoryCounters
from keystead.domain.clock import Clock
from keystead.domain.errors import PolicyDenied
from keystead.domain.ids import CredentialId, new_id
from keystead.domain.means import Measure, RateLimit
from keystead.domain.traffic import Dialect
from keystead.limits.scopes import Scopes, Spender

RENEW_S: Final = 15.0
"""How often `Rates.renew` is to be called: four times in the life of a lease."""

_NO_LIMIT: Final = 2**53
_TOKENS: Final = ":tokens"
"""How the keys of windows end that count tokens."""
_WORDS: Final[dict[Measure, str]] = {
    "requests_per_minute": "requests per minute",
    "tokens_per_minute": "tokens per minute",
    "concurrent_requests": "requests at once",
}


class RateLimitedError(PolicyDenied):
    """Too many requests, or too much in a minute."""

    code = "rate_limited"
    status = 429
    next_step = "Wait as long as Retry-After says, then try again."


class RateRules:
    """Rate limits, compiled once per snapshot."""

    def __init__(self, limits: Iterable[RateLimit]) -> None:
        """Take limits of any number of organizations."""
        self.all = tuple(limits)
        self._scopes = Scopes(self.all)

    def concerning(self, spender: Spender, credential_id: CredentialId, model: str) -> tuple[RateLimit, ...]:
        """Return the limits that a request on a credential is under."""
        return tuple(self._scopes.concerning(spender, credential_id, model))


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was let through, until it is done."""

    lease: str
    at: int
    demands: tuple[Demand, ...]
    strict: bool
    """Counted for all processes, not only for this one."""


class Rates:
    """Lets requests through, or tells them when to come back."""

    def __init__(
        self, *, clock: Clock, strict: Counters | None = None, processes: Callable[[], int] = lambda: 1
    ) -> None:
        """Count in `strict`, if there is one, and in memory.

        Args:
            clock: the time.
            strict: counters that all processes share.
            processes: returns how many gateway processes live now.
        """
        self._clock = clock
        self._strict = strict
        self._local = MemoryCounters()
        self._processes = processes
        self._open: dict[str, Admission] = {}
        self._missed = False
        """Something was admitted that the shared counters do not know of."""

    async def admit(
        self, limits: Sequence[RateLimit], *, cost_tokens: int, now_us: int, dialect: Dialect | None = None
    ) -> Admission:
        """Let a request through if every limit has room for it; then none is left uncounted, else none is counted.

        Args:
            limits: those that concern it; `max_output_tokens` is not counted and passed over.
            cost_tokens: an estimate of its tokens; `done` corrects it.
            now_us: Unix microseconds.
            dialect: the caller's, for the names of headers.

        Raises:
            RateLimitedError: a limit has no room; with Retry-After, if there will be.
        """
        counted = [limit for limit in limits if limit.measure in _WORDS]
        demands = tuple(_demand(limit, cost_tokens) for limit in counted)
        admission = Admission(lease=new_id("lease", now_us), at=now_us, demands=demands, strict=False)
        if not demands:
            return admission
        rooms = await self._take_strictly(admission)
        if rooms is not None:
            admission = msgspec.structs.replace(admission, strict=True)
            _check(counted, demands, rooms, now_us, dialect)
            unlimited = [msgspec.structs.replace(demand, most=_NO_LIMIT) for demand in demands]
            await self._local.take(unlimited, lease=admission.lease, now_us=now_us)
        else:
            share = [msgspec.structs.replace(demand, most=self._share(demand.most)) for demand in demands]
            rooms = await self._local.take(share, lease=admission.lease, now_us=now_us)
            _check(counted, demands, rooms, now_us, dialect)
        self._open[admission.lease] = admission
        return admission

    async def done(self, admission: Admission, *, tokens: int) -> None:
        """Give back a request's slots and correct its tokens. Never raises; the second time does nothing.

        Args:
            admission: what `admit` returned.
            tokens: what it really took, input and output; 0 if it came to nothing.
        """
        if self._open.pop(admission.lease, None) is None:
            return
        now = self._clock.now_us()
        returns = [back for demand in admission.demands if (back := _return(demand, admission, tokens)) is not None]
        if not returns:
            return
        await self._local.give_back(returns, lease=admission.lease, now_us=now)
        if admission.strict and self._strict is not None:
            try:
                await self._strict.give_back(returns, lease=admission.lease, now_us=now)
            except CountersAwayError:
                self._missed = True  # the slots end with their lease, and the tokens with their minute

    async def renew(self) -> None:
        """Renew the slots of requests that go on; to be called every `RENEW_S`."""
        now = self._clock.now_us()
        held = {lease: slots for lease, admission in self._open.items() if (slots := _slots(admission))}
        await self._local.renew(held, now_us=now)
        if self._strict is None or not held:
            return
        try:
            await self._strict.renew(held, now_us=now)
            for lease in held.keys() - self._open.keys():  # done while it was renewed, perhaps in the wrong order
                again = [Return(kind="slots", key=key, taken_at=now) for key in held[lease]]
                await self._strict.give_back(again, lease=lease, now_us=now)
        except CountersAwayError:
            self._missed = True

    async def shared_counters_answer(self) -> bool | None:
        """Say whether the counters that all processes share answer now; None: there are none."""
        if self._strict is None:
            return None
        try:
            await self._strict.give_back((), lease="", now_us=self._clock.now_us())
        except CountersAwayError:
            return False
        return True

    async def close(self) -> None:
        """Let go of connections."""
        if self._strict is not None:
            await self._strict.close()

    async def _take_strictly(self, admission: Admission) -> tuple[Room, ...] | None:
        """Ask the shared counters; None if there are none, or they are away."""
        if self._strict is None:
            return None
        try:
            rooms = await self._strict.take(admission.demands, lease=admission.lease, now_us=admission.at)
        except CountersAwayError:
            self._missed = True
            return None
        if self._missed:  # they are back: what runs here takes its slots again
            self._missed = False
            await self.renew()
        return rooms

    def _share(self, most: int) -> int:
        return max(1, most // max(1, self._processes()))


def _demand(limit: RateLimit, cost_tokens: int) -> Demand:
    # The braces keep an organization's counters on one node of a Redis cluster, as one script needs them.
    key = f"keystead:{{{limit.organization_id}}}:{limit.id}"
    if limit.measure == "concurrent_requests":
        return Demand(kind="slots", key=key, most=limit.most)
    if limit.measure == "tokens_per_minute":
        return Demand(kind="window", key=key + _TOKENS, most=limit.most, amount=cost_tokens)
    return Demand(kind="window", key=key, most=limit.most)


def _return(demand: Demand, admission: Admission, tokens: int) -> Return | None:
    """Return what is to be done when a request has ended; None for a window of requests, which stay counted."""
    change = tokens - demand.amount if demand.key.endswith(_TOKENS) else 0
    if demand.kind == "window" and change == 0:
        return None
    return Return(kind=demand.kind, key=demand.key, taken_at=admission.at, change=change)


def _slots(admission: Admission) -> list[str]:
    return [demand.key for demand in admission.demands if demand.kind == "slots"]


def _check(
    limits: Sequence[RateLimit], demands: Sequence[Demand], rooms: Sequence[Room], now_us: int, dialect: Dialect | None
) -> None:
    """Refuse by the limit that makes the caller wait longest."""
    short = [index for index, room in enumerate(rooms) if room.wait_us]
    if not short:
        return
    never = [index for index in short if rooms[index].wait_us == NEVER]
    index = (never or sorted(short, key=lambda each: rooms[each].wait_us))[-1]
    limit, room = limits[index], rooms[index]
    allows = f"The limit {limit.name!r} allows {limit.most} {_WORDS[limit.measure]}"
    if room.wait_us == NEVER:
        raise RateLimitedError(
            f"{allows}; this request alone needs about {demands[index].amount}.",
            code="rate_limit_too_small",
            next_step="Send a shorter request. Of several gateway processes without Redis each has a share of the limit.",
            headers=_headers(limit, room, now_us, dialect),
        )
    raise RateLimitedError(f"{allows}.", headers=_headers(limit, room, now_us, dialect))


def _headers(limit: RateLimit, room: Room, now_us: int, dialect: Dialect | None) -> dict[str, str]:
    """Return Retry-After, and the limit in the names that the caller's SDK knows."""
    if room.wait_us == NEVER:
        return {}
    wait_s = ceil(room.wait_us / 1_000_000)
    headers = {"retry-after": str(wait_s)}
    kind = {"requests_per_minute": "requests", "tokens_per_minute": "tokens"}.get(limit.measure)
    if kind is not None and dialect is Dialect.OPENAI:
        headers[f"x-ratelimit-limit-{kind}"] = str(limit.most)
        headers[f"x-ratelimit-remaining-{kind}"] = str(room.left)
        headers[f"x-ratelimit-reset-{kind}"] = f"{wait_s}s"
    elif kind is not None and dialect is Dialect.ANTHROPIC:
        until = datetime.fromtimestamp((now_us + room.wait_us) // 1_000_000 + 1, UTC)
        headers[f"anthropic-ratelimit-{kind}-limit"] = str(limit.most)
        headers[f"anthropic-ratelimit-{kind}-remaining"] = str(room.left)
        headers[f"anthropic-ratelimit-{kind}-reset"] = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    return headers
