"""What the operator's webhook is told, on each engine: put down, tried again, taken or given up."""

from collections import deque
from collections.abc import AsyncGenerator

import msgspec
import pytest

from keystead.alerts import notices
from keystead.alerts.notices import PATIENCE_US, Notice
from keystead.alerts.store import KEPT_US
from keystead.domain.clock import DAY_US
from keystead.domain.errors import ProviderError
from keystead.domain.secret import Secret
from keystead.domain.traffic import ErrorClass
from keystead.gateway.digest import Digests
from keystead.gateway.teller import Teller
from keystead.gateway.weekly import put_down_digests
from keystead.ledger.webhook import HEADER, SignatureRefusedError, verify
from keystead.providers.authorization import Authorized
from keystead.providers.request import UpstreamRequest
from keystead.providers.transport import UpstreamResponse
from keystead.storage.database import Database
from keystead.telemetry import Metrics
from tests.fakes.clock import FakeClock
from tests.fakes.watched import scene_on

OLD, NEW = Secret("old-" * 8), Secret("new-" * 8)


class Content(msgspec.Struct):
    word: str


class Taken:
    """An answer with a status and no body."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.headers: list[tuple[str, str]] = []
        self.content_type = ""
        self.upstream_request_id = ""
        self.upload_url = ""

    async def chunks(self) -> AsyncGenerator[bytes]:
        yield b""

    async def body(self, _limit: int) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing is open."""


class Receiver:
    """Answers in turn, then 204; keeps what it was told."""

    def __init__(self, *answers: int | Exception) -> None:
        self.told: list[tuple[UpstreamRequest, str]] = []
        """Each request, and its signature."""
        self._answers = deque(answers)

    async def open(self, request: UpstreamRequest, authorized: Authorized) -> UpstreamResponse:
        self.told.append((request, dict(authorized.headers)[HEADER]))
        answer = self._answers.popleft() if self._answers else 204
        if isinstance(answer, Exception):
            raise answer
        return Taken(answer)

    async def close(self) -> None:
        """Nothing is open."""


def teller(database: Database, clock: FakeClock, receiver: Receiver) -> Teller:
    return Teller(
        database=database,
        transport=receiver,
        origin="https://hooks.example.com",
        target="/keystead",
        secrets=(OLD, NEW),
        clock=clock,
        metrics=Metrics(),
    )


async def put_down(database: Database, clock: FakeClock, *subjects: str) -> None:
    for subject in subjects:
        clock.advance(0.01)
        async with database.write() as conn:
            await notices.put_down(
                conn,
                organization_id="org_1",
                event="alert.opened",
                subject_id=subject,
                content=Content(subject),
                now=clock.now_us(),
            )


async def due(database: Database, clock: FakeClock) -> list[Notice]:
    async with database.read() as conn:
        return await notices.due(conn, now=clock.now_us(), limit=10)


async def test_a_notice_is_signed_with_every_secret_for_its_moment_and_told_once(
    database: Database, clock: FakeClock
) -> None:
    receiver = Receiver()
    await put_down(database, clock, "a", "b")
    for _ in range(2):
        await teller(database, clock, receiver).tell()
    assert [(request.method, request.target) for request, _ in receiver.told] == [("POST", "/keystead")] * 2
    bodies = [msgspec.json.decode(request.body) for request, _ in receiver.told]
    assert [(one["event"], one["organization"], one["alert"]) for one in bodies] == [
        ("alert.opened", "org_1", {"word": "a"}),
        ("alert.opened", "org_1", {"word": "b"}),
    ]
    request, signature = receiver.told[0]
    for secret in (OLD, NEW):
        verify(signature, request.body, secrets=[secret], now_us=clock.now_us())
    with pytest.raises(SignatureRefusedError):
        verify(signature, request.body + b" ", secrets=[OLD], now_us=clock.now_us())
    with pytest.raises(SignatureRefusedError):
        verify(signature, request.body, secrets=[OLD], now_us=clock.now_us() + 301_000_000)


@pytest.mark.parametrize(
    "answer", [500, 302, 404, ProviderError("No.", error_class=ErrorClass.UNREACHABLE, sent=False), TimeoutError()]
)
async def test_what_is_not_taken_is_tried_again_later_and_later_under_the_same_id(
    database: Database, clock: FakeClock, answer: int | Exception
) -> None:
    receiver = Receiver(*[answer] * 3)
    await put_down(database, clock, "a", "b")
    for wait_s in (15, 30, 60):
        await teller(database, clock, receiver).tell()
        assert [notice.id for notice in await due(database, clock)] != [], "the others wait for the next round"
        clock.advance(wait_s)
    await teller(database, clock, receiver).tell()
    assert await due(database, clock) == []
    told = [msgspec.json.decode(request.body) for request, _ in receiver.told]
    assert {one["alert"]["word"] for one in told} == {"a", "b"}
    assert len({one["id"] for one in told}) == 2


async def test_nobody_is_told_for_ever(database: Database, clock: FakeClock) -> None:
    await put_down(database, clock, "a")
    clock.advance(PATIENCE_US / 1_000_000)
    await teller(database, clock, Receiver(500)).tell()
    clock.advance(3600)
    assert await due(database, clock) == []
    async with database.write() as conn:
        assert await notices.forget(conn, now=clock.now_us()) == 0
        assert await notices.forget(conn, now=clock.now_us() + KEPT_US) == 1


async def test_each_organization_is_told_of_each_of_its_weeks_once(database: Database, clock: FakeClock) -> None:
    scene, digests = await scene_on(database, clock), Digests(clock)
    await scene.call()
    clock.advance(7 * DAY_US / 1_000_000)
    assert await put_down_digests(scene.database, digests, clock) == 1
    assert await put_down_digests(scene.database, digests, clock) == 0
    [notice] = await due(scene.database, clock)
    told = msgspec.json.decode(notice.body)
    assert told["event"] == "digest"
    assert [(line["owner"], line["requests"]) for line in told["digest"]["spend"]] == [("own", 1)]
    clock.advance(7 * DAY_US / 1_000_000)
    assert await put_down_digests(scene.database, digests, clock) == 1
