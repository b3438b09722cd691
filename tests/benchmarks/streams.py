"""Streams that are translated: CPU of an event, delay of the first, and memory over many, for each pair of dialects.

    python -m tests.benchmarks.streams [--memory EVENTS | --gateway MINUTES]

Measured in this process, through what the gateway itself calls: bytes of the provider's in, bytes for the caller out.
`--memory` sends that many events through each pair and tells the memory after each tenth. `--gateway` sends one stream
through a gateway's own process for some minutes, as fast as it takes it.
"""

import argparse
import asyncio
import gc
import os
import re
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
import msgspec

from keystead.dialects.body import read_json
from keystead.domain.chat import ChatRequest, Finish, Finished, Started, TextDelta
from keystead.domain.usage import Usage
from keystead.gateway.ask import Ask
from keystead.gateway.translate import CHATS, translated
from keystead.gateway.translation import Translation, Wire
from keystead.providers.table import PROVIDERS
from tests.fakes.gateway import Gateway

_EVENTS: Final = 2_000
_TIMES: Final = 5
_TENTHS: Final = 10
_FIRSTS: Final = 200
_USAGE: Final = Usage(input_tokens=20, output_tokens=_EVENTS)
_PROVIDERS: Final = dict(zip(CHATS, ("anthropic", "google", "openai", "openai", "bedrock"), strict=True))
_MESSAGES: Final = b'"messages":[{"role":"user","content":"Hi"}]'
ASKED: Final = dict(
    zip(
        CHATS,
        (
            b'{"model":"m","max_tokens":9,"stream":true,' + _MESSAGES + b"}",
            b'{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}',
            b'{"model":"m","stream":true,' + _MESSAGES + b"}",
            b'{"model":"m","stream":true,"input":"Hi"}',
            b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}',
        ),
        strict=True,
    )
)


class Cost(msgspec.Struct, frozen=True):
    """What one pair costs."""

    event_us: float
    """CPU of an event, from the provider's bytes to the caller's."""
    first_us: float
    """From the first event's bytes to the first that go out, in the middle of many."""


def translation(caller: Wire, wire: Wire) -> Translation:
    """Return what translates a stream of `wire` for a caller."""
    body = ASKED[caller]
    ask = Ask(
        request_id="req_1",
        started_at=0,
        started_us=0,
        method="POST",
        dialect=caller[0],
        endpoint=caller[1],
        tail="",
        query=b"",
        headers={},
        model="m",
        stream=True,
        body=body,
        json=read_json(body),
    )
    return translated(ask, PROVIDERS[_PROVIDERS[wire]], wire, model="m")


def pairs() -> Iterator[tuple[Wire, Wire]]:
    """Yield who asks and what the provider speaks, where that differs."""
    return ((caller, wire) for wire in CHATS for caller in CHATS if caller != wire)


def stream(wire: Wire) -> tuple[bytes, bytes, bytes]:
    """Return the beginning of a provider's stream, an event with a word, and its end."""
    writer = CHATS[wire].stream_writer(ChatRequest(model="m", turns=(), stream=True), request_id="r", created_s=1)
    begun = writer.feed(Started(id="i", model="m")) + writer.feed(TextDelta(text="A"))
    word = writer.feed(TextDelta(text=" sunshine"))
    return begun, word, writer.feed(Finished(finish=Finish.STOP)) + writer.end(_USAGE)


def cost(caller: Wire, wire: Wire) -> Cost:
    """Measure a pair."""
    begun, word, end = stream(wire)
    best, firsts = float("inf"), []
    for _ in range(_TIMES):
        way = translation(caller, wire)
        way.feed(begun)
        started = time.process_time()
        for _ in range(_EVENTS):
            way.feed(word)
        best = min(best, time.process_time() - started)
        way.feed(end)
        way.end(_USAGE)
    for _ in range(_FIRSTS):
        way = translation(caller, wire)
        started = time.perf_counter()
        assert way.feed(begun)
        firsts.append(time.perf_counter() - started)
    return Cost(best / _EVENTS * 1e6, median(firsts) * 1e6)


