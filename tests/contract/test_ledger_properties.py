"""Whatever is paid in, taken, held, posted and let go, in whatever order: the books agree and nothing is overdrawn."""

import asyncio
from collections.abc import Sequence

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from keystead.domain.errors import ConflictError
from keystead.domain.ids import new_id
from keystead.domain.means import HoldRefusedError
from keystead.domain.money import PICO_PER_UNIT
from keystead.domain.records import Settlement
from keystead.domain.traffic import State
from keystead.ledger.store import REVENUE, Ledger
from keystead.ledger.views import Balance
from keystead.storage.database import Database
from keystead.storage.schema import organizations
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, credit_hold, request_intent, settlement

CREDIT = PICO_PER_UNIT
FAR_US = 2**60


class Step(msgspec.Struct, frozen=True):
    what: str
    amount: int
    """Credits."""
    which: int
    """Of the holds so far, or of the payments: the same one may be told again."""


STEPS = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(["pay", "adjust", "hold", "hold", "post", "void", "lose"]),
        amount=st.integers(-120, 120),
        which=st.integers(0, 5),
    ),
    max_size=20,
)
SETTINGS = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Account:
    """One organization's account, worked on by steps; the model says what must be in it."""

    def __init__(self, database: Database, ledger: Ledger, clock: FakeClock) -> None:
        self.organization_id = new_id("org", clock.now_us())
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self._account_id = ""
        self._payments: dict[str, int] = {}
        self._open: list[tuple[Settlement, int]] = []
        """Of each hold: how it ends if nothing is posted, and its amount."""
        self.paid_in = 100 * CREDIT
        self.spent = 0
        self.held = 0

    async def begin(self) -> None:
        row = {"id": self.organization_id, "name": "o", "currency": "USD", "time_zone": "UTC", "created_at": 0}
        async with self._database.write() as conn:
            await conn.execute(insert(organizations).values(row))
            self._account_id = await self._ledger.open_account(conn, self.organization_id, actor_id="mem_1")

    async def run(self, step: Step) -> None:
        match step.what:
            case "pay":
                await self._pay(f"{self.organization_id}-{step.which}", (abs(step.amount) + 1) * CREDIT)
            case "adjust":
                await self._adjust((step.amount or 1) * CREDIT)
            case "hold":
                await self._hold(abs(step.amount) * CREDIT)
            case _ if self._open:
                ending, held = self._open.pop(step.which % len(self._open))
                await self._let_go(ending, held, step)
            case _:
                pass

    async def _pay(self, reference: str, amount: int) -> None:
        before = self._payments.setdefault(reference, amount)
        try:
            async with self._database.write() as conn:
                booking = await self._ledger.top_up(
                    conn, organization_id=self.organization_id, amount=amount, reference=reference, actor_id="mem_1"
                )
        except ConflictError:
            assert before != amount
        else:
            assert before == amount
            self.paid_in += 0 if booking.repeated else amount

    async def _adjust(self, amount: int) -> None:
        try:
            async with self._database.write() as conn:
                await self._ledger.adjust(
                    conn, organization_id=self.organization_id, amount=amount, reason="because", actor_id="mem_1"
                )
        except ConflictError:
            assert amount < 0
        else:
            self.paid_in += amount

    async def _hold(self, amount: int) -> None:
        hold = credit_hold(counter_id=self._account_id, amount=amount, pays=REVENUE)
        request = request_intent(self._clock, organization_id=self.organization_id)
        attempt = attempt_intent(self._clock, holds=(hold,), owner="platform")
        try:
            await self._database.journal.intend(request, attempt)
        except HoldRefusedError:
            return
        self.held += amount
        self._open.append((settlement(self._clock, request, attempt), amount))

    async def _let_go(self, ending: Settlement, held: int, step: Step) -> None:
        posted = min(abs(step.amount) * CREDIT, held) if step.what == "post" else 0
        state = State.UNKNOWN if step.what == "lose" else State.SETTLED
        # What is asked may be more than was held: that much is never posted.
        asked = abs(step.amount) * CREDIT if step.what == "post" else 0
        assert await self._database.journal.settle(msgspec.structs.replace(ending, posts=(asked,), state=state))
        self.held -= held
        self.spent += posted

    async def balance(self) -> Balance:
        async with self._database.read() as conn:
            return await self._ledger.balance(conn, self.organization_id)

    async def check(self) -> None:
        """Compare the account with the model, and the books with themselves, in one moment."""
        async with self._database.read() as conn:
            trial = await self._ledger.trial_balance(conn)
            found = await self._ledger.balance(conn, self.organization_id)
            statement = await self._ledger.statement(conn, self.organization_id, since=0, until=FAR_US)
            lines = await self._ledger.transfers(conn, self.organization_id, since=0, until=FAR_US, limit=1000)
        assert trial.agrees, trial
        assert (found.paid_in, found.spent, found.held) == (self.paid_in, self.spent, self.held)
        assert found.available == self.paid_in - self.spent - self.held
        assert found.available >= 0
        assert statement.closing == sum(line.change for line in lines) == self.paid_in - self.spent
        assert -statement.charged == self.spent


@SETTINGS
@given(steps=STEPS)
async def test_the_books_agree_after_every_step(database: Database, clock: FakeClock, steps: Sequence[Step]) -> None:
    account = Account(database, Ledger(clock), clock)
    await account.begin()
    for step in steps:
        clock.advance(0.5)
        before = await account.balance()
        await account.run(step)
        if step.what == "hold":
            assert (account.held > before.held) is (0 < abs(step.amount) * CREDIT <= before.available)
        if step.what == "adjust" and step.amount < 0:
            assert (account.paid_in < before.paid_in) is (-step.amount * CREDIT <= before.available)
    await account.check()


@SETTINGS
@given(first=STEPS, at_once=STEPS)
async def test_the_books_agree_when_everything_happens_at_once(
    database: Database, clock: FakeClock, first: Sequence[Step], at_once: Sequence[Step]
) -> None:
    account = Account(database, Ledger(clock), clock)
    await account.begin()
    for step in first:
        await account.run(step)
    payments = {step.which: step for step in at_once if step.what == "pay"}  # of one reference, one content
    others = [step for step in at_once if step.what != "pay"]
    await asyncio.gather(*[account.run(step) for step in (*others, *payments.values())])
    await account.check()
