"""T37: one request is one request, whoever else on the way reads its bytes.

Each case is sent raw. Either it is refused and the connection closed, or it is exactly one request: its hidden second
request, which would be an administrator's, is never answered. What is expected is what RFC 9112 demands or allows.
"""

import pytest

from tests.attacks.conftest import OPENAI_KEY, Stage
from tests.attacks.raw import talk

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODY = b'{"model":"gpt-5","messages":[]}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

REFUSED = {
    "length and chunked": LENGTH + CHUNKED + b"\r\n" + CHUNKS + b"HIDDEN",
    "chunked and length": CHUNKED + LENGTH + b"\r\n" + CHUNKS + b"HIDDEN",
    "a list of lengths": b"Content-Length: %d, %d\r\n\r\n" % (len(BODY), len(BODY)) + BODY,
    "two lengths": LENGTH + b"Content-Length: 5\r\n\r\n" + BODY + b"HIDDEN",
    "the same length twice": LENGTH + LENGTH + b"\r\n" + BODY,
    "a signed length": b"Content-Length: +%d\r\n\r\n" % len(BODY) + BODY,
    "a negative length": b"Content-Length: -1\r\n\r\n" + BODY,
    "a hexadecimal length": b"Content-Length: 0x1f\r\n\r\n" + BODY,
    "an empty length": b"Content-Length: \r\n\r\n" + BODY,
    "a length in two words": b"Content-Length: 3 1\r\n\r\n" + BODY,
    "a length beyond 64 bits": b"Content-Length: 99999999999999999999\r\n\r\n" + BODY,
    "a coding that looks chunked": b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS + b"HIDDEN",
    "chunked is not last": b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS + b"HIDDEN",
    "identity": b"Transfer-Encoding: identity\r\n\r\n" + CHUNKS + b"HIDDEN",
    "chunked over gzip": b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
    "chunked twice": CHUNKED + CHUNKED + b"\r\n" + CHUNKS + b"HIDDEN",
    "a quoted coding": b'Transfer-Encoding: "chunked"\r\n\r\n' + CHUNKS + b"HIDDEN",
    "a coding after a vertical tab": b"Transfer-Encoding:\x0bchunked\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "a coding with a NUL": b"Transfer-Encoding: chunked\x00\r\n\r\n" + CHUNKS,
    "white space before the colon": b"Transfer-Encoding : chunked\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "white space before the name": b" Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "a bare LF ends a header": b"X: a\nTransfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "a bare CR inside a header": b"X: a\rTransfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + CHUNKS,
    "a folded header": b"X: a\r\n Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + BODY,
    "a header without a colon": b"Transfer-Encoding\r\n" + LENGTH + b"\r\n" + BODY,
    "a header without a name": b": chunked\r\n" + LENGTH + b"\r\n" + BODY,
    "a chunk that ends elsewhere": CHUNKED + b"\r\n%x\r\n%sXX0\r\n\r\n" % (len(BODY), BODY),
    "a chunk size with a bare LF": CHUNKED + b"\r\n%x\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    "a chunk size with 0x": CHUNKED + b"\r\n0x%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    "a negative chunk size": CHUNKED + b"\r\n-%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    "a chunk size beyond 64 bits": CHUNKED + b"\r\n%s\r\n%s\r\n0\r\n\r\n" % (b"f" * 17, BODY),
    "a bare LF in a chunk extension": CHUNKED + b"\r\n%x;a=\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    "a trailer that sets a length": CHUNKED + b"\r\n%x\r\n%s\r\n0\r\nContent-Length: 5\r\n\r\n" % (len(BODY), BODY),
    "an upgrade with a body": b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + LENGTH + b"\r\n" + BODY,
    "an upgrade with chunks": b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + CHUNKED + b"\r\n" + CHUNKS,
}

ONE_REQUEST = {
    "a plain request": LENGTH + b"\r\n" + BODY,
    "chunked": CHUNKED + b"\r\n" + CHUNKS,
    "chunked in capitals": b"Transfer-Encoding: CHUNKED\r\n\r\n" + CHUNKS,
    "a chunk extension": CHUNKED + b"\r\n%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    "a header that is not Content-Length": b"Content_Length: 2\r\n" + LENGTH + b"\r\n" + BODY,
    "a length named as a hop's own": b"Connection: content-length\r\n" + LENGTH + b"\r\n" + BODY,
    "a second request in the same breath": LENGTH + b"\r\n" + BODY + b"HIDDEN",
    "a second request after the last chunk": CHUNKED + b"\r\n" + CHUNKS + b"HIDDEN",
    "more after the client said it would close": b"Connection: close\r\n" + LENGTH + b"\r\n" + BODY + b"HIDDEN",
}


