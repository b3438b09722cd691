"""Counters in Redis or Valkey, exact over any number of processes: one script call for each request.

Processes pass their own time, so their clocks should agree to well under a bucket's length (NTP does). Redis answers
in well under a millisecond or is taken to be away: after a failure it is left alone for a second, and then asked
again with one request's patience.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from keystead.coordination import BUCKET_US, BUCKETS, LEASE_US, SLOT_WAIT_US, CountersAwayError, Demand, Return, Room
from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 0.05
"""How long a request waits for Redis: for a connection, and for each answer."""
_WAITS: Final = 4
"""Waits in one call at most: a connection, its greeting, the script, and the script once more to load it. The client
ends each of them itself and drops the connection; this bound is for what it does not foresee."""
REST_US: Final = 1_000_000
"""For how long Redis is left alone after a failure."""
_CONNECTIONS: Final = 16
_LOSS_MS: Final = (2 * BUCKETS + 2) * BUCKET_US // 1000
"""Windows that nobody counts in any more are forgotten after that."""

_TAKE: Final = """
local now, lease = tonumber(ARGV[1]), ARGV[2]
local bucket_us, buckets = tonumber(ARGV[3]), tonumber(ARGV[4])
local lease_us, slot_wait_us, loss_ms = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local current = math.floor(now / bucket_us)
local answer, admitted = {}, true
for i, key in ipairs(KEYS) do
  local kind, most, amount = ARGV[5 + 3 * i], tonumber(ARGV[6 + 3 * i]), tonumber(ARGV[7 + 3 * i])
  local left, wait = 0, 0
  if kind == 'window' then
    local used, counts, fields = 0, {}, redis.call('HGETALL', key)
    for f = 1, #fields, 2 do
      local bucket, count = tonumber(fields[f]), tonumber(fields[f + 1])
      if math.abs(bucket - current) > buckets then
        redis.call('HDEL', key, fields[f])
      else
        used = used + count
        counts[#counts + 1] = {bucket, count}
      end
    end
    left = math.max(most - used, 0)
    local over = used + amount - most
    if over > 0 then
      wait = -1
      table.sort(counts, function(a, b) return a[1] < b[1] end)
      for _, each in ipairs(counts) do
        over = over - each[2]
        if over <= 0 then
          wait = (each[1] + buckets + 1) * bucket_us - now
          break
        end
      end
    end
  else
    redis.call('ZREMRANGEBYSCORE', key, '-inf', ARGV[1])
    left = math.max(most - redis.call('ZCARD', key), 0)
    if left == 0 then wait = slot_wait_us end
  end
  if wait ~= 0 then admitted = false end
  answer[2 * i - 1], answer[2 * i] = left, wait
end
if admitted then
  for i, key in ipairs(KEYS) do
    local amount = tonumber(ARGV[7 + 3 * i])
    if ARGV[5 + 3 * i] == 'window' then
      redis.call('HINCRBY', key, string.format('%.0f', current), ARGV[7 + 3 * i])
      redis.call('PEXPIRE', key, loss_ms)
    else
      redis.call('ZADD', key, string.format('%.0f', now + lease_us), lease)
      redis.call('PEXPIRE', key, string.format('%.0f', lease_us / 1000))
    end
    answer[2 * i - 1] = answer[2 * i - 1] - amount
  end
end
return answer
"""

_GIVE_BACK: Final = """
local lease, current, loss_ms = ARGV[1], ARGV[2], ARGV[3]
for i, key in ipairs(KEYS) do
  local kind, bucket, change = ARGV[1 + 3 * i], ARGV[2 + 3 * i], tonumber(ARGV[3 + 3 * i])
  if kind == 'slots' then
    redis.call('ZREM', key, lease)
  elseif change > 0 then
    redis.call('HINCRBY', key, current, ARGV[3 + 3 * i])
    redis.call('PEXPIRE', key, loss_ms)
  else
    local count = redis.call('HGET', key, bucket)
    if count then
      redis.call('HSET', key, bucket, string.format('%.0f', math.max(0, tonumber(count) + change)))
    end
  end
end
return 0
"""

_Answer = TypeVar("_Answer")


class RedisCounters:
    """Windows and slots in Redis; see `Counters`."""

    def __init__(self, url: str, *, password: str | None, clock: Clock, timeout_s: float = TIMEOUT_S) -> None:
        """Take the address; connections are made when first needed.

        Args:
            url: `redis://host:port/0`, `rediss://…` (TLS) or `unix:///path`.
            password: instead of one in the URL.
            clock: for the rest after a failure.
            timeout_s: how long a request waits.

        Raises:
            InvalidRequestError: the URL cannot be read. Its text is not repeated: it may hold a password.
        """
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=_CONNECTIONS,
                timeout=timeout_s,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),
                driver_info=None,
                **({} if password is None else {"password": password}),
            )
        except ValueError:
            raise InvalidRequestError(
                "KEYSTEAD_REDIS_URL cannot be read.",
                next_step="Set it to redis://host:6379/0, rediss://… for TLS, or unix:///path/to/socket.",
            ) from None
        self._redis = Redis(connection_pool=pool)
        self._take = self._redis.register_script(_TAKE)
        self._give_back = self._redis.register_script(_GIVE_BACK)
        self._clock = clock
        self._timeout_s = timeout_s
        self._rests_until = 0
        self._away = False

    async def take(self, demands: Sequence[Demand], *, lease: str, now_us: int) -> tuple[Room, ...]:
        """See `Counters.take`."""
        arguments: list[str | int] = [now_us, lease, BUCKET_US, BUCKETS, LEASE_US, SLOT_WAIT_US, _LOSS_MS]
        for demand in demands:
            arguments += (demand.kind, demand.most, demand.amount)
        keys = [demand.key for demand in demands]
        answer = await self._asked(lambda: self._take(keys=keys, args=arguments))
        return tuple(
            Room(left=int(left), wait_us=int(wait)) for left, wait in zip(answer[::2], answer[1::2], strict=True)
        )

    async def give_back(self, returns: Sequence[Return], *, lease: str, now_us: int) -> None:
        """See `Counters.give_back`."""
        arguments: list[str | int] = [lease, now_us // BUCKET_US, _LOSS_MS]
        for each in returns:
            arguments += (each.kind, each.taken_at // BUCKET_US, each.change)
        keys = [each.key for each in returns]
        await self._asked(lambda: self._give_back(keys=keys, args=arguments))

    async def renew(self, held: Mapping[str, Sequence[str]], *, now_us: int) -> None:
        """See `Counters.renew`."""
        pipeline = self._redis.pipeline(transaction=False)
        for lease, keys in held.items():
            for key in keys:
                pipeline.execute_command("ZADD", key, now_us + LEASE_US, lease)
                pipeline.execute_command("PEXPIRE", key, LEASE_US // 1000)
        await self._asked(pipeline.execute)

    async def close(self) -> None:
        """See `Counters.close`."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _asked(self, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Return the answer; do not wait long for it, and not at all while Redis rests after a failure."""
        now = self._clock.monotonic_us()
        if now < self._rests_until:
            raise CountersAwayError
        if self._away:
            self._rests_until = now + REST_US  # only this one asks; the others do not wait for what may be in vain
        try:
            async with asyncio.timeout(_WAITS * self._timeout_s):
                answer = await ask()
        except (RedisError, OSError, TimeoutError) as error:
            self._rests_until = self._clock.monotonic_us() + REST_US
            if not self._away:
                # The kind of error only: its text may name hosts, and with some errors the command.
                log.warning("redis_away", error=type(error).__name__)
            self._away = True
            raise CountersAwayError from error
        if self._away:
            log.info("redis_back")
        self._away = False
        self._rests_until = 0
        return answer
