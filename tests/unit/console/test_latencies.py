"""What the overview says of how long answers took."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from keystead.domain.durations import BUCKETS
from keystead.metering.latency import LatencyLine
from keystead.metering.percentiles import Times, times_of
from keystead.metering.usage_views import UsageKey
from keystead.web.console.charts import strokes
from keystead.web.console.pages import latencies
from keystead.web.console.pages.periods import span_of

NOW_US = int(datetime(2026, 11, 26, 12, 30, tzinfo=UTC).timestamp() * 1_000_000)
SPAN = span_of({"span": "7d"}, NOW_US, ZoneInfo("UTC"))


def times(bucket: int, count: int = 100) -> Times | None:
    return times_of([count if number == bucket else 0 for number in range(BUCKETS)])


def line(day: int | None, name: str, duration: Times | None, first_token: Times | None = None) -> LatencyLine:
    by_day = () if day is None else (UsageKey(dimension="day", id=f"2026-11-{day}T00:00:00Z", name=f"2026-11-{day}"),)
    by_name = (UsageKey(dimension="model", id=name, name=name),) if name else ()
    attempts = 10 if duration is None else duration.count
    return LatencyLine(keys=(*by_day, *by_name), attempts=attempts, duration=duration, first_token=first_token)


def test_each_line_is_compared_with_the_span_before_and_drawn_over_time() -> None:
    lines = [line(None, "slow", times(6, 200)), line(None, "quick", times(1))]
    before = [line(None, "slow", times(5)), line(None, "gone", times(5))]
    over_time = [line(24, "slow", times(6)), line(25, "slow", times(6)), line(25, "quick", times(1))]
    slow, quick = latencies.paces(lines, before, over_time, SPAN)
    assert (slow.name, slow.attempts, slow.duration, slow.change) == ("slow", 200, times(6, 200), "+100 %")
    assert (quick.name, quick.change) == ("quick", "")
    assert slow.strokes == ("61.4,1.0 67.1,1.0 75.7,1.0 81.4,1.0",), "the fifth and the sixth of seven days"
    assert quick.strokes == ("75.7,1.0 81.4,1.0",)


def test_a_chart_has_the_half_and_what_is_added_until_95_of_100() -> None:
    lines = [line(24, "", times(6, 200)), line(25, "", None)]
    charted = latencies.over_time(lines, SPAN, "duration", "Time")
    assert charted is not None
    columns = {drawn.said.partition(":")[0]: drawn for drawn in charted.chart.columns}
    assert len(columns["Tue 24 Nov"].pieces) == 2
    assert "of 200" in columns["Tue 24 Nov"].said
    assert columns["Wed 25 Nov"].said == "Wed 25 Nov: not measured"
    assert latencies.over_time(lines, SPAN, "first_token", "Time") is None


def test_the_figures_of_the_whole_say_what_is_not_measured() -> None:
    numbers = latencies.numbers(line(None, "", times(3)), line(None, "", times(12)))
    assert [(number["title"], number["value"] is None) for number in numbers] == [
        ("Whole answer p50", False),
        ("Whole answer p95", False),
        ("First token p50", True),
        ("First token p95", True),
    ]
    assert [number["change"] for number in numbers] == [""] * 4, "what has no end is not compared"


def test_a_line_ends_where_nothing_was_measured() -> None:
    assert strokes([None, 5, 10, None, 10]) == ("26.0,10.0 34.0,10.0 46.0,1.0 54.0,1.0", "86.0,1.0 94.0,1.0")
    assert strokes([None]) == strokes([]) == ()
    assert strokes([0, 0]) == ("15.0,19.0 35.0,19.0 65.0,19.0 85.0,19.0",)
