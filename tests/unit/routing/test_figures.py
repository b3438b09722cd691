from hypothesis import given
from hypothesis import strategies as st

from keystead.routing.figures import MAX_FIGURES, STALE_US, Figures


def test_what_was_never_measured_has_no_figure() -> None:
    assert Figures().first_byte_us("crd_1", "gpt-5", now_us=0) is None


def test_the_first_measurement_is_the_figure_and_later_ones_move_it() -> None:
    figures = Figures()
    figures.note("crd_1", "gpt-5", 100_000, now_us=0)
    assert figures.first_byte_us("crd_1", "gpt-5", now_us=0) == 100_000
    figures.note("crd_1", "gpt-5", 200_000, now_us=1)
    assert figures.first_byte_us("crd_1", "gpt-5", now_us=1) == 120_000
    assert figures.first_byte_us("crd_1", "gpt-4o", now_us=1) is None
    assert figures.first_byte_us("crd_2", "gpt-5", now_us=1) is None


def test_a_figure_that_nothing_renews_is_dropped_and_begins_anew() -> None:
    figures = Figures()
    figures.note("crd_1", "gpt-5", 900_000, now_us=0)
    assert figures.first_byte_us("crd_1", "gpt-5", now_us=STALE_US - 1) == 900_000
    assert figures.first_byte_us("crd_1", "gpt-5", now_us=STALE_US) is None
    figures.note("crd_1", "gpt-5", 100_000, now_us=STALE_US)
    assert figures.first_byte_us("crd_1", "gpt-5", now_us=STALE_US) == 100_000


def test_the_figure_longest_unrenewed_makes_room() -> None:
    figures = Figures()
    for number in range(MAX_FIGURES):
        figures.note("crd_1", str(number), 1, now_us=number)
    figures.note("crd_1", "0", 1, now_us=MAX_FIGURES)
    figures.note("crd_1", "new", 1, now_us=MAX_FIGURES)
    assert figures.first_byte_us("crd_1", "0", now_us=MAX_FIGURES) == 1
    assert figures.first_byte_us("crd_1", "1", now_us=MAX_FIGURES) is None
    assert figures.first_byte_us("crd_1", "2", now_us=MAX_FIGURES) == 1


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=50))
def test_a_figure_lies_among_what_was_measured(measured: list[int]) -> None:
    figures = Figures()
    for first_byte_us in measured:
        figures.note("crd_1", "gpt-5", first_byte_us, now_us=0)
    figure = figures.first_byte_us("crd_1", "gpt-5", now_us=0)
    assert figure is not None
    assert min(measured) <= figure <= max(measured)
