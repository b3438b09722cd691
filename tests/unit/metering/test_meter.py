import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.usage import COUNTS, Reading, UsageSource
from keystead.metering.meter import _ANSWERS, MOST_KEPT, meter_for

CHAT = (Dialect.OPENAI, Endpoint.CHAT)
RESPONSES = (Dialect.OPENAI, Endpoint.RESPONSES)
MESSAGES = (Dialect.ANTHROPIC, Endpoint.MESSAGES)
GENERATE = (Dialect.GEMINI, Endpoint.GENERATE)
SSE = "text/event-stream"
JSON = "application/json"
USAGE = {"prompt_tokens": 21, "completion_tokens": 3, "total_tokens": 24}


def read(
    spoken: tuple[Dialect, Endpoint],
    *chunks: bytes,
    stream: bool = False,
    kind: str = JSON,
    complete: bool = True,
    provider: str = "openai",
) -> Reading:
    meter = meter_for(provider, *spoken, stream=stream, content_type=kind, request_model="m")
    for chunk in chunks:
        meter.feed(chunk)
    return meter.finish(complete=complete)


def chat(usage: object, **more: object) -> Reading:
    return read(CHAT, json.dumps({"id": "c", "model": "m", "choices": [], "usage": usage} | more).encode())


def events(*items: object) -> bytes:
    return b"".join([b"data: " + json.dumps(item).encode() + b"\n\n" for item in items])


# -- counts that cannot be right ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "taken", "anomaly"),
    [
        (-5, 0, "negative_count"),
        (10**12, 10**12 - 1, "absurd_count"),
        (10**30, 10**12 - 1, "absurd_count"),
        (12.5, 13, "fractional_count"),
        ("12", 0, "not_a_count"),
        (True, 0, "not_a_count"),
        ([], 0, "not_a_count"),
    ],
)
def test_a_count_that_cannot_be_right_is_bounded_and_flagged(count: object, taken: int, anomaly: str) -> None:
    reading = chat({"prompt_tokens": count, "completion_tokens": 3})
    assert reading.usage.input_tokens == taken
    assert reading.usage.output_tokens == 3
    assert reading.anomalies == (anomaly,)


def test_a_whole_number_written_with_a_fraction_is_that_number() -> None:
    reading = chat({"prompt_tokens": 12.0, "completion_tokens": 1e2})
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.anomalies) == (12, 100, ())


def test_numbers_made_to_exhaust_the_machine_are_harmless() -> None:
    for number in (b"1e999999999", b"9" * 5000, b"0." + b"1" * 5000, b"1e-999999999", b"1e99999999999999999999"):
        body = b'{"usage":{"prompt_tokens":%b,"completion_tokens":3,"cost":%b}}' % (number, number)
        for provider in ("openai", "openrouter"):
            reading = read(CHAT, body, provider=provider)
            assert reading.anomalies
            assert reading.usage.input_total < 10**12
            assert len(reading.provider_cost or "") < 60


def test_cached_tokens_beyond_the_prompt_are_cut_to_it() -> None:
    reading = chat({"prompt_tokens": 7, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 163}})
    assert (reading.usage.cache_read_tokens, reading.usage.input_tokens) == (7, 0)
    assert "cached_exceeds_input" in reading.anomalies


def test_a_total_that_does_not_add_up_is_flagged_and_the_parts_stand() -> None:
    reading = chat(USAGE | {"total_tokens": 23})
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (21, 3)
    assert reading.anomalies == ("total_mismatch",)