def table(costs: dict[tuple[Wire, Wire], Cost]) -> str:
    """Return the figures as a table: a row for each dialect of a provider, a column for each of a caller."""
    names = [f"{endpoint}" for _, endpoint in CHATS]
    lines = [f"| from \\ to | {' | '.join(names)} |", f"| --- |{' --: |' * len(names)}"]
    for wire in CHATS:
        cells = [f"{costs[caller, wire].event_us:.0f}" if caller != wire else "" for caller in CHATS]
        lines.append(f"| {wire[1]} | {' | '.join(cells)} |")
    worst, first = max(c.event_us for c in costs.values()), max(c.first_us for c in costs.values())
    return "\n".join([*lines, "", f"µs of CPU for an event; the worst {worst:.0f}. First event: {first:.0f} µs."])


def memory(events: int) -> None:
    """Send many events through each pair and print what the process holds."""
    print("| from | to | MB after each tenth |\n| --- | --- | --- |")
    for caller, wire in pairs():
        begun, word, _ = stream(wire)
        way = translation(caller, wire)
        way.feed(begun)
        seen = []
        for _ in range(_TENTHS):
            for _ in range(events // _TENTHS):
                way.feed(word)
            seen.append(f"{rss_mb('self'):.0f}")
        print(f"| {wire[1]} | {caller[1]} | {' '.join(seen)} |", flush=True)
        del way
        gc.collect()


def rss_mb(process: int | str) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


# -- through a gateway ------------------------------------------------------------------------------------------------


async def through_gateway(minutes: float) -> None:
    """Send one stream of Anthropic's to a caller of OpenAI's chat completions, and print the gateway's memory."""
    wire = next(each for each in CHATS if each[0] == "anthropic")
    begun, word, end = stream(wire)
    began_at = 0.0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal began_at
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET "):  # the key is tried first
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
            )
            writer.close()
            return
        length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
        assert length is not None
        await reader.readexactly(int(length[1]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        began_at = time.perf_counter()
        writer.write(_chunk(begun))
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            writer.write(b"".join([_chunk(word)] * 20))
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(_chunk(end) + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        async with server, Gateway.running(Path(folder) / "home", egress_allow="127.0.0.1") as gateway:
            await gateway.add_credential(
                "anthropic", "anthropic", "sk-ant-api03-bench", origin=f"http://127.0.0.1:{port}"
            )
            await _listen(gateway, minutes, lambda: began_at)


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def _listen(gateway: Gateway, minutes: float, began_at: Callable[[], float]) -> None:
    """Take the stream and print what the gateway holds after each tenth."""
    headers = {"authorization": f"Bearer {gateway.virtual_key}", "content-type": "application/json"}
    asked = b'{"model":"anthropic/claude-m-1","stream":true,"max_completion_tokens":9,' + _MESSAGES + b"}"
    timeout = aiohttp.ClientTimeout(total=None)
    seen: list[str] = []
    events, ended = 0, b""
    async with gateway.session.post(
        f"{gateway.url}/v1/chat/completions", data=asked, headers=headers, timeout=timeout
    ) as reply:
        assert reply.status == 200, await reply.text()
        started, first_ms, used_s = time.monotonic(), 0.0, cpu_s(gateway.pid)
        async for chunk in reply.content.iter_any():
            first_ms = first_ms or (time.perf_counter() - began_at()) * 1000
            events += chunk.count(b"\n\n")
            ended = (ended + chunk)[-64:]
            if time.monotonic() - started > len(seen) * minutes * 60 / _TENTHS:
                seen.append(f"{rss_mb(gateway.pid):.0f}")
        used_s = cpu_s(gateway.pid) - used_s
    assert ended.endswith(b"data: [DONE]\n\n"), "the stream did not come to its end"
    print(f"{events:,} events in {minutes:g} minutes. Memory of the gateway in MB: {' '.join(seen)}.")
    print(f"First event {first_ms:.2f} ms behind the provider's; {used_s / events * 1e6:.0f} µs of CPU for an event.")


def cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.streams", description=__doc__)
    parser.add_argument("--memory", type=int, metavar="EVENTS", help="memory over so many events")
    parser.add_argument("--gateway", type=float, metavar="MINUTES", help="one stream through a gateway's process")
    asked = parser.parse_args()
    if asked.memory:
        memory(asked.memory)
    elif asked.gateway:
        asyncio.run(through_gateway(asked.gateway))
    else:
        print(table({pair: cost(*pair) for pair in pairs()}))


if __name__ == "__main__":
    main()
