"""Streams of an hour, of every provider's dialect to every caller's, at once through one gateway's process.

    python -m tests.benchmarks.long_streams [--minutes 60] [--pause 0.05]

Prints the gateway's memory after each tenth, the CPU of an event, how far the first event is behind the provider's, and
whether each stream came to its own end with the tokens and the cost that the provider told.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
import msgspec

from keystead.dialects.eventstream import CONTENT_TYPE
from keystead.gateway.translate import CHATS
from keystead.gateway.translation import Wire
from tests.benchmarks.streams import ASKED, cpu_s, rss_mb, stream
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Call, Framing, Step

_TENTHS: Final = 10
_UPSTREAMS: Final = dict(zip(CHATS, ("anthropic", "google", "openai", "perplexity", "bedrock"), strict=True))
"""Perplexity is the one that others reach in OpenAI's responses."""
_KEYS: Final = {
    "anthropic": "sk-ant-api03-bench-00000000",
    "google": "AIzaSyBench000000000000000000000000",
    "openai": "sk-proj-bench-0000000000",
    "perplexity": "pplx-bench-0000000000",
    "bedrock": "ABSKbench0000000000000000",
}
_PATHS: Final = dict(
    zip(
        CHATS,
        (
            "/v1/messages",
            "/v1beta/models/{0}:streamGenerateContent?alt=sse",
            "/v1/chat/completions",
            "/v1/responses",
            "/model/{1}/converse-stream",
        ),
        strict=True,
    )
)
_WORDS: Final = dict(
    zip(CHATS, ("/messages", "enerateContent", "/chat/completions", "/responses", "/converse"), strict=True)
)


class _Heard(msgspec.Struct):
    """What a caller has of its stream."""

    status: int = 0
    first: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    first_at: float = 0.0
    size: int = 0
    last: bytes = b""


class _Hour:
    """The streams of all pairs."""

    def __init__(self, *, seconds: float, pause: float) -> None:
        self._seconds = seconds
        self._pause = pause
        self.events = 0
        self.began: dict[str, float] = {}
        self.heard: dict[tuple[Wire, Wire], _Heard] = {}

    def answer(self, call: Call) -> Answer:
        """Answer as a provider: a first event, words for as long as it takes, and an end with usage."""
        if call.method == "GET":
            return Answer(steps=(b"{}",))
        if not call.marker:  # a key is tried with a call that is no request
            return Answer(status=400, steps=(b'{"error":{"message":"No messages."}}',))
        # By its path: Google and Perplexity speak chat completions as well, and are then asked in them.
        wire = next(wire for wire, word in _WORDS.items() if word in call.path)
        kind = CONTENT_TYPE if wire[1] == "converse" else "text/event-stream"
        steps = self._steps(wire, call.marker)
        return Answer(headers=(("content-type", kind),), steps=steps, framing=Framing.CHUNKED)

    def _steps(self, wire: Wire, marker: str) -> Iterator[Step]:
        begun, word, end = stream(wire)
        until = time.monotonic() + self._seconds
        self.began[marker] = time.perf_counter()
        yield begun
        while time.monotonic() < until:
            yield self._pause
            self.events += 1
            yield word
        yield end

    async def begin(self, gateway: Gateway) -> "asyncio.Future[list[None]]":
        """Begin all streams, each when the one before has its first event."""
        tasks = []
        for caller in CHATS:
            for wire in CHATS:
                heard = self.heard[caller, wire] = _Heard()
                tasks.append(asyncio.create_task(self._listen(gateway, caller, wire, heard)))
                await asyncio.wait_for(heard.first.wait(), 30)
        return asyncio.gather(*tasks)

    async def _listen(self, gateway: Gateway, caller: Wire, wire: Wire, heard: _Heard) -> None:
        """Call as a caller and take the stream to its end."""
        marker = f"{caller[1]}{wire[1]}"
        model = f"{_UPSTREAMS[wire]}/model-of-an-hour"
        body = ASKED[caller].replace(b'"m"', f'"{model}"'.encode()).replace(b"Hi", f"marker-{marker}".encode())
        path = _PATHS[caller].format(model, model.replace("/", "%2F"))
        async with gateway.session.post(
            f"{gateway.url}{path}",
            data=body,
            headers={"authorization": f"Bearer {gateway.virtual_key}", "content-type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None),
        ) as reply:
            heard.status = reply.status
            async for chunk in reply.content.iter_any():
                heard.first_at = heard.first_at or time.perf_counter() - self.began[marker]
                heard.first.set()
                heard.size += len(chunk)
                heard.last = (heard.last + chunk)[-400:]


def _running(folder: Path, minutes: float) -> AbstractAsyncContextManager[Gateway]:
    longest = str(minutes * 60 + 600)
    return Gateway.running(folder / "home", egress_allow="127.0.0.1", total_timeout_s=longest)


async def run(minutes: float, pause: float) -> None:
    """Run all pairs for so long and print what was seen."""
    hour = _Hour(seconds=minutes * 60, pause=pause)
    with tempfile.TemporaryDirectory() as folder:
        async with FakeProvider() as fake, _running(Path(folder), minutes) as gateway:
            fake.always(hour.answer)
            for name, key in _KEYS.items():
                await gateway.add_credential(name, name, key, origin=fake.origin)
            started, cpu = time.monotonic(), cpu_s(gateway.pid)
            listening = await hour.begin(gateway)
            seen = []
            for tenth in range(_TENTHS):
                await asyncio.wait({listening}, timeout=started + (tenth + 0.9) * minutes * 6 - time.monotonic())
                seen.append(f"{rss_mb(gateway.pid):.0f}")
                print(f"{(time.monotonic() - started) / 60:.1f} min: {seen[-1]} MB, {hour.events:,} events", flush=True)
            await listening
            cpu = cpu_s(gateway.pid) - cpu
            recorded = (await gateway.admin("GET", "/requests?limit=100"))["items"]
    _tell(hour, cpu, recorded)


def _tell(hour: _Hour, cpu: float, recorded: list[dict[str, object]]) -> None:
    firsts = [heard.first_at * 1000 for heard in hour.heard.values()]
    print(f"{len(hour.heard)} streams, {hour.events:,} events; {cpu / hour.events * 1e6:.0f} µs of CPU for an event.")
    print(f"First event {median(firsts):.2f} ms behind the provider's in the middle, {max(firsts):.2f} ms at worst.")
    for (caller, wire), heard in hour.heard.items():
        tail = heard.last[-60:]
        print(f"{wire[1]} to {caller[1]}: {heard.status}, {heard.size / 1e6:.1f} MB, ends {tail!r}")
    ends = sorted({(str(one["state"]), str(one["input_total"]), str(one["output_total"])) for one in recorded})
    print(f"{len(recorded)} recorded; state, tokens in and out: {ends}")


def main() -> None:
    """Measure for as long as asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.long_streams", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two events of a stream")
    asked = parser.parse_args()
    asyncio.run(run(asked.minutes, asked.pause))


if __name__ == "__main__":
    main()