def test_zeros_from_a_provider_are_flagged() -> None:
    reading = chat({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    assert reading.source is UsageSource.PROVIDER
    assert reading.anomalies == ("usage_zero",)


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": None}, {"queue_time": 0.1}, [], "none", 7])
def test_a_usage_object_without_a_count_tells_nothing(usage: object) -> None:
    reading = chat(usage)
    assert reading.source is UsageSource.NONE
    assert reading.raw is None
    assert "usage_missing" in reading.anomalies


# -- what is kept -------------------------------------------------------------------------------------------------


def test_the_usage_object_is_kept_verbatim() -> None:
    raw = b'{ "prompt_tokens" : 1,\n "completion_tokens":2, "new_in_2027": {"x": 1.50} }'
    assert read(CHAT, b'{"id":"c","usage":' + raw + b"}").raw == raw


def test_a_usage_object_that_is_no_text_is_not_kept() -> None:
    reading = read(CHAT, b'{"usage":{"prompt_tokens":1,"x":"\xff"}}')
    assert (reading.raw, reading.source) == (None, UsageSource.NONE)
    assert "usage_unreadable" in reading.anomalies


def test_a_giant_usage_object_is_counted_and_not_kept() -> None:
    reading = chat(USAGE | {"padding": "x" * 70_000})
    assert reading.usage.input_tokens == 21
    assert (reading.raw, reading.anomalies) == (None, ("usage_too_large",))


def test_names_that_are_no_names_are_not_kept() -> None:
    for name in (7, "", "a\nb", "x" * 300, ["m"], "\u0000"):
        reading = chat(USAGE, id=name, model=name, service_tier=name)
        assert (reading.response_id, reading.model, reading.service_tier) == (None, None, None)
        assert reading.usage.input_tokens == 21


def test_members_of_the_wrong_type_do_not_cost_the_usage() -> None:
    reading = chat(USAGE, choices={"odd": 1}, x_groq="odd", error=None, service_tier=7)
    assert (reading.usage.input_tokens, reading.finished) == (21, True)


def test_an_error_is_kept_short_and_on_one_line() -> None:
    reading = read(CHAT, json.dumps({"error": {"code": "c" * 100, "message": "line\n" * 200}}).encode())
    assert reading.error is not None
    assert len(reading.error) <= 64 + 2 + 200
    assert reading.error.isprintable()
    assert not reading.finished


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"message": "m", "type": "t", "code": None}, "t: m"),
        ({"message": "m", "type": "t", "code": "c"}, "c: m"),
        ({"message": "m", "code": 429, "status": "RESOURCE_EXHAUSTED"}, "RESOURCE_EXHAUSTED: m"),
        ({"message": "m", "code": 429}, "429: m"),
        ({"message": "m"}, "error: m"),
        ("plain words", "plain words"),
        ([1], "error"),
    ],
)
def test_the_errors_of_all_dialects_read_alike(error: object, text: str) -> None:
    assert read(CHAT, events({"error": error}), stream=True, kind=SSE).error == text


def test_an_error_event_without_an_error_object_is_an_error() -> None:
    reading = read(CHAT, b'event: error\ndata: {"message":"m","type":"t"}\n\n', stream=True, kind=SSE)
    assert reading.error == "t: m"


# -- bounds -------------------------------------------------------------------------------------------------------


def test_the_usage_of_a_body_too_large_to_keep_is_found_in_its_tail() -> None:
    vectors = b",".join([b'{"object":"embedding","embedding":[' + b"0.123456," * 999 + b"0.1]}"] * 1000)
    body = b'{"object":"list","data":[' + vectors + b'],"model":"e","usage":{"prompt_tokens":436,"total_tokens":436}}'
    assert len(body) > MOST_KEPT
    chunks = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    reading = read((Dialect.OPENAI, Endpoint.EMBEDDINGS), *chunks)
    assert (reading.usage.input_tokens, reading.model) == (436, "e")
    assert reading.anomalies == ("body_too_large",)


def test_a_usage_inside_the_content_of_a_large_body_is_not_the_usage() -> None:
    inner = b'{"usage":{"prompt_tokens":9}}'
    body = b'{"data":["' + b"x" * MOST_KEPT + b'",' + inner + b'],"usage":{"prompt_tokens":436}}'
    assert read(CHAT, body).usage.input_tokens == 436
    assert read(CHAT, body.replace(b'"usage":{"prompt_tokens":436}', b'"x":1')).source is UsageSource.NONE


def test_a_giant_event_is_passed_over_and_flagged() -> None:
    giant = b"data: " + b"x" * (MOST_KEPT + 1) + b"\n\n"
    last = events({"id": "c", "model": "m", "choices": [], "usage": USAGE})
    reading = read(CHAT, giant, last, stream=True, kind=SSE)
    assert reading.usage.input_tokens == 21
    assert "event_too_large" in reading.anomalies


# -- framing ------------------------------------------------------------------------------------------------------


def test_the_content_type_decides_how_an_answer_is_framed() -> None:
    body = json.dumps({"id": "c", "usage": USAGE}).encode()
    assert read(CHAT, body, stream=True, kind="application/json; charset=utf-8").usage.input_tokens == 21
    last = events({"id": "c", "choices": [], "usage": USAGE})
    assert read(CHAT, last, stream=False, kind=SSE).usage.input_tokens == 21
    assert read(CHAT, last, stream=True, kind="").usage.input_tokens == 21


def test_an_answer_that_is_no_json_is_flagged_if_it_is_whole() -> None:
    assert read(CHAT, b"<html>").anomalies == ("body_unreadable",)
    assert read(CHAT, b'{"usage":{"prompt').anomalies == ("body_unreadable",)
    assert read(CHAT, b'{"usage":{"prompt', complete=False).anomalies == ()


