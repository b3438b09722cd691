from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.metering.read_counts import Counts, Modal, exact_number, exact_text, input_counts

COUNT = st.integers(0, 1000)
PARTS = st.builds(Modal, COUNT, COUNT, COUNT)


@given(total=COUNT, parts=PARTS, cached=COUNT, cached_parts=st.none() | PARTS, written=COUNT)
def test_the_parts_of_an_input_always_sum_to_it(
    total: int, parts: Modal, cached: int, cached_parts: Modal | None, written: int
) -> None:
    counts = Counts()
    fields = input_counts(counts, total=total, parts=parts, cached=cached, cached_parts=cached_parts, written=written)
    kept = min(written, total - min(cached, total))
    assert sum(fields.values()) + kept == total
    assert all(count >= 0 for count in fields.values())
    if cached + written > total:
        assert "cached_exceeds_input" in counts.anomalies


@given(text=COUNT, audio=COUNT, image=COUNT, cached=COUNT)
def test_without_details_text_is_what_is_cached_first(text: int, audio: int, image: int, cached: int) -> None:
    total = text + audio + image
    fields = input_counts(Counts(), total=total, parts=Modal(audio, image), cached=min(cached, total))
    assert fields["input_tokens"] == max(0, text - cached)
    assert fields["cache_read_audio_tokens"] == min(audio, max(0, min(cached, total) - text))


def test_details_of_the_cached_tokens_are_believed_where_they_fit() -> None:
    fields = input_counts(
        Counts(), total=1000, parts=Modal(audio=600, image=100), cached=500, cached_parts=Modal(audio=400, image=50)
    )
    assert fields == {
        "input_tokens": 250,
        "input_audio_tokens": 200,
        "input_image_tokens": 50,
        "input_video_tokens": 0,
        "cache_read_tokens": 100,
        "cache_read_audio_tokens": 400,
    }


def test_details_of_the_cached_tokens_that_contradict_the_prompt_are_flagged() -> None:
    # Recorded from Vertex: the prompt calls the pages of a PDF documents, the cache calls them images.
    counts = Counts()
    fields = input_counts(counts, total=1344, cached=1274, cached_parts=Modal(image=1223))
    assert (fields["input_tokens"], fields["cache_read_tokens"]) == (70, 1274)
    assert counts.anomalies == ["modality_exceeds_input"]


@pytest.mark.parametrize(
    ("amount", "scale", "text"),
    [
        (1724000, -10, "0.0001724"),
        (Decimal("1.50"), 0, "1.5"),
        (Decimal("8.25e-05"), 0, "0.0000825"),
        (100, 0, "100"),
        (0, 0, "0"),
        (Decimal("0.0"), 0, "0"),
        (-1, 0, None),
        (10**15, 0, None),
        (Decimal("1e-40"), 0, None),
        (Decimal("NaN"), 0, None),
        ("1", 0, None),
        (True, 0, None),
        (None, 0, None),
    ],
)
def test_amounts_are_exact_plain_text_or_nothing(amount: object, scale: int, text: str | None) -> None:
    assert exact_text(amount, scale=scale) == text


def test_a_number_keeps_every_digit_it_was_written_with() -> None:
    assert exact_number("0.1234567890123456789012345") == Decimal("0.1234567890123456789012345")
    assert exact_number("1e99999999999999999999").is_nan()
    assert exact_number("0." + "1" * 100).is_nan()
