"""What happens while a large body is looked into. The way of a request as a whole is in tests/integration/dataplane."""

import asyncio
import threading
from collections.abc import Callable
from typing import cast

import msgspec
import pytest

from keystead.domain.errors import AuthenticationError, KeysteadError, PolicyDenied
from keystead.domain.ids import InstanceId
from keystead.gateway.ask import Ask
from keystead.gateway.departure import Departure
from keystead.gateway.keeping import Keeping
from keystead.gateway.means import Means
from keystead.gateway.pace import Pace
from keystead.gateway.pipeline import MOST_AT_ONCE, Pipeline
from keystead.gateway.rules import caller_of
from keystead.gateway.snapshot import Snapshot
from keystead.gateway.walk import Walk
from keystead.policy.recognize import Findings, Recognizers
from keystead.storage.database import Database
from keystead.telemetry import Metrics
from tests.fakes.clock import FakeClock
from tests.unit.gateway.test_walk import FakeJournal, ask, caller

KEY = caller(()).key
LARGE = msgspec.structs.replace(ask(), body=ask().body.ljust(MOST_AT_ONCE + 1))


class Recogniser:
    """Blocks everything, or finds nothing, once it has done what it was told to do."""

    def __init__(self, work: Callable[[], None], *, blocks: bool = False) -> None:
        self._work = work
        self._blocked_by = "it" if blocks else None

    def scan(self, _body: bytes, *, form_type: bytes | None) -> Findings:
        assert form_type is None
        self._work()
        return Findings(blocked_by=self._blocked_by)


class Scene:
    """A pipeline whose snapshot can be swapped."""

    def __init__(self, recogniser: Recogniser | None) -> None:
        rules = msgspec.structs.replace(caller(()).rules, recognizers=cast("Recognizers", recogniser))
        self.snapshot = Snapshot(
            revision=1,
            compiled_at=0,
            pepper=b"",
            keys={KEY.id: KEY},
            admin_tokens={},
            rules={KEY.organization_id: rules},
            means=cast("Means", None),
            callers={KEY.id: caller_of(KEY, rules)},
            plans={},
        )
        self.journal = FakeJournal()

    @property
    def database(self) -> Database:
        return cast("Database", self)

    async def ask(self, asked: Ask = LARGE) -> None:
        pipeline = Pipeline(
            snapshot=lambda: self.snapshot,
            database=self.database,
            keeping=cast("Keeping", None),
            walk=cast("Walk", None),
            pace=cast("Pace", None),
            clock=FakeClock(),
            instance_id=InstanceId("ins_1"),
            metrics=Metrics(),
        )
        async with pipeline.open(KEY, asked, Departure()):
            pytest.fail("it is refused")


async def test_other_work_goes_on_while_a_large_body_is_looked_into() -> None:
    others_done = threading.Event()
    found: list[bool] = []
    scene = Scene(Recogniser(lambda: found.append(others_done.wait(timeout=10)), blocks=True))
    asyncio.get_running_loop().call_soon(others_done.set)
    with pytest.raises(PolicyDenied):
        await scene.ask()
    assert found == [True]


async def test_a_key_that_ends_while_its_body_is_looked_into_is_refused() -> None:
    def revoke() -> None:
        ended = msgspec.structs.replace(KEY, revoked_at=1)
        scene.snapshot = msgspec.structs.replace(scene.snapshot, keys={KEY.id: ended})

    scene = Scene(Recogniser(revoke))
    with pytest.raises(AuthenticationError):
        await scene.ask()
    [end] = scene.journal.ends
    assert (end.attempt, end.error_code) == (None, "invalid_key")


@pytest.mark.parametrize(
    ("recogniser", "said", "kept"),
    [
        (None, b"restricted", "restricted"),
        (None, b"no-such-class", ""),
        (Recogniser(lambda: None, blocks=True), b"restricted", ""),
    ],
)
async def test_a_refused_request_is_recorded_with_its_class_where_that_is_known(
    recogniser: Recogniser | None, said: bytes, kept: str
) -> None:
    scene = Scene(recogniser)
    with pytest.raises(KeysteadError):
        await scene.ask(msgspec.structs.replace(ask(), headers={b"x-keystead-data-class": said}))
    [end] = scene.journal.ends
    assert end.request.data_class == kept
