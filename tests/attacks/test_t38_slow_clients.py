"""T38: a client that takes its time takes nobody else's."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.conftest import ENDLESS, Stage, on_each
from tests.attacks.raw import connection, read_rest, request, until_closed

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENCE_S = 0.5
"""What `hasty_stage` grants a head, a body, and the rest of a body that was answered."""
SLACK_S = 1.0
DRIPS = 2_000


def keyed(stage: Stage, rest: bytes) -> bytes:
    key = stage.gateway.virtual_key.encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + key + b"\r\n" + rest


def held_by_a_process(port: int, client_port: int) -> bool:
    """Say whether the server's end of a connection still belongs to a process, and not to the kernel alone."""
    ends = (f":{port:04X}", f":{client_port:04X}")
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(ends[0]) and row[2].endswith(ends[1]) and row[9] != "0" for row in rows)


async def test_a_dripped_head_is_closed_in_time(hasty_stage: Stage) -> None:
    drips = (
        (b"", b""),
        (b"", b"\r\n"),
        (b"GET /", b"a"),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ", b"a"),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n", b"X: a\r\n"),
    )
    url = hasty_stage.gateway.url
    for (first, drip), (said, took_s) in zip(
        drips, await asyncio.gather(*[until_closed(url, first, drip=drip) for first, drip in drips]), strict=True
    ):
        assert took_s < PATIENCE_S + SLACK_S, first
        assert said.startswith(b"HTTP/1.1 408 ") if first or drip else not said


async def test_a_dripped_body_is_answered_and_closed_in_time(hasty_stages: tuple[Stage, Stage]) -> None:
    rests = (
        b"Content-Length: 100000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5;x=",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ",
        b"Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n",
    )

    async def attack(stage: Stage) -> None:
        drips = [until_closed(stage.gateway.url, keyed(stage, rest), drip=b"a") for rest in rests]
        for said, took_s in await asyncio.gather(*drips):
            assert b"HTTP/1.1 408 " in said
            assert took_s < 2 * PATIENCE_S + SLACK_S
        page = await stage.gateway.admin("GET", f"/requests?limit={len(rests)}")
        assert [(item["state"], item["status_code"]) for item in page["items"]] == [("rejected", 408)] * len(rests)

    await on_each(hasty_stages, attack)


async def test_a_body_that_nobody_waits_for_any_more_is_not_read_for_ever(hasty_stage: Stage) -> None:
    answered = {"/v1/chat/completions": b"401", "/nothing": b"404", "/livez": b"405"}
    heads = [f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" for path in answered]
    came = await asyncio.gather(*[until_closed(hasty_stage.gateway.url, head.encode(), drip=b"a") for head in heads])
    for (said, took_s), status in zip(came, answered.values(), strict=True):
        assert said.startswith(b"HTTP/1.1 " + status)
        assert took_s < PATIENCE_S + SLACK_S


async def test_line_ends_do_not_keep_an_idle_connection(hasty_stage: Stage) -> None:
    # Each one used to renew the connection's time, although no request had begun.
    said, took_s = await until_closed(hasty_stage.gateway.url, request("GET", "/livez"), drip=b"\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert took_s < PATIENCE_S + SLACK_S


async def test_the_head_of_a_second_request_has_no_more_time_than_the_first(hasty_stage: Stage) -> None:
    async with connection(hasty_stage.gateway.url) as (reader, writer), asyncio.timeout(PATIENCE_S + SLACK_S):
        writer.write(request("GET", "/livez"))
        assert (await reader.readuntil(b'{"alive":true}')).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET /livez HTTP/1.1\r\nHost: ")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_does_not_read_is_let_go(hasty_stages: tuple[Stage, Stage]) -> None:
    model = "my-openai/endless"
    body = json.dumps({"model": model, "stream": True, "messages": []}).encode()

    async def attack(stage: Stage) -> None:
        gateway = stage.gateway
        stage.fake.next(ENDLESS)
        port = int(gateway.url.rpartition(":")[2])

        async def ended() -> dict[str, Any] | None:
            page = await gateway.admin("GET", "/requests?limit=5")
            found = (item for item in page["items"] if item["model_asked"] == model and item["state"] != "intent")
            return next(found, None)

        async with connection(gateway.url, narrow=True) as (_, writer), asyncio.timeout(30):
            # Nothing is read from this connection: this side's buffers fill, then the gateway's.
            writer.write(keyed(stage, b"Content-Length: %d\r\n\r\n" % len(body)) + body)
            while (record := await ended()) is None:
                pass
            end = record["state"], record["error_code"], record["fault"]
            assert end == ("failed_billed", "slow_client", "caller")
            client_port = writer.get_extra_info("sockname")[1]
            while held_by_a_process(port, client_port):
                await stage.last_request()

    await on_each(hasty_stages, attack)


async def test_two_thousand_slow_clients_do_not_stop_good_traffic(hasty_stage: Stage) -> None:
    gateway = hasty_stage.gateway
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(connection(gateway.url)) for _ in range(DRIPS)]
        for _, writer in clients:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        waits = []
        for number in range(20):
            for _, writer in clients[number::20]:
                writer.write(b"a")
            began = loop.time()
            assert (await gateway.chat("my-openai/gpt-5")).status == 200
            waits.append(loop.time() - began)
        assert sorted(waits)[len(waits) // 2] < 0.5
        async with asyncio.timeout(PATIENCE_S + 10):
            said = [await read_rest(reader) for reader, _ in clients]
    assert all(text.startswith(b"HTTP/1.1 408 ") or not text for text in said)
