"""The picture of a request's attempts: where bars lie is what is recorded, and nothing lies outside."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keystead.web.console.attempt_chain import LEFT, WIDTH, chain_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def attempt(number: int, at_us: int, took_us: int | None, first_us: int | None = None, **changes: Any) -> Any:
    return SimpleNamespace(
        **{
            "number": number,
            "started_at": BEGIN + timedelta(microseconds=at_us),
            "duration_us": took_us,
            "first_byte_us": first_us,
            "state": "settled",
            "error_class": None,
            "upstream_status": None,
            "credential": "main",
            "credential_id": "cred_1",
            "credential_version": 3,
            "owner": "own",
            "provider": "openai",
            "model_sent": "gpt-5",
            "reason": None,
            "consent_id": None,
        }
        | changes
    )


def request(duration_us: int | None) -> Any:
    return SimpleNamespace(started_at=BEGIN, duration_us=duration_us)


def test_bars_lie_where_the_record_says() -> None:
    first = attempt(1, 100_000, 200_000, state="rejected", error_class="throttled", upstream_status=429)
    second = attempt(
        2, 300_000, 700_000, 100_000, owner="platform", reason="throttled", consent_id="con_1", upstream_status=200
    )
    chain = chain_of(request(1_000_000), [first, second])
    before, failed, served = chain.bars
    a_second = 890 - LEFT
    assert (before.wait.x, before.wait.width, before.ended) == (LEFT, a_second * 0.1, "100 ms")
    assert (failed.wait.x, failed.wait.width, failed.answer) == (LEFT + a_second * 0.1, a_second * 0.2, None)
    assert (failed.failed, failed.ended) == (True, "rejected · throttled · HTTP 429 · 200 ms")
    assert served.wait.x == LEFT + a_second * 0.3
    assert served.answer is not None
    assert round(served.answer.x - served.wait.x, 6) == round(a_second * 0.1, 6)
    assert served.why == "the one before was throttled, a consent let the platform step in"
    assert "main v3, platform key at openai, gpt-5" in served.whole
    assert [label for _, label in chain.ticks] == ["0", "200 ms", "400 ms", "600 ms", "800 ms", "1.00 s"]


def test_an_attempt_under_way_has_no_end_and_a_long_name_is_cut_but_told_whole() -> None:
    name = "n" * 100
    chain = chain_of(request(None), [attempt(1, 5, None, state="intent", credential=name)])
    assert chain.bars[1].ended == "intent · –"
    assert chain.bars[1].name.endswith("…")
    assert name in chain.bars[1].whole


@given(
    st.integers(0, 10**10),
    st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**10), st.integers(0, 10**10)), min_size=1, max_size=6),
)
def test_nothing_lies_outside_the_picture(whole_us: int, times: list[tuple[int, int, int]]) -> None:
    chain = chain_of(request(whole_us), [attempt(n, *each) for n, each in enumerate(times, start=1)])
    for bar in chain.bars:
        for part in filter(None, (bar.wait, bar.answer)):
            assert part.width >= 0
            assert part.x >= LEFT
            assert part.x + part.width <= WIDTH
        assert 0 < bar.y < chain.height
    assert len(chain.ticks) <= 6
