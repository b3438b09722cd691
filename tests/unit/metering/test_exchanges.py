"""Every rule of every provider, on whole exchanges: one file each in tests/fixtures/exchanges, read by the real meter.

The exchanges are made up in exactly the documented shapes; their `expected_usage` was worked out by hand. With
TEST_RECORDED naming a folder, recorded real exchanges are checked in the same way. Their files have at
least `provider`, `url`, `response_body` and `expected_usage`, a mapping of any of Usage's counts and totals; other
names in it are passed over, because a recording may know more than a meter reads.
"""

import json
import os
import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.usage import COUNTS, Reading, UsageSource
from keystead.metering.meter import Meter, meter_for
from tests.acceptance.exchanges import KINDS

FOLDER = Path(__file__).parents[2] / "fixtures" / "exchanges"
EXCHANGES = {path.stem: json.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}
STREAMS = [name for name, exchange in EXCHANGES.items() if exchange["stream"]]

RECORDED = os.environ.get("TEST_RECORDED", "")
RECORDINGS = sorted(Path(RECORDED).glob("*.json")) if RECORDED else []


def meter_of(exchange: dict[str, Any]) -> Meter:
    return meter_for(
        exchange["provider"],
        Dialect(exchange["dialect"]),
        Endpoint(exchange["endpoint"]),
        stream=exchange["stream"],
        content_type=exchange["response_headers"]["content-type"],
        request_model=exchange["request_model"],
        spoken_characters=len(exchange["request_body"]["input"]) if exchange["endpoint"] == "speech" else 0,
    )


def read(exchange: dict[str, Any], *chunks: bytes, complete: bool = True) -> Reading:
    meter = meter_of(exchange)
    for chunk in chunks:
        meter.feed(chunk)
    return meter.finish(complete=complete)


def body_of(exchange: dict[str, Any]) -> bytes:
    body: str = exchange["response_body"]
    return body.encode()


def counts_of(reading: Reading) -> dict[str, Any]:
    counts: dict[str, Any] = {name: getattr(reading.usage, name) for name in COUNTS}
    return {name: count for name, count in counts.items() if count} | (
        {"units": reading.usage.units} if reading.usage.units else {}
    )


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_usage_is_what_the_provider_counted(name: str) -> None:
    exchange = EXCHANGES[name]
    reading = read(exchange, body_of(exchange))

    assert counts_of(reading) == (exchange["expected_usage"] or {})
    if exchange["expected_usage"] is None:
        assert reading.source is UsageSource.NONE


@pytest.mark.parametrize("name", EXCHANGES)
def test_what_else_is_known_is_read_too(name: str) -> None:
    exchange = EXCHANGES[name]
    reading = read(exchange, body_of(exchange))

    for field, expected in exchange["expected"].items():
        found = getattr(reading, field)
        if field == "raw":
            assert msgspec.json.decode(found) == expected
        elif field == "anomalies":
            assert list(found) == expected
        else:
            assert found == expected, field


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_sizes_of_the_chunks_make_no_difference(name: str) -> None:
    exchange = EXCHANGES[name]
    body = body_of(exchange)
    whole = read(exchange, body)

    assert read(exchange, *[body[at : at + 1] for at in range(len(body))]) == whole
    chance = random.Random(name)
    for _ in range(10):
        cuts = sorted(chance.randrange(len(body) + 1) for _ in range(chance.randrange(1, 40)))
        chunks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        assert read(exchange, *chunks) == whole


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_anywhere_is_never_a_silent_zero(name: str) -> None:
    exchange = EXCHANGES[name]
    body = body_of(exchange)
    whole = read(exchange, body)

    for end in range(len(body)):
        cut = read(exchange, body[:end], complete=False)
        if cut.source is UsageSource.PROVIDER:
            # Only a provider's last word may be called that.
            assert cut.usage == whole.usage
        else:
            assert not cut.finished or whole.source is UsageSource.NONE
        if cut.source is UsageSource.PROVIDER_PARTIAL:
            assert cut.usage.input_total + cut.usage.output_total > 0


def test_a_stream_cut_before_its_first_usage_says_that_nothing_is_known() -> None:
    for name in STREAMS:
        exchange = EXCHANGES[name]
        body = body_of(exchange)
        first = re.search(rb'"usage(Metadata)?":\s*\{', body)
        if first is not None:
            cut = read(exchange, body[: first.start()], complete=False)
            assert cut.source is UsageSource.NONE, name
            assert not cut.finished, name


def test_the_total_the_provider_states_holds_or_is_flagged() -> None:
    held = 0
    for exchange in EXCHANGES.values():
        reading = read(exchange, body_of(exchange))
        raw = msgspec.json.decode(reading.raw) if reading.raw is not None else {}
        total = raw.get("total_tokens", raw.get("totalTokenCount"))
        if total is None or reading.source is UsageSource.NONE or "image_tool_added" in reading.anomalies:
            continue
        held += 1
        differs = reading.usage.input_total + reading.usage.output_total != total
        assert differs == ("total_mismatch" in reading.anomalies)
    assert held > 30


def test_every_provider_has_an_exchange() -> None:
    from keystead.providers.table import PROVIDERS

    assert {exchange["provider"] for exchange in EXCHANGES.values()} == set(PROVIDERS)


if RECORDINGS:

    @pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
    def test_a_recorded_exchange_has_the_usage_it_was_recorded_with(path: Path) -> None:
        exchange = json.loads(path.read_bytes())
        upstream = urlsplit(exchange["url"]).path
        spoken = next(((dialect, endpoint) for end, dialect, endpoint in KINDS if re.search(end, upstream)), None)
        expected = exchange.get("expected_usage") or {}
        wanted = {name: expected[name] for name in (*COUNTS, "input_total", "output_total") if name in expected}
        if spoken is None or not wanted or exchange.get("status", 200) != 200:
            pytest.skip("not an answer that is metered, or its counts have other names")
        body = exchange["response_body"].encode()
        events = body.startswith((b"data:", b"event:", b":"))
        meter = meter_for(
            exchange["provider"],
            *spoken,
            stream=events or "streamGenerateContent" in upstream,
            content_type="text/event-stream" if events else "application/json",
            request_model="",
        )
        meter.feed(body)
        reading = meter.finish(complete=True)

        assert {name: getattr(reading.usage, name) for name in wanted} == wanted
