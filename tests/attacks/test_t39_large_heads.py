"""T39: a head of any size costs its sender an error, and nobody memory."""

import pytest

from tests.attacks.conftest import Stage
from tests.attacks.raw import request, talk

pytestmark = pytest.mark.asyncio(loop_scope="session")

KB = 1024
HEADS = {
    "a header of 70 KB": [("X", "a" * 70 * KB)],
    "a header of 1 MB": [("X", "a" * 1000 * KB)],
    "a header name of 70 KB": [("X" * 70 * KB, "a")],
    "two headers of 40 KB in one piece": [("X", "a" * 40 * KB), ("Y", "b" * 40 * KB)],
    "four headers of 60 KB in one piece": [(name, "a" * 60 * KB) for name in "ABCD"],
    "5,000 headers": [(f"X-{number}", "a") for number in range(5000)],
    "100 headers beside Host": [(f"X-{number}", "a") for number in range(100)],
    "one header 5,000 times": [("Anthropic-Beta", "a")] * 5000,
}


@pytest.mark.parametrize("name", HEADS)
async def test_a_head_that_is_too_large_is_refused(stage: Stage, name: str) -> None:
    before_mb = stage.resident_mb()
    came = await talk(stage.gateway.url, request("GET", "/livez", HEADS[name]))
    assert (came.statuses, came.closed) == ([431], True)
    assert stage.resident_mb() - before_mb < 20


async def test_a_request_line_that_is_too_large_is_refused(stage: Stage) -> None:
    came = await talk(stage.gateway.url, request("GET", "/livez?" + "a" * 70 * KB))
    assert (came.statuses, came.closed) == ([431], True)


async def test_a_head_without_an_end_is_refused_before_it_has_one(stage: Stage) -> None:
    came = await talk(stage.gateway.url, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1000 * KB)
    assert (came.statuses, came.closed) == ([431], True)


async def test_a_large_head_that_real_clients_send_is_answered(stage: Stage) -> None:
    headers = [(f"X-{number}", "a" * 600) for number in range(98)]
    came = await talk(stage.gateway.url, request("GET", "/livez", headers))
    assert came.statuses == [200]


async def test_a_body_in_the_same_piece_does_not_count_as_head(each_stage: Stage) -> None:
    headers = [("Authorization", f"Bearer {each_stage.gateway.virtual_key}")]
    body = b'{"model":"my-openai/gpt-5","messages":[],"user":"%s"}' % (b"a" * 200 * KB)
    came = await talk(each_stage.gateway.url, request("POST", "/v1/chat/completions", headers, body))
    assert came.statuses == [200]
