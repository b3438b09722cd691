"""A stage for faults: routes of three attempts over three providers, and every book that a request can touch."""

import asyncio
import secrets
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec
from sqlalchemy import select

from keystead.domain.means import CREDITS
from keystead.storage.database import Database
from keystead.storage.governance import counters
from keystead.storage.rows import holds_in
from keystead.storage.schema import attempts
from tests.acceptance.dialects import target
from tests.acceptance.hybrid import TOKEN_PRICES
from tests.acceptance.received import Received, receive
from tests.acceptance.storage import Storage
from tests.fakes.answers import INPUT_TOKENS, OUTPUT_TOKENS
from tests.fakes.books import check_books, transfers_of
from tests.fakes.certificates import self_signed
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url
from tests.fakes.gateway import Gateway, Reply
from tests.fakes.provider import FakeProvider
from tests.fakes.scripts import answer_for
from tests.fakes.stored import assert_consistent
from tests.fakes.wire import Answer, Call

COST_PICO = INPUT_TOKENS * 1_000_000 + OUTPUT_TOKENS * 2_000_000
"""Of an ordinary answer in OpenAI's dialect, in pico USD."""
CHARGE_PICO = COST_PICO * 100 * 12 // 10
"""The same on the platform's credential, in pico credits of a cent, with 20 % on top."""

PATIENCE = {"connect_timeout_s": "5", "first_byte_timeout_s": "0.4", "idle_timeout_s": "0.4", "total_timeout_s": "1.5"}

Bucket = tuple[str, int]
Entries = dict[Bucket, tuple[int, int]]
"""Spent and held, by counter and period."""


class Tried(msgspec.Struct, frozen=True):
    """One attempt, as the record is to have it."""

    credential: str
    state: str
    error: str | None = None
    """The class of what went wrong."""
    cost: str = "free"
    """The state of its cost."""
    code: str | None = None
    usage: str = "none"
    reason: str | None = None
    """Why it followed the one before."""


def answered(credential: str, *, reason: str | None = None) -> Tried:
    return Tried(credential, "settled", cost="priced", usage="provider", reason=reason)


def refused(credential: str, error: str, *, reason: str | None = None) -> Tried:
    """The provider said no: it bills nothing."""
    return Tried(credential, "rejected", error, reason=reason)


def unsent(credential: str, code: str, *, reason: str | None = None) -> Tried:
    """The provider has not seen the request: it bills nothing."""
    return Tried(credential, "failed_unsent", "unreachable", code=code, reason=reason)


def lost(credential: str, error: str, code: str, *, reason: str | None = None) -> Tried:
    """The provider may have worked, and nobody knows what it bills."""
    return Tried(credential, "failed_billed", error, cost="unknown", code=code, reason=reason)


def scripted(name: str) -> Answer:
    """Return a fault of `tests.fakes.scripts` that is the same for each call."""
    call = Call(
        at=0,
        method="POST",
        path="/v1/chat/completions",
        query="",
        headers=[],
        body=b'{"stream": true}',
        model=name,
        marker="",
        auth="",
    )
    answer = answer_for(call)
    assert answer is not None, name
    return answer


def words_of(answer: Answer) -> bytes:
    """Return the body of a whole answer."""
    return b"".join(step for step in answer.steps if isinstance(step, bytes))


class Way(msgspec.Struct, frozen=True):
    """A route with everything of its own that a fault could spoil for others: credentials, breakers, a budget."""

    name: str
    """Of the model behind the route, of the key and of its budget."""
    model: str
    """The route's name."""
    names: Mapping[str, str]
    """Credential's name → the part it plays."""
    key: str
    budget: str
    """The id of a hard budget for the key alone."""

    def credential(self, part: str) -> str:
        """Return the name of the credential that plays a part."""
        return next(name for name, played in self.names.items() if played == part)