def test_a_last_event_without_an_empty_line_counts_if_it_is_whole() -> None:
    last = events({"id": "c", "model": "m", "choices": [], "usage": USAGE}).rstrip()
    assert read(CHAT, last, stream=True, kind=SSE).usage.input_tokens == 21
    cut = read(CHAT, last[:-2], stream=True, kind=SSE, complete=False)
    assert (cut.source, cut.anomalies) == (UsageSource.NONE, ())


def test_a_stream_that_only_says_it_is_done_ends_without_usage() -> None:
    reading = read(CHAT, b"data: [DONE]\n\n", stream=True, kind=SSE)
    assert (reading.finished, reading.source) == (True, UsageSource.NONE)


def test_done_inside_the_content_is_not_the_end() -> None:
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "[DONE]"}, "finish_reason": None}]}
    assert not read(CHAT, events(chunk, chunk), stream=True, kind=SSE).finished


def test_an_unfinished_growing_usage_is_partial() -> None:
    chunk = {"id": "c", "model": "m", "choices": [{"delta": {"content": "Hi"}, "finish_reason": None}], "usage": USAGE}
    reading = read(CHAT, events(chunk), stream=True, kind=SSE, complete=False, provider="perplexity")
    assert (reading.source, reading.finished) == (UsageSource.PROVIDER_PARTIAL, False)
    assert reading.usage.input_tokens == 21


def test_a_stream_without_done_that_gave_a_finish_reason_and_ended_in_order_has_ended() -> None:
    chunk = {"id": "c", "model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}]}
    assert read(CHAT, events(chunk), stream=True, kind=SSE, complete=True).finished
    assert not read(CHAT, events(chunk), stream=True, kind=SSE, complete=False).finished


# -- Anthropic ----------------------------------------------------------------------------------------------------


def message(usage: dict[str, Any]) -> Reading:
    return read(MESSAGES, json.dumps({"id": "msg", "usage": usage}).encode(), provider="anthropic")


def test_an_iteration_of_a_kind_not_known_yet_is_added_only_if_the_sums_say_so() -> None:
    inside = {"input_tokens": 5, "output_tokens": 1, "type": "message"}
    other = {"input_tokens": 7, "output_tokens": 2, "type": "new_in_2027"}
    added = message({"input_tokens": 5, "output_tokens": 1, "iterations": [inside, other]})
    assert (added.usage.input_tokens, added.usage.output_tokens) == (12, 3)
    assert added.anomalies == ("iterations_added",)
    summed = message({"input_tokens": 12, "output_tokens": 3, "iterations": [inside, other]})
    assert (summed.usage.input_tokens, summed.usage.output_tokens, summed.anomalies) == (12, 3, ())
    neither = message({"input_tokens": 6, "output_tokens": 1, "iterations": [inside, other]})
    assert neither.anomalies == ("iterations_mismatch", "iterations_added")


def test_a_count_that_goes_down_without_a_reason_is_flagged() -> None:
    start = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 50, "output_tokens": 1}}}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 20, "output_tokens": 9},
    }
    reading = read(MESSAGES, events(start, end), stream=True, kind=SSE, provider="anthropic")
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (20, 9)
    assert reading.anomalies == ("count_decreased",)


def test_a_correction_to_null_corrects_nothing() -> None:
    start = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 50, "output_tokens": 1}}}
    end = {"type": "message_delta", "delta": {"stop_reason": "x"}, "usage": {"input_tokens": None, "output_tokens": 9}}
    reading = read(MESSAGES, events(start, end), stream=True, kind=SSE, provider="anthropic")
    assert (reading.usage.input_tokens, reading.usage.output_tokens) == (50, 9)


def test_the_word_of_the_start_alone_is_no_bill_even_at_the_end() -> None:
    start = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 50, "output_tokens": 1}}}
    reading = read(MESSAGES, events(start, {"type": "message_stop"}), stream=True, kind=SSE, provider="anthropic")
    assert (reading.finished, reading.source) == (True, UsageSource.PROVIDER_PARTIAL)