def attack(stage: Stage, rest: bytes, *, version: bytes = b"1.1") -> bytes:
    gateway = stage.gateway
    hidden = b"GET /admin/v1/self HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"
    return (
        b"POST /v1/chat/completions HTTP/%s\r\nHost: localhost\r\nContent-Type: application/json\r\n" % version
        + b"Authorization: Bearer %s\r\n" % gateway.virtual_key.encode()
        + rest.replace(b"HIDDEN", hidden % gateway.admin_token.encode())
    )


@pytest.mark.parametrize("name", REFUSED)
async def test_a_body_framed_in_two_ways_is_refused_and_the_connection_closed(stage: Stage, name: str) -> None:
    before = len(stage.fake.calls)
    came = await talk(stage.gateway.url, attack(stage, REFUSED[name]))
    assert came.statuses == [400]
    assert came.closed
    assert len(stage.fake.calls) == before


@pytest.mark.parametrize("name", ONE_REQUEST)
async def test_what_is_clear_is_one_request_and_nothing_is_left_over(each_stage: Stage, name: str) -> None:
    before = len(each_stage.fake.calls)
    came = await talk(each_stage.gateway.url, attack(each_stage, ONE_REQUEST[name]))
    assert came.statuses == [200]
    assert b"organization" not in came.answers[0].body
    [call] = each_stage.fake.calls[before:]
    assert (await each_stage.last_request())["id"] == came.answers[0].headers["x-keystead-request-id"]
    assert call.body == BODY
    assert call.auth == f"Bearer {OPENAI_KEY}"


@pytest.mark.parametrize(
    ("version", "rest", "status"),
    [
        (b"1.0", CHUNKED + b"\r\n" + CHUNKS, 400),
        (b"0.9", LENGTH + b"\r\n" + BODY, 505),
        (b"2.0", LENGTH + b"\r\n" + BODY, 505),
        (b"2.0", CHUNKED + b"\r\n" + CHUNKS, 505),
        (b"1.2", LENGTH + b"\r\n" + BODY, 400),
        (b"9.9", LENGTH + b"\r\n" + BODY, 400),
    ],
)
async def test_other_versions_of_http_are_refused(stage: Stage, version: bytes, rest: bytes, status: int) -> None:
    came = await talk(stage.gateway.url, attack(stage, rest, version=version))
    assert (came.statuses, came.closed) == ([status], True)


async def test_the_body_of_an_upgrade_never_becomes_the_next_request(stage: Stage) -> None:
    # The parser leaves HTTP behind such a head: sent apart from it, the body would be read as a request.
    hidden = attack(stage, b"HIDDEN").partition(b"GET /admin")
    smuggled = b"GET /admin" + hidden[2]
    head = b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
    came = await talk(stage.gateway.url, attack(stage, head), smuggled)
    assert (came.statuses, came.closed) == ([400], True)


async def test_nothing_follows_an_upgrade_that_is_not_made(stage: Stage) -> None:
    head = b"GET /v1/responses HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    came = await talk(stage.gateway.url, head + attack(stage, LENGTH + b"\r\n" + BODY))
    assert (came.statuses, came.closed) == ([426], True)


async def test_a_body_that_waits_for_a_hundred_is_not_waited_for_after_a_refusal(stage: Stage) -> None:
    # Whether the body follows is then the client's choice (RFC 9110 §10.1.1): a connection that went on would be read
    # in two ways.
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\n"
    )
    came = await talk(stage.gateway.url, head)
    assert (came.statuses, came.closed) == ([401], True)


async def test_a_body_that_waits_for_a_hundred_is_asked_for(each_stage: Stage) -> None:
    came = await talk(each_stage.gateway.url, attack(each_stage, b"Expect: 100-continue\r\n" + LENGTH + b"\r\n" + BODY))
    assert came.statuses == [200]


async def test_what_follows_an_answer_that_came_before_the_body_is_still_that_body(stage: Stage) -> None:
    hidden = attack(stage, b"HIDDEN").partition(b"GET /admin")
    smuggled = b"GET /admin" + hidden[2]
    head = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
    came = await talk(stage.gateway.url, head + smuggled)
    assert came.statuses == [404]


async def test_garbage_never_lands_inside_an_answer(each_stage: Stage) -> None:
    body = b'{"model":"my-openai/stream-40-5","stream":true,"messages":[]}'
    asked = attack(each_stage, b"Content-Length: %d\r\n\r\n" % len(body) + body)
    came = await talk(each_stage.gateway.url, asked + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01\x02")
    assert came.statuses == [200]
    assert came.answers[0].body.endswith(b"data: [DONE]\n\n")
