"""The geometry of charts."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.metering.usage_views import UsageKey, UsageLine
from keystead.web.console.charts import HEIGHT, SERIES, WIDTH, Column, nice, stacked
from keystead.web.console.pages.periods import span_of
from keystead.web.console.pages.sums import OTHERS, REFUSED, charted

amounts = st.decimals(min_value=0, max_value=10**9, places=6)
NOW_US = int(datetime(2026, 11, 26, 12, 30, tzinfo=UTC).timestamp() * 1_000_000)


def column(*values: Decimal) -> Column:
    return Column(label="1 Nov", values=values, said="")


@given(st.lists(st.lists(amounts, min_size=2, max_size=2), max_size=40))
def test_everything_is_drawn_inside_of_the_box_and_stacked_without_gaps(data: list[list[Decimal]]) -> None:
    chart = stacked([column(*values) for values in data])
    for drawn in chart.columns:
        at = chart.base
        for piece in drawn.pieces:
            assert 0 <= piece.x <= piece.x + piece.width <= WIDTH + 0.01
            assert -0.01 <= piece.y <= chart.base <= HEIGHT
            assert abs(piece.y + piece.height - at) < 0.01
            at = piece.y
    outlines = [outline for _, path in chart.shapes for outline in path.split("M")[1:]]
    assert len(outlines) == sum(len(drawn.pieces) for drawn in chart.columns)


@given(st.decimals(min_value="0.000001", max_value=10**12, places=6))
def test_an_axis_has_three_to_five_round_steps_and_ends_not_far_above(value: Decimal) -> None:
    step, count = nice(value)
    assert 3 <= count <= 5
    assert step.normalize().as_tuple().digits in {(1,), (2,), (5,)}
    assert step * (count - 1) < value <= step * count <= value * Decimal("1.5")


@pytest.mark.parametrize(
    ("value", "step", "count"), [("48", "10", 5), ("50", "10", 5), ("51", "20", 3), ("1.37", "0.5", 3), ("0", "1", 1)]
)
def test_an_axis_ends_at_the_next_step(value: str, step: str, count: int) -> None:
    assert nice(Decimal(value)) == (Decimal(step), count)


def test_what_is_counted_has_no_halves() -> None:
    assert nice(Decimal(2), least=Decimal(1)) == (Decimal(1), 2)
    assert [tick.value for tick in stacked([column(Decimal(1)), column(Decimal(2))]).ticks] == [0, 1, 2]
    assert [tick.value for tick in stacked([column(Decimal("0.5"))]).ticks][-1] == Decimal("0.5")


def test_a_chart_of_nothing_is_a_chart() -> None:
    assert stacked([]).columns == ()
    assert stacked([column(Decimal(0))]).columns[0].pieces == ()


def line(day: str, name: str, cost: str, requests: int = 1, currency: str = "USD") -> UsageLine:
    keys = (
        UsageKey(dimension="day", id=f"{day}T00:00:00Z", name=day),
        UsageKey(dimension="provider", id=name, name=name),
    )
    return UsageLine(
        keys=keys,
        currency=currency,
        requests=requests,
        attempts=requests,
        input_total=10,
        output_total=5,
        tokens={},
        cost=cost,
        charge="0",
        priced=1,
        estimated=0,
        unpriced=0,
        unknown=0,
        duration_us=1,
    )


def test_a_chart_is_of_the_cost_and_of_requests_while_nothing_costs() -> None:
    span = span_of({"span": "7d"}, NOW_US, ZoneInfo("UTC"))
    dear = [line("2026-11-26", "openai", "1.5")]
    assert charted(dear, dear, span, "USD").measure == "Spend"
    free = [line("2026-11-26", "", "0", requests=3)]
    found = charted(free, free, span, "USD")
    assert (found.measure, found.series) == ("Requests", [REFUSED])
    assert found.chart.columns[-1].said == f"Thu 26 Nov: 3 ({REFUSED} 3)"


def test_midnight_is_an_hour_and_no_day_has_two_digits_for_one() -> None:
    by_hour = span_of({"span": "24h"}, NOW_US - 3_600_000_000, ZoneInfo("UTC"))
    assert [label for _, label in charted([], [], by_hour, "USD").chart.labels[3:6]] == ["21:00", "0:00", "3:00"]
    by_day = span_of({"span": "30d"}, NOW_US, ZoneInfo("UTC"))
    assert [label for _, label in charted([], [], by_day, "USD").chart.labels[:3]] == ["28 Oct", "1 Nov", "5 Nov"]


def test_what_the_whole_has_more_than_the_largest_is_all_others() -> None:
    span = span_of({"span": "7d"}, NOW_US, ZoneInfo("UTC"))
    whole = [line("2026-11-25", "", "36"), line("2026-11-26", "", "1"), line("2026-11-26", "", "9", currency="EUR")]
    largest = [line("2026-11-25", f"p{number}", str(number)) for number in range(5, 9)]
    found = charted(largest, whole, span, "USD")
    assert found.series == ["p8", "p7", "p6", "p5", OTHERS]
    assert len(found.series) == SERIES
    assert "others $10.00" in found.chart.columns[-2].said
    assert found.chart.columns[-1].said == "Thu 26 Nov: $1.00 (others $1.00)"


def test_what_came_between_two_looks_is_one_of_the_others_when_there_is_no_colour_left() -> None:
    span = span_of({"span": "7d"}, NOW_US, ZoneInfo("UTC"))
    found = charted(
        [line("2026-11-26", f"p{number}", str(number)) for number in range(1, 6)],
        [line("2026-11-26", "", "22")],
        span,
        "USD",
    )
    assert found.series == ["p5", "p4", "p3", "p2", OTHERS]
    assert "others $8.00" in found.chart.columns[-1].said


def test_what_was_settled_between_two_looks_is_not_drawn_below_nothing() -> None:
    span = span_of({"span": "7d"}, NOW_US, ZoneInfo("UTC"))
    found = charted([line("2026-11-26", "a", "2")], [line("2026-11-26", "", "1")], span, "USD")
    assert found.series == ["a"]
    assert charted([], [], span, "USD").series == []


def test_a_span_ends_after_now_in_whole_columns_and_knows_the_one_before() -> None:
    day = span_of({"span": "24h"}, NOW_US, ZoneInfo("UTC"))
    assert (day.by, len(day.columns()), day.until) == ("hour", 24, datetime(2026, 11, 26, 13, tzinfo=UTC))
    month = span_of({"span": "something"}, NOW_US, ZoneInfo("UTC"))
    assert (month.by, len(month.columns()), month.until) == ("day", 30, datetime(2026, 11, 27, tzinfo=UTC))
    assert month.before[1] == month.since


def test_days_begin_where_the_organization_is_also_when_clocks_change() -> None:
    zone = ZoneInfo("America/New_York")  # which leaves summer time on 1 November 2026
    month = span_of({}, NOW_US, zone)
    assert (month.since, month.until) == (
        datetime(2026, 10, 28, tzinfo=zone).astimezone(UTC),
        datetime(2026, 11, 27, tzinfo=zone).astimezone(UTC),
    )
    assert [at.astimezone(zone).hour for at in month.columns()] == [0] * 30
    assert month.before == (datetime(2026, 9, 28, 4, tzinfo=UTC), month.since)
    day = span_of({"span": "24h"}, NOW_US, ZoneInfo("Asia/Kolkata"))
    assert day.columns()[-1].astimezone(day.zone).strftime("%H:%M") == "17:30"
