"""The journal's own decisions, on a sink that the test holds in its hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence

import pytest

from keystead.domain.errors import NotRecordedError
from keystead.domain.means import HoldRefusedError
from keystead.domain.traffic import CostState, State
from keystead.storage import journal as journal_module
from keystead.storage.batch import Ending, Intent, Record
from keystead.storage.journal import GroupJournal
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, budget_hold, request_intent, settlement
from tests.fakes.sink import FakeSink

QUEUE = 10


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
async def journal(sink: FakeSink, clock: FakeClock) -> AsyncIterator[GroupJournal]:
    opened = GroupJournal(sink, clock=clock, queue=QUEUE)
    yield opened
    sink.away = False
    sink.release()
    await opened.close()


def start(waiting: Awaitable[object]) -> asyncio.Task[object]:
    async def run() -> object:
        return await waiting

    return asyncio.get_running_loop().create_task(run())


async def settled_down() -> None:
    """Let every task run until all of them wait for something else."""
    for _ in range(50):
        await asyncio.sleep(0)


def intent_ids(records: list[Record]) -> list[str]:
    return [record.request.id for record in records if isinstance(record, Intent)]


def endings(records: list[Record]) -> list[Ending]:
    return [record for record in records if isinstance(record, Ending)]


async def test_intend_returns_only_after_the_sink_has_written(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.hold()
    request = request_intent(clock)
    intending = start(journal.intend(request, attempt_intent(clock)))
    await sink.entered.wait()
    await settled_down()
    assert not intending.done()
    assert journal.backlog() == 1
    sink.release()
    await intending
    assert intent_ids(sink.written) == [request.id]
    assert journal.backlog() == 0


async def test_what_gathers_during_a_write_becomes_one_batch(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.hold()
    first = start(journal.intend(request_intent(clock), attempt_intent(clock)))
    await sink.entered.wait()
    rest = [start(journal.intend(request_intent(clock), attempt_intent(clock))) for _ in range(QUEUE)]
    await settled_down()
    sink.release()
    await asyncio.gather(first, *rest)
    assert [len(batch) for batch in sink.batches] == [1, QUEUE]


async def test_a_batch_has_a_bound(sink: FakeSink, clock: FakeClock) -> None:
    journal = GroupJournal(sink, clock=clock)
    request = request_intent(clock)
    many = [start(journal.intend(request, attempt_intent(clock))) for _ in range(sink.most_at_once + 1)]
    await asyncio.gather(*many)
    assert [len(batch) for batch in sink.batches] == [sink.most_at_once, 1]
    await journal.close()


async def test_two_ends_of_one_request_are_never_in_one_batch(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    request = request_intent(clock)
    ends = [settlement(clock, request, attempt_intent(clock)), settlement(clock, request, None)]
    await asyncio.gather(*[start(journal.settle(end)) for end in ends])
    assert [len(batch) for batch in sink.batches] == [1, 1]


async def test_over_the_bound_of_the_queue_whatever_opens_is_refused_at_once_and_no_end_is(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.hold()
    first = start(journal.intend(request_intent(clock), attempt_intent(clock)))
    await sink.entered.wait()
    waiting = [start(journal.intend(request_intent(clock), attempt_intent(clock))) for _ in range(QUEUE)]
    await settled_down()
    with pytest.raises(NotRecordedError):
        await journal.intend(request_intent(clock), attempt_intent(clock))
    with pytest.raises(NotRecordedError):
        await journal.settle(settlement(clock, request_intent(clock), None))
    ends_of_something_open = [
        start(journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))),
        start(journal.settle(settlement(clock, request_intent(clock), None, was_intended=True))),
    ]
    sink.release()
    await asyncio.gather(first, *waiting)
    assert await asyncio.gather(*ends_of_something_open) == [True, True]


async def test_while_storage_is_away_intents_fail_at_once_and_settlements_wait_in_order(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.away = True
    with pytest.raises(NotRecordedError):
        await journal.intend(request_intent(clock), attempt_intent(clock))
    assert not journal.healthy()
    with pytest.raises(NotRecordedError):
        await journal.intend(request_intent(clock), attempt_intent(clock))
    ends = [settlement(clock, request_intent(clock), attempt_intent(clock)) for _ in range(3 * QUEUE)]
    settling = [start(journal.settle(end)) for end in ends]
    await settled_down()
    assert not any(task.done() for task in settling)
    sink.away = False
    assert await asyncio.gather(*settling) == [True] * len(ends)
    assert [record.settlement for record in endings(sink.written)][1:] == ends  # after the void of the first intent
    assert journal.healthy()
    await journal.intend(request_intent(clock), attempt_intent(clock))


async def test_the_journal_mends_without_traffic(journal: GroupJournal, sink: FakeSink, clock: FakeClock) -> None:
    sink.away = True
    with pytest.raises(NotRecordedError):
        await journal.intend(request_intent(clock), attempt_intent(clock))
    sink.away = False
    async with asyncio.timeout(5):
        while not journal.healthy():
            await asyncio.sleep(0.001)


async def test_on_a_full_disk_an_end_that_changes_nothing_does_not_pass_for_room(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_FIRST_BACKOFF_S", 0.0)
    sink.full = True
    with pytest.raises(NotRecordedError):
        await journal.intend(request_intent(clock), attempt_intent(clock))
    while sink.probes < 3:
        await asyncio.sleep(0)
        assert not journal.healthy()
    assert journal.backlog() == 1, "the void of the intent"
    sink.full = False
    while not journal.healthy():
        await asyncio.sleep(0)
    await journal.intend(request_intent(clock), attempt_intent(clock))


async def test_an_intent_that_failed_is_ended_as_unsent_in_case_it_reached_the_storage(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.away = True
    request = request_intent(clock)
    with pytest.raises(NotRecordedError):
        await journal.intend(request, attempt_intent(clock))
    sink.away = False
    await journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))
    void = endings(sink.written)[0].settlement
    assert (void.request, void.state, void.cost.state) == (request, State.FAILED_UNSENT, CostState.FREE)
    assert void.ends_request


async def test_the_void_of_a_further_attempt_leaves_the_request_open(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.away = True
    with pytest.raises(NotRecordedError):
        await journal.intend(request_intent(clock), attempt_intent(clock, number=2))
    sink.away = False
    await journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))
    assert not endings(sink.written)[0].settlement.ends_request


async def test_an_intent_nobody_waits_for_any_more_is_not_written(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.hold()
    first = start(journal.intend(request_intent(clock), attempt_intent(clock)))
    await sink.entered.wait()
    given_up = start(journal.intend(request_intent(clock), attempt_intent(clock)))
    await settled_down()
    given_up.cancel()
    await settled_down()
    sink.release()
    await first
    await settled_down()
    assert len(sink.written) == 1


async def test_an_intent_given_up_while_it_is_written_is_ended_as_unsent(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.hold()
    request = request_intent(clock)
    given_up = start(journal.intend(request, attempt_intent(clock)))
    await sink.entered.wait()
    given_up.cancel()
    await settled_down()
    sink.release()
    await settled_down()
    assert [record.settlement.request for record in endings(sink.written)] == [request]


async def test_an_attempt_given_up_while_it_is_written_ends_before_its_request_does(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    # The end of a request leaves it alone while an attempt of it is open.
    sink.hold()
    request = request_intent(clock)
    given_up = start(journal.intend(request, attempt_intent(clock, number=2)))
    await sink.entered.wait()
    given_up.cancel()
    end = start(journal.settle(settlement(clock, request, None)))
    await settled_down()
    sink.release()
    await end
    assert [ending.settlement.attempt is None for ending in endings(sink.written)] == [False, True]


async def test_a_settlement_nobody_waits_for_any_more_is_written_all_the_same(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.hold()
    first = start(journal.intend(request_intent(clock), attempt_intent(clock)))
    await sink.entered.wait()
    end = settlement(clock, request_intent(clock), attempt_intent(clock))
    given_up = start(journal.settle(end))
    await settled_down()
    given_up.cancel()
    await settled_down()
    sink.release()
    await first
    await settled_down()
    assert [record.settlement for record in endings(sink.written)] == [end]


async def test_storage_that_hangs_fails_intents_after_the_patience(sink: FakeSink, clock: FakeClock) -> None:
    journal = GroupJournal(sink, clock=clock, patience_s=0.01)
    sink.hold()
    in_flight = start(journal.intend(request_intent(clock), attempt_intent(clock)))
    await sink.entered.wait()
    waiting = start(journal.intend(request_intent(clock), attempt_intent(clock)))
    end = start(journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock))))
    with pytest.raises(NotRecordedError):
        await in_flight
    with pytest.raises(NotRecordedError):
        await waiting
    assert not journal.healthy()
    assert not end.done()
    sink.release()
    assert await end
    assert journal.healthy()
    await journal.close()
    assert len(intent_ids(sink.written)) == 1
    assert len(endings(sink.written)) == 2  # the settlement, and the end of the intent that was written too late


async def test_a_record_that_cannot_be_written_takes_no_neighbour_down(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    bad = request_intent(clock, model_asked="bad")
    sink.refuses = lambda record: isinstance(record, Intent) and record.request is bad
    sink.hold()
    first = start(journal.intend(request_intent(clock), attempt_intent(clock)))
    await sink.entered.wait()
    requests = [request_intent(clock) for _ in range(3)] + [bad] + [request_intent(clock) for _ in range(4)]
    intending = [start(journal.intend(request, attempt_intent(clock))) for request in requests]
    await settled_down()
    sink.release()
    outcomes = await asyncio.gather(first, *intending, return_exceptions=True)
    assert [isinstance(outcome, NotRecordedError) for outcome in outcomes].count(True) == 1
    assert isinstance(outcomes[1 + requests.index(bad)], NotRecordedError)
    assert intent_ids(sink.written)[1:] == [request.id for request in requests if request is not bad]
    assert journal.healthy()
    assert journal.dropped() == 1


async def test_a_settlement_that_cannot_be_written_is_written_without_its_usage(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.refuses = lambda record: isinstance(record, Ending) and bool(record.settlement.reading.usage.input_tokens)
    end = settlement(clock, request_intent(clock), attempt_intent(clock), state=State.CANCELLED_PARTIAL)
    assert await journal.settle(end)
    written = endings(sink.written)[0].settlement
    assert written.state is State.CANCELLED_PARTIAL
    assert written.cost.state is CostState.UNKNOWN
    assert written.reading.anomalies == ("unrecordable",)
    assert journal.dropped() == 0


async def test_a_settlement_that_cannot_be_written_even_so_is_dropped_and_counted(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.refuses = lambda record: isinstance(record, Ending)
    with pytest.raises(NotRecordedError):
        await journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))
    assert journal.dropped() == 1
    await journal.intend(request_intent(clock), attempt_intent(clock))


async def test_an_intent_of_an_ended_request_fails(journal: GroupJournal, sink: FakeSink, clock: FakeClock) -> None:
    sink.outcome = lambda record: False
    with pytest.raises(NotRecordedError):
        await journal.intend(request_intent(clock), attempt_intent(clock, number=2))
    assert journal.healthy()


async def test_an_intent_without_room_fails_with_the_hold_and_is_not_ended(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.outcome = lambda record: budget_hold()
    with pytest.raises(HoldRefusedError) as refused:
        await journal.intend(request_intent(clock), attempt_intent(clock, holds=(budget_hold(),)))
    assert refused.value.hold == budget_hold()
    sink.hold()
    given_up = start(journal.intend(request_intent(clock), attempt_intent(clock)))
    sink.entered.clear()
    await sink.entered.wait()
    given_up.cancel()
    sink.release()
    await settled_down()
    assert endings(sink.written) == []
    assert journal.healthy()


async def test_an_end_is_never_in_one_batch_with_an_intent_of_its_request_before_it(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    request = request_intent(clock)
    other = journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))
    records = [journal.intend(request, attempt_intent(clock)), journal.settle(settlement(clock, request, None)), other]
    await asyncio.gather(*[start(record) for record in records])
    assert [len(batch) for batch in sink.batches] == [1, 2]


async def test_settle_says_when_something_else_came_first(
    journal: GroupJournal, sink: FakeSink, clock: FakeClock
) -> None:
    sink.outcome = lambda record: False
    assert not await journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))


async def test_close_writes_what_waits(sink: FakeSink, clock: FakeClock) -> None:
    journal = GroupJournal(sink, clock=clock)
    settling = [
        start(journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))) for _ in range(5)
    ]
    await asyncio.sleep(0)
    await journal.close()
    assert await asyncio.gather(*settling) == [True] * 5
    assert sink.closed
    with pytest.raises(NotRecordedError):
        await journal.intend(request_intent(clock), attempt_intent(clock))
    with pytest.raises(NotRecordedError):
        await journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))
    await journal.close()  # twice is once


async def test_close_gives_up_on_storage_that_stays_away(
    sink: FakeSink, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "CLOSE_PATIENCE_S", 0.01)
    journal = GroupJournal(sink, clock=clock)
    sink.away = True
    settling = start(journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock))))
    await settled_down()
    await journal.close()
    with pytest.raises(NotRecordedError):
        await settling
    assert journal.dropped() == 1
    assert sink.closed


async def test_a_defect_that_stops_the_writer_refuses_everything_instead_of_hanging(
    sink: FakeSink, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_few(batch: Sequence[Record]) -> Sequence[bool]:
        return []

    monkeypatch.setattr(sink, "write", too_few)
    journal = GroupJournal(sink, clock=clock)
    with pytest.raises(NotRecordedError):
        await journal.intend(request_intent(clock), attempt_intent(clock))
    assert not journal.healthy()
    with pytest.raises(NotRecordedError):
        await journal.settle(settlement(clock, request_intent(clock), attempt_intent(clock)))
    await journal.close()
    assert sink.closed
