"""A body that is sent slowly has the same bound here as on the inference paths (T38)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.attacks.raw import until_closed
from tests.fakes.gateway import Gateway

PATIENCE_S = 0.5
SLACK_S = 1.0


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway that grants a body, and the rest of one that was answered, half a second."""
    patience = str(PATIENCE_S)
    async with Gateway.running(tmp_path / "home", body_timeout_s=patience, header_timeout_s=patience) as running:
        yield running


def head(token: str, framing: str) -> bytes:
    return (
        "POST /admin/v1/teams HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\n{framing}"
    ).encode()


async def test_a_dripped_body_is_answered_as_a_problem_and_closed_in_time(gateway: Gateway) -> None:
    framings = (
        "Content-Length: 50000\r\n\r\n",
        "Content-Length: 50000\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5;x=",
        'Transfer-Encoding: chunked\r\n\r\n13\r\n{"name":"Dripping"}\r\n0\r\nX: ',
    )
    heads = [head(gateway.admin_token, framing) for framing in framings]
    for said, took_s in await asyncio.gather(*[until_closed(gateway.url, first, drip=b"a") for first in heads]):
        status, _, rest = said.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n")
        headers, _, body = rest.partition(b"\r\n\r\n")
        assert status == b"HTTP/1.1 408 Request Timeout"
        assert b"content-type: application/problem+json" in headers
        problem = msgspec.json.decode(body)
        assert (problem["status"], problem["code"], problem["fault"]) == (408, "slow_body", "caller")
        assert problem["detail"] == "The body took longer than 0.5 s."
        assert problem["request_id"].encode() in headers
        assert took_s < 2 * PATIENCE_S + SLACK_S
    names = [team["name"] for team in (await gateway.admin("GET", "/teams"))["items"]]
    assert names == ["Default team"], "nothing of it was done"


async def test_a_body_of_somebody_unknown_is_not_waited_for(gateway: Gateway) -> None:
    said, took_s = await until_closed(gateway.url, head("ksa_x", "Content-Length: 50000\r\n\r\n"), drip=b"a")
    assert said.startswith(b"HTTP/1.1 401 ")
    assert took_s < PATIENCE_S + SLACK_S