class Faults:
    """A gateway, three providers that fail as told, one that is not there, one with a forged certificate."""

    def __init__(
        self, gateway: Gateway, storage: Storage, database: Database, fakes: Mapping[str, FakeProvider], lost: str
    ) -> None:
        self.gateway = gateway
        self.storage = storage
        self.database = database
        self.consent = ""
        self._shared: Way | None = None
        self.first, self.second, self.pool = fakes["first"], fakes["second"], fakes["pool"]
        self._origins = {name: fake.origin for name, fake in fakes.items()} | {
            "down": lost,
            "lost": "https://nowhere.invalid",
        }

    async def way(self, *parts: str, provider: str = "openai") -> Way:
        """Make a route over one credential for each of `parts`: `first`, `second`, `pool`, `down`, `lost`, `forged`."""
        self._reset()
        name = f"gpt-{secrets.token_hex(4)}"
        names = {"pool" if part == "pool" else f"{part}-{name}": part for part in parts or ("first", "second", "pool")}
        async with asyncio.TaskGroup() as group:
            issuing = group.create_task(self._issue(name))
            for credential, part in names.items():
                if part != "pool":
                    secret = f"sk-{part}-{secrets.token_hex(20)}"
                    origin = self._origins[part]
                    group.create_task(self.gateway.add_credential(credential, provider, secret, origin=origin))
        tried = [{"credential": credential, "model": name} for credential in names]
        await self.gateway.admin("POST", "/model-routes", {"name": f"way-{name}", "attempts": tried})
        self._reset()
        key, budget = issuing.result()
        return Way(name, f"way-{name}", names, key, budget)

    async def shared_way(self) -> Way:
        """Return the way over all three for faults that spoil nothing for the next: an answer has begun."""
        if self._shared is None:
            self._shared = await self.way()
        self._reset()
        return self._shared

    async def _issue(self, name: str) -> tuple[str, str]:
        """Return a virtual key and the id of its budget."""
        key = (await self.gateway.admin("POST", "/virtual-keys", {"name": name, "team": "Default team"}))["key"]
        wanted = {"name": name, "virtual_key": name, "limit": "50", "period": "month"}
        return key, (await self.gateway.admin("POST", "/budgets", wanted))["id"]

    def _reset(self) -> None:
        """Let every provider be well, and forget what it has seen."""
        for fake in (self.first, self.second, self.pool):
            fake.always(None)
            fake.calls.clear()

    async def give_consent(self) -> None:
        """Let the platform step in for every reason there is."""
        consent = {
            "data_classes": ["public", "internal"],
            "reasons": ["throttled", "down", "out_of_funds"],
            "daily_cap": "50",
            "monthly_cap": "80",
            "expires_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
        }
        self.consent = (await self.gateway.admin("POST", "/consents", consent))["id"]

    async def ask(self, way: Way, **more: Any) -> Reply:
        given = {"model": way.model, "max_tokens": OUTPUT_TOKENS, **more}
        return await self.gateway.chat(key=way.key, **given)

    async def stream(self, way: Way, *, dialect: str = "openai") -> Received:
        """Ask for a stream and read it to its end, whichever that is."""
        async with self.streaming(way, dialect=dialect) as response:
            return await receive(response)

    @asynccontextmanager
    async def streaming(self, way: Way, *, dialect: str = "openai") -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for a stream; what is left of it when the block ends is not read."""
        path, body = target(dialect, way.model, stream=True)
        body |= {"max_tokens": OUTPUT_TOKENS}
        headers = {"Authorization": f"Bearer {way.key}"}
        async with self.gateway.session.post(self.gateway.url + path, json=body, headers=headers) as response:
            yield response

    @property
    def calls(self) -> tuple[int, int, int]:
        """How many calls the first, the second and the platform's provider have seen."""
        return len(self.first.calls), len(self.second.calls), len(self.pool.calls)

    async def entries(self) -> Entries:
        async with self.database.read() as conn:
            rows = (await conn.execute(select(counters))).all()
        return {(row.counter_id, row.bucket_at): (row.spent, row.held) for row in rows}

    async def ended(self, way: Way, state: str) -> Any:
        """Wait until the first attempt of the way's newest request has ended as `state`; return its record."""
        async with asyncio.timeout(20):
            while True:
                page = await self.gateway.admin("GET", f"/requests?limit=1&virtual_key={way.name}")
                for item in page["items"]:
                    detail = await self.gateway.admin("GET", f"/requests/{item['id']}")
                    if detail["attempts"][0]["state"] == state:
                        return detail
                await asyncio.sleep(0.02)

    async def until_ready(self, status: int) -> None:
        """Wait until the gateway says that it is ready (200), or that it is not (503)."""
        async with asyncio.timeout(20):
            while (await self.gateway.call("GET", "/readyz", key="")).status != status:
                await asyncio.sleep(0.02)

    async def held_for(self, reply: Reply, *, attempt: int = 1) -> int:
        """Return what was held in money for an attempt of a request, in pico USD."""
        request_id = reply.headers["x-keystead-request-id"]
        query = select(attempts.c.holds).where(attempts.c.request_id == request_id, attempts.c.number == attempt)
        async with self.database.read() as conn:
            holds = holds_in((await conn.execute(query)).scalar_one())
        return next(hold.amount for hold in holds if hold.kind == "budget")

    async def record(self, reply: Reply | Received) -> Any:
        return await self.gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")

    @asynccontextmanager
    async def checked(self, way: Way, *tried: Tried) -> AsyncIterator["Check"]:
        """Check what a request, made in the block, leaves in the record and in the books."""
        before = await self.entries()
        check = Check(self, way)
        yield check
        await check.compare(before, tried)


