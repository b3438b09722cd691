"""What every transport must do, and what the one over the network does when the wire misbehaves."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from keystead.domain.errors import ProviderError
from keystead.domain.traffic import ErrorClass
from keystead.providers.sandbox import SandboxTransport
from keystead.providers.transport import AiohttpTransport, Transport
from tests.fakes.exchange import KEY, LIMIT, failure, proven, read_all, read_body, request, transport
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import RESET, STALL, Answer, Framing


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as server:
        yield server


@pytest.fixture
async def wire() -> AsyncIterator[AiohttpTransport]:
    made = transport(first_byte_timeout_s=5, idle_timeout_s=5, total_timeout_s=20)
    yield made
    await made.close()


# Both transports


@pytest.fixture(params=["network", "sandbox"])
async def either(request: pytest.FixtureRequest, fake: FakeProvider) -> AsyncIterator[tuple[Transport, str, str]]:
    if request.param == "network":
        made = transport()
        yield made, fake.origin, "m"
        await made.close()
    else:
        yield SandboxTransport(), "https://sandbox.invalid", "echo"


async def test_a_whole_answer_has_status_type_request_id_and_body(either: tuple[Transport, str, str]) -> None:
    over, origin, model = either
    response = await over.open(*proven(request(origin, model=model)))
    assert response.status == 200
    assert response.content_type == "application/json"
    assert response.upstream_request_id
    assert dict(response.headers)["content-type"].startswith("application/json")
    body = await response.body(LIMIT)
    assert body.startswith(b"{")
    assert b'"usage"' in body
    response.close()


async def test_a_streamed_answer_comes_in_more_than_one_piece(either: tuple[Transport, str, str]) -> None:
    over, origin, model = either
    response = await over.open(*proven(request(origin, model=model, stream=True)))
    assert response.content_type == "text/event-stream"
    pieces = [piece async for piece in response.chunks()]
    assert len(pieces) > 1
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
    response.close()


async def test_a_body_above_the_limit_is_refused(either: tuple[Transport, str, str]) -> None:
    over, origin, model = either
    response = await over.open(*proven(request(origin, model=model)))
    with pytest.raises(ProviderError) as caught:
        await response.body(10)
    assert caught.value.error_class is ErrorClass.PROTOCOL
    assert caught.value.code == "upstream_too_large"
    response.close()


# What goes out


async def test_the_provider_sees_exactly_the_built_headers_and_the_key(
    fake: FakeProvider, wire: AiohttpTransport
) -> None:
    response = await wire.open(*proven(request(fake.origin)))
    await response.body(LIMIT)
    (call,) = fake.calls
    assert dict(call.headers) == {
        "host": fake.origin.removeprefix("http://"),
        "accept": "*/*",
        "accept-encoding": "identity",
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "content-length": str(len(call.body)),
        "user-agent": dict(call.headers)["user-agent"],
    }


async def test_the_environment_gives_no_proxy(
    fake: FakeProvider, wire: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    response = await wire.open(*proven(request(fake.origin)))
    assert response.status == 200
    await response.body(LIMIT)


async def test_a_key_that_no_header_may_hold_is_never_sent(fake: FakeProvider, wire: AiohttpTransport) -> None:
    for key in ("sk-a\r\nx-evil: 1", "sk-\x00", "sk-é"):
        with pytest.raises(ProviderError) as caught:
            await wire.open(*proven(request(fake.origin), key))
        assert not caught.value.sent
    assert fake.connections == 0


async def test_a_connection_is_used_again_and_a_given_up_one_is_not(fake: FakeProvider, wire: AiohttpTransport) -> None:
    for _ in range(3):
        response = await wire.open(*proven(request(fake.origin)))
        await response.body(LIMIT)
        response.close()
    response = await wire.open(*proven(request(fake.origin, stream=True)))
    assert [piece async for piece in response.chunks()]
    response.close()
    assert fake.connections == 1
    response = await wire.open(*proven(request(fake.origin, model="fake-stall", stream=True)))
    response.close()
    await asyncio.wait_for(fake.cut_by_peer.wait(), 5)
    response = await wire.open(*proven(request(fake.origin)))
    await response.body(LIMIT)
    assert fake.connections == 2


async def test_cancelling_a_read_closes_the_connection(fake: FakeProvider, wire: AiohttpTransport) -> None:
    async def read() -> None:
        response = await wire.open(*proven(request(fake.origin, model="fake-stall", stream=True)))
        async for _ in response.chunks():
            began.set()

    began = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read())
        await began.wait()
        reading.cancel()
    await asyncio.wait_for(fake.cut_by_peer.wait(), 5)


async def test_cancelling_before_the_answer_closes_the_connection(fake: FakeProvider, wire: AiohttpTransport) -> None:
    async with asyncio.TaskGroup() as group:
        opening = group.create_task(wire.open(*proven(request(fake.origin, model="fake-silent"))))
        await fake.arrived(1)
        opening.cancel()
    await asyncio.wait_for(fake.cut_by_peer.wait(), 5)


async def test_no_answer_goes_to_another_request_when_many_are_cancelled(
    fake: FakeProvider, wire: AiohttpTransport
) -> None:
    chance = random.Random(7)  # which ones to cancel, the same every time
    done: list[int] = []

    async def one(number: int, model: str) -> None:
        body = b'{"model":"%s","stream":true,"messages":[{"content":"marker-%d-"}]}' % (model.encode(), number)
        pieces = await read_all(wire, request(fake.origin, body=body))
        assert b"pong %d-" % number in b"".join(pieces)
        done.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(400):
            task = group.create_task(one(number, chance.choice(["m", "stream-3-1"])))
            if chance.random() < 0.4:
                asyncio.get_running_loop().call_later(chance.random() * 0.05, task.cancel)
            if number % 8 == 0:
                await asyncio.sleep(0)
    assert 150 < len(done) < 400
    for number in range(1000, 1020):
        await one(number, "m")


# What comes back


async def test_only_allowed_headers_come_back(fake: FakeProvider, wire: AiohttpTransport) -> None:
    response = await wire.open(*proven(request(fake.origin, model="fake-cookie")))
    await response.body(LIMIT)
    assert {name for name, _ in response.headers} == {"content-type", "x-ratelimit-remaining-requests"}


async def test_no_cookie_is_sent_back(fake: FakeProvider, wire: AiohttpTransport) -> None:
    for _ in range(2):
        response = await wire.open(*proven(request(fake.origin, model="fake-cookie")))
        await response.body(LIMIT)
    assert all(call.header("cookie") is None for call in fake.calls)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
async def test_a_redirect_is_an_error_and_nothing_follows_it(
    fake: FakeProvider, wire: AiohttpTransport, status: int
) -> None:
    fake.always(Answer(status=status, headers=(("location", f"{fake.origin}/stolen"),)))
    error = await failure(wire, request(fake.origin))
    assert (error.error_class, error.sent, error.code) == (ErrorClass.PROTOCOL, True, "upstream_redirect")
    assert [call.path for call in fake.calls] == ["/v1/chat/completions"]


async def test_a_compressed_answer_is_refused_unread(fake: FakeProvider, wire: AiohttpTransport) -> None:
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    fake.next(Answer(headers=headers, framing=Framing.CHUNKED, steps=(b"\x1f\x8b", STALL)))
    error = await failure(wire, request(fake.origin))
    assert (error.error_class, error.code) == (ErrorClass.PROTOCOL, "upstream_encoding")
    await asyncio.wait_for(fake.cut_by_peer.wait(), 5)


async def test_the_key_is_taken_out_of_error_bodies_and_headers(fake: FakeProvider, wire: AiohttpTransport) -> None:
    response = await wire.open(*proven(request(fake.origin, model="fake-echo-key")))
    body = await response.body(LIMIT)
    assert response.status == 401
    assert b"Incorrect API key provided: [redacted]" in body
    assert KEY.encode() not in body
    assert all(KEY not in value for _, value in response.headers)
    assert KEY not in response.upstream_request_id


@pytest.mark.parametrize("model", ["fake-echo-key", "fake-echo-key-split"])
async def test_the_key_is_taken_out_of_streams(fake: FakeProvider, wire: AiohttpTransport, model: str) -> None:
    response = await wire.open(*proven(request(fake.origin, model=model, stream=True)))
    whole = b"".join([piece async for piece in response.chunks()])
    assert KEY.encode() not in whole
    assert b"[redacted]" in whole


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, None])
async def test_the_bytes_of_an_answer_pass_untouched_however_they_are_cut(
    fake: FakeProvider, wire: AiohttpTransport, size: int | None
) -> None:
    sent = bytes(range(256)) * 4 + "π🙂\r\n\r\n".encode()
    fake.next(Answer(framing=Framing.CHUNKED, steps=(sent,), chunk_size=size))
    response = await wire.open(*proven(request(fake.origin)))
    assert b"".join([piece async for piece in response.chunks()]) == sent


# What goes wrong


@pytest.mark.parametrize(
    ("model", "error_class", "sent", "code"),
    [
        ("fake-drop", ErrorClass.UNREACHABLE, True, "upstream_disconnected"),
        ("fake-bad-http", ErrorClass.PROTOCOL, True, "upstream_protocol"),
        ("fake-many-headers", ErrorClass.PROTOCOL, True, "upstream_protocol"),
        ("fake-huge-header", ErrorClass.PROTOCOL, True, "upstream_protocol"),
        ("fake-cut-fin", ErrorClass.PROTOCOL, True, "upstream_cut"),
        ("fake-cut-rst", ErrorClass.PROTOCOL, True, "upstream_cut"),
        ("fake-cut-chunk", ErrorClass.PROTOCOL, True, "upstream_cut"),
        ("fake-redirect-302", ErrorClass.PROTOCOL, True, "upstream_redirect"),
    ],
)
async def test_a_broken_answer_is_one_typed_error(
    fake: FakeProvider, wire: AiohttpTransport, model: str, error_class: ErrorClass, *, sent: bool, code: str
) -> None:
    error = await failure(wire, request(fake.origin, model=model, stream=True))
    assert (error.error_class, error.sent, error.code, error.status) == (error_class, sent, code, 502)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(declared_length=100, steps=(b"short", 0.0), close=True),
        Answer(declared_length=100, steps=(b"short", 0.0, RESET)),
        Answer(framing=Framing.CLOSE, steps=(b"until the end", 0.01, RESET)),
        Answer(framing=Framing.RAW, steps=(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello",)),
    ],
    ids=["short", "short-reset", "close-delimited-reset", "bad-chunk-size"],
)
async def test_a_cut_body_is_never_taken_for_a_whole_one(
    fake: FakeProvider, wire: AiohttpTransport, answer: Answer
) -> None:
    fake.always(answer)
    assert (await failure(wire, request(fake.origin))).error_class is ErrorClass.PROTOCOL
    with pytest.raises(ProviderError):
        await read_body(wire, request(fake.origin))


async def test_an_endless_answer_is_cut_at_the_size_bound(fake: FakeProvider) -> None:
    bounded = transport(max_response_bytes=1_000_000)
    for model in ("fake-endless", "fake-giant-line"):
        error = await failure(bounded, request(fake.origin, model=model, stream=True))
        assert error.code == "upstream_too_large"
    await bounded.close()


@pytest.mark.parametrize(
    ("model", "changes", "code"),
    [
        ("fake-silent", {"first_byte_timeout_s": 0.1}, "first_byte_timeout"),
        ("fake-stall", {"idle_timeout_s": 0.1}, "idle_timeout"),
        ("fake-drip", {"total_timeout_s": 0.3}, "total_timeout"),
        ("fake-silent", {"total_timeout_s": 0.1}, "total_timeout"),
    ],
)
async def test_each_deadline_has_its_own_name(
    fake: FakeProvider, model: str, changes: dict[str, Any], code: str
) -> None:
    hurried = transport(**changes)
    error = await failure(hurried, request(fake.origin, model=model, stream=True))
    assert (error.error_class, error.sent, error.code, error.status) == (ErrorClass.TIMEOUT, True, code, 504)
    await hurried.close()


async def test_a_slow_but_steady_answer_outlives_the_idle_limit(fake: FakeProvider) -> None:
    patient = transport(idle_timeout_s=0.5, first_byte_timeout_s=0.5)
    steps = tuple(step for number in range(12) for step in (b"%d\n" % number, 0.06))
    fake.next(Answer(framing=Framing.CHUNKED, steps=steps))
    response = await patient.open(*proven(request(fake.origin)))
    whole = b"".join([piece async for piece in response.chunks()])
    assert whole.endswith(b"11\n")
    await patient.close()


async def test_a_refused_connection_was_not_sent(wire: AiohttpTransport) -> None:
    async with FakeProvider() as gone:
        origin = gone.origin
    error = await failure(wire, request(origin))
    assert (error.error_class, error.sent, error.code) == (ErrorClass.UNREACHABLE, False, "connect_failed")


async def test_a_connect_that_takes_too_long_was_not_sent() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    hurried = transport(lookup=never, connect_timeout_s=0.1)
    error = await failure(hurried, request("https://api.example.com"))
    assert (error.error_class, error.sent, error.code, error.status) == (
        ErrorClass.TIMEOUT,
        False,
        "connect_timeout",
        504,
    )
    await hurried.close()
