"""Histograms of durations: a percentile lies between the bounds of the true one."""

from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.durations import BOUNDS_US, BUCKETS, bucket_of
from keystead.metering.percentiles import LEAST, PERCENTS, percentile, times_of

durations = st.lists(
    st.one_of(st.integers(0, 200_000_000), st.sampled_from(BOUNDS_US).flatmap(lambda at: st.integers(at - 1, at + 1))),
    min_size=1,
    max_size=300,
)


def counted(values: list[int]) -> list[int]:
    buckets = [0] * BUCKETS
    for value in values:
        buckets[bucket_of(value)] += 1
    return buckets


@given(st.integers(-1, 10**12))
def test_a_duration_is_in_the_bucket_whose_bounds_it_lies_between(duration_us: int) -> None:
    number = bucket_of(duration_us)
    assert number == 0 or duration_us >= BOUNDS_US[number - 1]
    assert number == BUCKETS - 1 or duration_us < BOUNDS_US[number]


@given(durations, st.sampled_from(PERCENTS))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(values: list[int], percent: int) -> None:
    true = sorted(values)[-(-len(values) * percent // 100) - 1]
    found = percentile(counted(values), percent)
    assert found.from_us <= true
    assert found.to_us is None or true < found.to_us
    assert found.from_us <= found.at_us
    assert found.at_us < (found.to_us or found.at_us + 1)


@given(durations)
def test_of_more_it_takes_no_less(values: list[int]) -> None:
    times = times_of(counted(values))
    assert times is not None
    assert times.p50.at_us <= times.p95.at_us <= times.p99.at_us
    assert times.count == len(values)


def test_where_nothing_was_measured_nothing_is_said() -> None:
    assert times_of([0] * BUCKETS) is None


def test_beyond_the_last_bound_there_is_none_above() -> None:
    found = percentile(counted([200_000_000]), 50)
    assert (found.at_us, found.from_us, found.to_us) == (BOUNDS_US[-1], BOUNDS_US[-1], None)


def test_what_stands_on_few_says_so() -> None:
    few, some, many = ([1_000_000] * count for count in (LEAST - 1, LEAST, 100))
    assert [percentile(counted(few), percent).few for percent in PERCENTS] == [True, True, True]
    assert [percentile(counted(some), percent).few for percent in PERCENTS] == [False, False, True]
    assert [percentile(counted(many), percent).few for percent in PERCENTS] == [False, False, False]


def test_percentiles_are_interpolated_over_their_bucket() -> None:
    assert [percentile(counted([150_000] * 100), percent).at_us for percent in PERCENTS] == [149_500, 194_500, 198_500]