# -- whatever the bytes -------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        b"data: ", b"event: ", b"error", b"\n\n", b"\r\n\r\n", b"[DONE]", b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\",
        b'"usage":{"prompt_tokens":5,"completion_tokens":2}', b'"choices":[]', b'"usage":null', b'"type":"message_start"',
        b'"message":{"usage":{"input_tokens":3,"output_tokens":1}}', b'"type":"message_delta"', b'"finishReason":"STOP"',
        b'"usageMetadata":{"promptTokenCount":4}', b'"candidates":[{"finishReason":"STOP"}]', b'"error":{"message":"x"}',
        b'"type":"response.completed"', b'"response":{"usage":{"input_tokens":1}}', b"null", b"1e9", b"-1", b"\xff", b"\x00",
    ]
)  # fmt: skip
NOISE = st.lists(WORDS | st.binary(max_size=4), max_size=40).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(
    spoken=st.sampled_from(sorted(_ANSWERS)),
    provider=st.sampled_from(["openai", "xai", "mistral", "google", "openrouter", "perplexity", "anthropic", "nobody"]),
    noise=NOISE,
    cuts=st.lists(st.integers(0, 400), max_size=6),
    kind=st.sampled_from([SSE, JSON, ""]),
    stream=st.booleans(),
    complete=st.booleans(),
)
@example(spoken=GENERATE, provider="google", noise=b"[" * 9_000, cuts=[], kind=JSON, stream=True, complete=True)
@example(spoken=CHAT, provider="x", noise=b'{"usage":' + b"[" * 90_000, cuts=[], kind=JSON, stream=False, complete=True)
@example(
    spoken=RESPONSES,
    provider="x",
    noise=b'data: {"response":{"output":' + b"[" * 90_000 + b"\n\n",
    cuts=[],
    kind=SSE,
    stream=True,
    complete=True,
)
def test_no_bytes_make_a_meter_raise_and_no_chop_changes_the_reading(
    *,
    spoken: tuple[Dialect, Endpoint],
    provider: str,
    noise: bytes,
    cuts: list[int],
    kind: str,
    stream: bool,
    complete: bool,
) -> None:
    bounds = [0, *sorted(min(cut, len(noise)) for cut in cuts), len(noise)]
    chunks = [noise[start:end] for start, end in pairwise(bounds)]
    whole = read(spoken, noise, stream=stream, kind=kind, complete=complete, provider=provider)

    assert read(spoken, *chunks, stream=stream, kind=kind, complete=complete, provider=provider) == whole
    assert all(getattr(whole.usage, name) >= 0 for name in COUNTS)
    if whole.source is UsageSource.NONE:
        assert whole.usage.input_total + whole.usage.output_total == 0