class Check:
    """Compares what was to happen with what every book says."""

    def __init__(self, faults: Faults, way: Way) -> None:
        self._faults = faults
        self._way = way
        self.reply: Reply | Received | None = None
        self.detail: Any = None
        """The record, for a request that was not answered."""
        self.request: Any = None
        """The record of the request, once compared."""
        self.attempts: list[Any] = []

    async def compare(self, before: Entries, tried: tuple[Tried, ...]) -> None:
        detail = self.detail
        if self.reply is not None:
            detail = await self._faults.record(self.reply)
        self.request, self.attempts = detail["request"], detail["attempts"]
        recorded = [self._tried(attempt) for attempt in self.attempts]
        assert recorded == list(tried), recorded
        assert [attempt["number"] for attempt in self.attempts] == list(range(1, len(tried) + 1))
        assert self.request["state"] == tried[-1].state
        assert self.request["attempts"] == len(tried)
        await self._compare_entries(before)

    def _tried(self, attempt: Any) -> Tried:
        assert attempt["credential_version"] == 1
        return Tried(
            self._way.names[attempt["credential"]],
            attempt["state"],
            attempt["error_class"],
            cost=attempt["cost_state"],
            code=attempt["error_code"] or None,
            usage=attempt["usage_source"],
            reason=attempt["reason"],
        )

    async def _compare_entries(self, before: Entries) -> None:
        """Each counter has grown by what follows from its holds, and nothing is held any more."""
        async with self._faults.database.read() as conn:
            query = select(attempts).where(attempts.c.request_id == self.request["id"]).order_by(attempts.c.number)
            rows = (await conn.execute(query)).all()
        grown: Counter[Bucket] = Counter()
        charges = []
        for row in rows:
            holds = holds_in(row.holds)
            assert self._way.budget in {hold.counter_id for hold in holds}, "each attempt was held in the budget"
            for hold in holds:
                grown[hold.counter_id, hold.bucket_at] += _posted(row, hold.currency, hold.amount)
                if hold.kind == "credits":
                    charge = row.charge_pico or 0
                    charges.append(("posted", charge) if charge else ("voided", hold.amount))
        after = await self._faults.entries()
        changes = {bucket: spent - before.get(bucket, (0, 0))[0] for bucket, (spent, _) in after.items()}
        assert {bucket: change for bucket, change in changes.items() if change} == {b: n for b, n in grown.items() if n}
        assert all(held == 0 for _, held in after.values()), "what was held has come back"
        assert await transfers_of(self._faults.database, self.request["id"]) == charges


def _posted(row: Any, currency: str, held: int) -> int:
    """Say what an attempt takes of a limit: see the table in `limits.holds`."""
    if currency == CREDITS:
        return row.charge_pico or 0
    if row.cost_state == "unknown":
        return held
    return row.cost_pico or 0


@asynccontextmanager
async def faults_on(storage: Storage) -> AsyncIterator[Faults]:
    """Start one gateway of little patience, whose platform may step in by a consent for every reason there is."""
    home, settings = storage.home, storage.settings
    async with AsyncExitStack() as stack:
        fakes = {name: await stack.enter_async_context(FakeProvider()) for name in ("first", "second", "pool")}
        tls = self_signed(home.parent, name="127.0.0.1")
        fakes["forged"] = await stack.enter_async_context(FakeProvider(tls=tls))
        allowed = "127.0.0.1,nowhere.invalid"
        patience = {**PATIENCE, "max_response_bytes": "1000000"}
        gateway = await stack.enter_async_context(Gateway.running(home, egress_allow=allowed, **patience, **settings))
        url = settings.get("database_url", f"sqlite:{home / 'keystead.db'}")
        database = await open_url(url, FakeClock())
        stack.push_async_callback(database.close)
        faults = Faults(gateway, storage, database, fakes, f"http://127.0.0.1:{_closed_port()}")
        await _prepare(faults)
        yield faults
        assert fakes["forged"].calls == []
        assert '"event":"defect"' not in gateway.log.read_text()
        await _check_everything(faults)


async def _prepare(faults: Faults) -> None:
    gateway = faults.gateway
    secret = f"sk-pool-{secrets.token_hex(20)}"
    await gateway.add_credential("pool", "openai", secret, origin=faults.pool.origin, platform=True, margin_ppm=200_000)
    for provider in ("openai", "anthropic"):
        price = {"provider": provider, "model": "gpt-*", "prices": TOKEN_PRICES}
        await gateway.admin("POST", "/price-overrides", price)
    await faults.give_consent()


async def _check_everything(faults: Faults) -> None:
    """Of all requests together: the books agree, the roll-ups count each once, nothing is open."""
    trial = await faults.gateway.admin("GET", "/trial-balance")
    assert (trial["agrees"], trial["difference"]) == (True, "0")
    async with faults.database.read() as conn:
        await check_books(conn)
        organizations = (await conn.execute(select(attempts.c.organization_id).distinct())).scalars().all()
    for organization in organizations:
        await assert_consistent(faults.database, organization)


def _closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
