from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.ids import id_time_ms, new_id

INSTANTS = st.integers(0, (1 << 48) * 1000 - 1)


@given(INSTANTS)
def test_an_id_carries_its_time_to_the_millisecond(now_us: int) -> None:
    assert id_time_ms(new_id("req", now_us)) == now_us // 1000


@given(INSTANTS, INSTANTS)
def test_ids_sort_by_time(one: int, other: int) -> None:
    assert one >= other or new_id("req", one) < new_id("req", other)


@given(INSTANTS)
def test_ids_of_one_millisecond_sort_by_the_microsecond(now_us: int) -> None:
    start = now_us - now_us % 1000
    made = [new_id("evt", start + passed) for passed in range(1000)]
    assert made == sorted(made)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id("req", 1) for _ in range(10_000)}) == 10_000


@given(st.text(max_size=40))
def test_anything_else_carries_no_time(text: str) -> None:
    moment = id_time_ms(text)
    assert moment is None or 0 <= moment < 1 << 48


def test_another_alphabet_or_length_is_no_id() -> None:
    assert id_time_ms("req_") is None
    assert id_time_ms("req_" + "u" * 26) is None
    assert id_time_ms("req_" + "0" * 25) is None
    assert id_time_ms("req_" + "z" * 26) is None