COUNT = st.integers(-5, 2**41) | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.text(max_size=2)
DETAILS = st.dictionaries(
    st.sampled_from(["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "video_tokens", "reasoning_tokens"]),
    COUNT,
)  # fmt: skip
CHAT_USAGE = st.fixed_dictionaries(
    {"prompt_tokens": COUNT, "completion_tokens": COUNT},
    optional={
        "total_tokens": COUNT,
        "prompt_tokens_details": DETAILS | COUNT,
        "completion_tokens_details": DETAILS | COUNT,
        "prompt_cache_hit_tokens": COUNT,
        "cost": COUNT,
        "cost_in_usd_ticks": COUNT,
    },
)


@given(CHAT_USAGE, st.sampled_from(["openai", "xai", "mistral", "google", "openrouter", "deepseek"]))
def test_counts_are_disjoint_whatever_the_provider_says(usage: dict[str, Any], provider: str) -> None:
    reading = read(CHAT, json.dumps({"usage": usage}).encode(), provider=provider)
    assert all(0 <= getattr(reading.usage, name) < 2**42 for name in COUNTS)
    stated, total = usage.get("prompt_tokens"), usage.get("total_tokens")
    if type(stated) is int and 0 <= stated < 10**12 and provider != "mistral":
        assert reading.usage.input_total == stated
    if type(total) is int and 0 <= total < 10**12 and reading.source is not UsageSource.NONE:
        differs = reading.usage.input_total + reading.usage.output_total != total
        assert differs == ("total_mismatch" in reading.anomalies)


MODALITIES = st.lists(
    st.fixed_dictionaries({"modality": st.sampled_from(["TEXT", "AUDIO", "IMAGE", "VIDEO", "NEW", 4, None]), "tokenCount": COUNT}),
    max_size=4,
)  # fmt: skip
GEMINI_USAGE = st.fixed_dictionaries(
    {"promptTokenCount": COUNT},
    optional=dict.fromkeys(("candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount", "cachedContentTokenCount"), COUNT)
    | dict.fromkeys(("promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "toolUsePromptTokensDetails"), MODALITIES | COUNT),
)  # fmt: skip


@given(GEMINI_USAGE)
def test_gemini_counts_sum_to_what_it_states_whatever_its_details(usage: dict[str, Any]) -> None:
    reading = read(GENERATE, msgspec.json.encode({"usageMetadata": usage}), provider="google")
    for name in COUNTS:
        assert getattr(reading.usage, name) >= 0
    prompt, tools = usage["promptTokenCount"], usage.get("toolUsePromptTokenCount", 0)
    if all(type(count) is int and 0 <= count < 10**12 for count in (prompt, tools)):
        assert reading.usage.input_total == prompt + tools


# -- embeddings in a form of their own ----------------------------------------------------------------------------


TITAN = (Dialect.BEDROCK, Endpoint.EMBEDDINGS)
PREDICT = (Dialect.GEMINI, Endpoint.EMBEDDINGS)


def parts(*found: tuple[str, object]) -> bytes:
    return json.dumps([{"stated": stated, "answer": answer} for stated, answer in found]).encode()


def predicted(*counts: object) -> dict[str, object]:
    return {"predictions": [{"embeddings": {"values": [1.0], "statistics": {"token_count": c}}} for c in counts]}


@pytest.mark.parametrize(
    ("spoken", "body", "tokens"),
    [
        (TITAN, parts(("", {"embedding": [1.0], "inputTextTokenCount": 5}), ("", {"inputTextTokenCount": 7})), 12),
        (TITAN, parts(("9", {"embeddings": {"float": [[1.0], [2.0]]}})), 9),
        (TITAN, parts(("9", {"inputTextTokenCount": 5})), 5),
        (PREDICT, parts(("", predicted(3, 4.0)), ("", predicted(1))), 8),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_several_calls_read_is_added_up(
    spoken: tuple[Dialect, Endpoint], body: bytes, tokens: int, size: int
) -> None:
    reading = read(spoken, *(body[at : at + size] for at in range(0, len(body), size)), provider="vertex")
    assert (reading.usage.input_tokens, reading.source, reading.finished) == (tokens, UsageSource.PROVIDER, True)
    assert reading.anomalies == ()


def test_characters_that_google_bills_are_told_beside_the_tokens() -> None:
    reading = read(PREDICT, parts(("", predicted(3) | {"metadata": {"billableCharacterCount": 11}})), provider="vertex")
    assert (reading.usage.input_tokens, reading.usage.units) == (3, {"characters": "11"})


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (parts(("", {"inputTextTokenCount": 5}), ("", {"embedding": [1.0]})), 5),
        (parts(("", predicted(3, None))), 3),
        (parts(("", {"inputTextTokenCount": 5}))[:-1] + b',{"stated":"","answer":{"predictions":1}}]', 5),
    ],
)
def test_a_sum_with_a_count_missing_is_not_the_last_word(body: bytes, tokens: int) -> None:
    reading = read(TITAN, body)
    assert (reading.usage.input_tokens, reading.source) == (tokens, UsageSource.PROVIDER_PARTIAL)
    assert "usage_missing" in reading.anomalies


def test_calls_that_were_not_made_any_more_leave_what_the_others_read() -> None:
    reading = read(TITAN, parts(("", {"inputTextTokenCount": 5}))[:-1] + b",", complete=False)
    assert (reading.usage.input_tokens, reading.source) == (5, UsageSource.PROVIDER_PARTIAL)


@pytest.mark.parametrize("stated", ["", "-1", "1e3", "٣", "9" * 16, "nine"])
def test_a_header_that_is_no_count_counts_nothing(stated: str) -> None:
    reading = read(TITAN, parts((stated, {"embeddings": [[1.0]]})))
    assert reading.source is UsageSource.NONE


@pytest.mark.parametrize(
    ("body", "stated", "tokens"),
    [
        (b'{"embedding":[1.0],"inputTextTokenCount":5}', "", 5),
        (b'{"embedding":[1.0],"inputTextTokenCount":5}', "9", 5),
        (b'{"id":"a","texts":["x"],"embeddings":{"float":[[1.0]]}}', "9", 9),
        (b'{"embeddings":[[1.0]]}', "", None),
        (b'{"embeddings":[[1.0', "9", None),
    ],
)
def test_an_answer_in_its_own_words_is_counted_by_its_body_or_its_header(
    body: bytes, stated: str, tokens: int | None
) -> None:
    meter = meter_for(
        "bedrock", *TITAN, stream=False, content_type="application/json", request_model="m", stated=stated
    )
    for at in range(0, len(body), 7):
        meter.feed(body[at : at + 7])
    reading = meter.finish(complete=True)
    assert reading.usage.input_tokens == (tokens or 0)
    assert reading.source is (UsageSource.NONE if tokens is None else UsageSource.PROVIDER)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_part_breaks_the_meter(value: object) -> None:
    read(TITAN, parts(("", value)))
    read(PREDICT, parts(("3", {"predictions": value, "inputTextTokenCount": value})), provider="vertex")
    read(TITAN, json.dumps(value).encode())
