"""The journal in any order of events, one after another and at once: the rules hold, and nothing counts twice."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keystead.domain.errors import NotRecordedError
from keystead.domain.ids import new_id
from keystead.domain.records import FREE, AttemptIntent, RequestIntent, Settlement
from keystead.domain.traffic import State
from keystead.domain.usage import NOTHING
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.records import READING, attempt_intent, request_intent, settlement
from tests.fakes.stored import assert_consistent

Step = tuple[str, int, int, bool]
"""What, to which request, which attempt, and whether it ends the request."""

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["intend", "intend", "settle", "settle", "refuse", "recover"]),
        st.integers(0, 2),
        st.integers(1, 3),
        st.booleans(),
    ),
    max_size=25,
)


class Interleaving:
    """Runs steps against a database, and knows what each must answer when they come one by one."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.organization_id = new_id("org", clock.now_us())
        self._instance_id = new_id("ins", clock.now_us())
        self._database = database
        self._clock = clock
        self._requests = [
            request_intent(clock, organization_id=self.organization_id, instance_id=self._instance_id) for _ in range(3)
        ]
        self._state: list[str] = ["absent"] * 3
        self._attempts: list[dict[int, str]] = [{}, {}, {}]

    async def begin(self) -> None:
        """End what an earlier example left open."""
        await self._database.recover("ins_other", self._clock.now_us())

    async def run(self, step: Step) -> object:
        what, which, number, ends = step
        request = self._requests[which]
        attempt = attempt_intent(self._clock, number=number)
        journal = self._database.journal
        if what == "recover":
            return await self._database.recover("ins_other", self._clock.now_us())
        if what == "refuse":
            return await journal.settle(self._end(request, None, ends=True))
        if what == "settle":
            return await journal.settle(self._end(request, attempt, ends=ends))
        try:
            await journal.intend(request, attempt)
        except NotRecordedError:
            return False
        return True

    def _end(self, request: RequestIntent, attempt: AttemptIntent | None, *, ends: bool) -> Settlement:
        known = {"reading": READING} if attempt else {"reading": NOTHING, "cost": FREE, "state": State.REJECTED}
        return settlement(self._clock, request, attempt, ends_request=ends, **known)

    def expect(self, step: Step) -> object:
        """Return what the step must answer, and note what it changes."""
        what, which, number, ends = step
        tried = self._attempts[which]
        open_before = self._state[which] == "open"
        if what == "recover":
            recovered = self._state.count("open")
            self._state = ["ended" if state == "open" else state for state in self._state]
            self._attempts = [dict.fromkeys(each, "ended") for each in self._attempts]
            return recovered
        if what == "intend":
            allowed = number not in tried and (self._state[which] == "absent" if number == 1 else open_before)
            if allowed:
                self._state[which], tried[number] = "open", "open"
            return allowed
        if what == "refuse":
            ended = self._state[which] == "absent" or (open_before and "open" not in tried.values())
        else:
            ended = tried.get(number) == "open"
            if ended:
                tried[number] = "ended"
            ends = ends and "open" not in tried.values()
        if ended and ends:
            self._state[which] = "ended"
        return ended


INTERLEAVED = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@INTERLEAVED
@given(steps=STEPS)
async def test_any_sequence_answers_as_the_rules_say(database: Database, clock: FakeClock, steps: list[Step]) -> None:
    interleaving = Interleaving(database, clock)
    await interleaving.begin()
    for step in steps:
        if step[0] == "refuse":
            step = (*step[:3], True)  # noqa: PLW2901 - it always ends the request
        assert await interleaving.run(step) == interleaving.expect(step), step
    await assert_consistent(database, interleaving.organization_id)


@INTERLEAVED
@given(groups=st.lists(STEPS, max_size=4))
async def test_no_interleaving_counts_twice(database: Database, clock: FakeClock, groups: list[list[Step]]) -> None:
    interleaving = Interleaving(database, clock)
    await interleaving.begin()
    for group in groups:
        await asyncio.gather(*[interleaving.run(step) for step in group])
        await assert_consistent(database, interleaving.organization_id)
