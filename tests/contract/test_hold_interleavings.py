"""Holds in any order of events, one after another and at once: the books are right after each (I3).

One after another, the journal must also answer what a model says that counts everything from scratch.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, repeat

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keystead.domain.errors import NotRecordedError
from keystead.domain.ids import new_id
from keystead.domain.means import Hold, HoldRefusedError
from keystead.domain.records import AttemptIntent, RequestIntent, Settlement
from keystead.storage.database import Database
from tests.fakes.books import check_books, pay_in
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, budget_hold, credit_hold, request_intent, settlement
from tests.fakes.stored import assert_consistent

CREDITS = 40
LIMITS = {"calendar": 50, "rolling": 60, "soft": None}


class Step(msgspec.Struct, frozen=True):
    what: str
    which: int
    """Of the attempts so far, for what is not a new request."""
    amounts: dict[str, tuple[int, int]]
    """How much of each counter, and in which hour."""
    posts: tuple[int, ...]
    ends: bool


STEPS = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(["open", "open", "open", "again", "settle", "settle", "settle", "recover"]),
        which=st.integers(0, 30),
        amounts=st.dictionaries(
            st.sampled_from([*LIMITS, "account"]), st.tuples(st.integers(0, 30), st.integers(1, 5)), max_size=4
        ),
        posts=st.lists(st.integers(0, 35), max_size=4).map(tuple),
        ends=st.booleans(),
    ),
    max_size=25,
)


class Try(msgspec.Struct, frozen=True):
    request: RequestIntent
    attempt: AttemptIntent


Action = Try | Settlement | None
"""An intent, its end, or recovery."""


class Script:
    """Makes actions of steps, and runs them."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.organization_id = new_id("org", clock.now_us())
        self._database = database
        self._clock = clock
        self._instance_id = new_id("ins", clock.now_us())
        self._tries: list[Try] = []

    async def begin(self) -> None:
        await self._database.recover("ins_other", self._clock.now_us())  # what an earlier example left open
        await pay_in(self._database, CREDITS, account=self._counter("account"), organization_id=self.organization_id)

    async def check(self) -> None:
        async with self._database.read() as connection:
            await check_books(connection)
        await assert_consistent(self._database, self.organization_id)

    def actions(self, steps: Sequence[Step]) -> Iterator[Action]:
        for step in steps:
            if step.what == "recover":
                yield None
            elif step.what == "open" or not self._tries:
                yield self._try(request_intent(self._clock, **self._whose()), 1, step)
            else:
                chosen = self._tries[step.which % len(self._tries)]
                if step.what == "again":
                    yield self._try(chosen.request, chosen.attempt.number + 1, step)
                else:
                    yield settlement(
                        self._clock, chosen.request, chosen.attempt, posts=step.posts, ends_request=step.ends
                    )

    async def run(self, action: Action) -> object:
        journal = self._database.journal
        if action is None:
            return await self._database.recover("ins_other", self._clock.now_us())
        if isinstance(action, Settlement):
            return await journal.settle(action)
        try:
            await journal.intend(action.request, action.attempt)
        except HoldRefusedError as refused:
            return refused.hold
        except NotRecordedError:
            return False
        return True

    def _whose(self) -> dict[str, str]:
        return {"organization_id": self.organization_id, "instance_id": self._instance_id}

    def _try(self, request: RequestIntent, number: int, step: Step) -> Try:
        for each in self._tries:
            if (each.request, each.attempt.number) == (request, number):
                return each  # intended a second time: an attempt has one set of holds
        holds = tuple(self._hold(name, *amount) for name, amount in step.amounts.items())
        self._tries.append(Try(request, attempt_intent(self._clock, number=number, holds=holds)))
        return self._tries[-1]

    def _hold(self, name: str, amount: int, hour: int) -> Hold:
        known = {"counter_id": self._counter(name), "amount": amount, "on_unknown": amount // 2}
        if name == "account":
            return credit_hold(**known)
        since = hour - 2 if name == "rolling" else hour
        return budget_hold(bucket_at=hour, since_at=since, limit=LIMITS[name], **known)

    def _counter(self, name: str) -> str:
        return f"{name}-{self.organization_id}"


class Model:
    """What has happened, one thing after another. Everything is added up anew for each question."""

    def __init__(self) -> None:
        self._open: dict[str, dict[int, AttemptIntent]] = {}
        self._numbers: dict[str, set[int]] = {}
        self._ended: set[str] = set()
        self._posted: list[tuple[Hold, int]] = []

    def answer(self, action: Action) -> object:
        """Return what the journal must answer, and note what it changes."""
        if action is None:
            return self._recover()
        if isinstance(action, Settlement):
            return self._settle(action)
        return self._intend(action)

    def _intend(self, action: Try) -> object:
        request_id, number = action.request.id, action.attempt.number
        numbers = self._numbers.get(request_id, set())
        if number in numbers or (number > 1 and (not numbers or request_id in self._ended)):
            return False
        full = self.full(action.attempt.holds)
        if full is None:
            self._numbers.setdefault(request_id, set()).add(number)
            self._open.setdefault(request_id, {})[number] = action.attempt
        return full or True

    def _settle(self, action: Settlement) -> bool:
        assert action.attempt is not None
        attempts = self._open.get(action.request.id, {})
        attempt = attempts.pop(action.attempt.number, None)
        if attempt is None:
            return False
        self._post(attempt, action.posts)
        if action.ends_request and not attempts:
            self._ended.add(action.request.id)
        return True

    def _recover(self) -> int:
        left = self._numbers.keys() - self._ended
        for attempts in self._open.values():
            for attempt in attempts.values():
                self._post(attempt, [hold.on_unknown for hold in attempt.holds])
        self._open = {}
        self._ended |= left
        return len(left)

    def _post(self, attempt: AttemptIntent, posts: Sequence[int]) -> None:
        for hold, post in zip(attempt.holds, chain(posts, repeat(0)), strict=False):
            self._posted.append((hold, min(post, hold.amount) if hold.kind == "credits" else post))

    def full(self, holds: Sequence[Hold]) -> Hold | None:
        """Return the first hold that there is no room for."""
        open_now = [hold for attempts in self._open.values() for each in attempts.values() for hold in each.holds]
        for position, hold in enumerate(holds):
            taken = [*((each, each.amount) for each in (*open_now, *holds[: position + 1])), *self._posted]
            counted = sum(
                amount
                for each, amount in taken
                if each.counter_id == hold.counter_id and each.bucket_at >= hold.since_at
            )
            limit = CREDITS if hold.kind == "credits" else hold.limit
            if limit is not None and counted > limit:
                return hold
        return None


INTERLEAVED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@INTERLEAVED
@given(steps=STEPS)
async def test_any_sequence_answers_as_a_count_from_scratch_says(
    database: Database, clock: FakeClock, steps: list[Step]
) -> None:
    script, model = Script(database, clock), Model()
    await script.begin()
    for action in script.actions(steps):
        answer, expected = await script.run(action), model.answer(action)
        if expected is False and isinstance(action, Try) and isinstance(answer, Hold):
            expected = model.full(action.attempt.holds)  # refused for two reasons: which of them is told is open
        assert answer == expected, action
    await script.check()


@INTERLEAVED
@given(groups=st.lists(STEPS, max_size=4))
async def test_after_any_interleaving_the_books_are_right(
    database: Database, clock: FakeClock, groups: list[list[Step]]
) -> None:
    script = Script(database, clock)
    await script.begin()
    for group in groups:
        await asyncio.gather(*[script.run(action) for action in script.actions(group)])
        await script.check()
