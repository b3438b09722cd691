"""The lines of a batch's results, added up."""

import json
from typing import Any

from keystead.domain.records import Cost
from keystead.domain.traffic import CostState, Dialect, Endpoint
from keystead.domain.usage import Reading, UsageSource
from keystead.metering.batch_results import LINE_UNREADABLE, BatchResults
from keystead.metering.read_cache import CacheAnswer

USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


def priced(reading: Reading) -> Cost:
    if reading.source is UsageSource.NONE:
        return Cost(state=CostState.UNKNOWN)
    count = reading.usage.input_total
    return Cost(state=CostState.PRICED, pico=count, lines=(("input_tokens", str(count), "0.1"),), price_version="v1")


def results() -> BatchResults:
    return BatchResults(priced, provider="openai", dialect=Dialect.OPENAI, endpoint=Endpoint.CHAT, model="gpt-5")


def answered(status: int = 200, **body: Any) -> bytes:
    return json.dumps({"custom_id": "a", "response": {"status_code": status, "body": body}, "error": None}).encode()


def test_lines_add_up_and_failed_ones_are_not_billed() -> None:
    found = results()
    for line in (answered(model="gpt-5-2025", usage=USAGE), answered(usage=USAGE), answered(500), b"", b'{"error":{}}'):
        found.add(line)
    cost, reading = found.cost(), found.reading("batch_1")
    assert (cost.state, cost.pico, cost.lines) == (CostState.PRICED, 200, (("input_tokens", "200", "0.1"),))
    assert (reading.usage.input_total, reading.usage.output_total) == (200, 20)
    assert (reading.model, reading.service_tier, reading.response_id) == ("gpt-5-2025", "batch", "batch_1")


def test_a_line_that_cannot_be_read_makes_the_whole_unknown() -> None:
    for broken in (b"{", answered(model="gpt-5")):
        found = results()
        found.add(answered(usage=USAGE))
        found.add(broken)
        assert (found.cost().state, found.cost().pico) == (CostState.UNKNOWN, None)
        assert (LINE_UNREADABLE in found.reading("b").anomalies) == (broken == b"{")


def test_nothing_answered_costs_nothing() -> None:
    found = results()
    found.add(answered(400))
    assert (found.cost().state, found.cost().pico) == (CostState.FREE, 0)


def test_a_cache_is_counted_in_tokens_and_hours() -> None:
    times = {"createTime": "2030-01-01T00:00:00Z", "expireTime": "2030-01-01T01:30:00Z"}
    body = {"model": "models/gemini-2.5-pro", "usageMetadata": {"totalTokenCount": 5000}}
    for more, units in ((times, {"cached_token_hours": "7500"}), ({}, {})):
        answer = CacheAnswer("google")
        assert answer.body(json.dumps(body | more).encode())
        reading = answer.reading()
        assert (reading.usage.units, reading.model) == (units, "gemini-2.5-pro")
        assert (reading.source is UsageSource.NONE) == (not units)
