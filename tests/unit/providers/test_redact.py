"""The key does not come back, wherever a provider puts it and however its words are cut."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from keystead.providers import headers
from keystead.providers.redact import MASK, MIN_SECRET_BYTES, AnyRedactor, Redactor, redactor_of

KEY = "sk-proj-AbCdEfGh0123456789_-xyz"
SECRET = KEY.encode()


def streamed(data: bytes, cuts: list[int], key: str = KEY) -> bytes:
    redactor = Redactor(key)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    passed = [redactor.feed(data[start:end]) for start, end in itertools.pairwise(edges)]
    return b"".join(passed) + redactor.finish()


# Pieces that make prefixes, repeats and near misses of the key likely.
pieces = st.lists(
    st.one_of(
        st.just(SECRET),
        st.integers(1, len(SECRET) - 1).map(lambda size: SECRET[:size]),
        st.integers(1, len(SECRET) - 1).map(lambda size: SECRET[size:]),
        st.binary(max_size=8),
    ),
    max_size=8,
).map(b"".join)


@given(pieces, st.lists(st.integers(0, 10_000), max_size=12))
def test_a_stream_is_redacted_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    assert streamed(data, cuts) == data.replace(SECRET, MASK)


@given(st.binary(max_size=300), st.lists(st.integers(0, 10_000), max_size=12))
def test_what_holds_no_key_passes_untouched(data: bytes, cuts: list[int]) -> None:
    if SECRET not in data:
        assert streamed(data, cuts) == data


@given(st.text(alphabet="ab", min_size=MIN_SECRET_BYTES, max_size=16), st.data())
def test_a_key_that_repeats_itself_is_found_across_borders(key: str, data: st.DataObject) -> None:
    text = "".join(data.draw(st.lists(st.sampled_from(["a", "b", key, key[:5]]), max_size=12))).encode()
    cuts = data.draw(st.lists(st.integers(0, 1000), max_size=12))
    assert key.encode() not in streamed(text, cuts, key)


def test_nothing_is_held_back_when_a_chunk_cannot_end_in_a_key() -> None:
    redactor = Redactor(KEY)
    assert redactor.feed(b"data: sk-proj-\n\n") == b"data: sk-proj-\n\n"
    assert redactor.feed(b"data: sk-pr") == b"data: "
    assert redactor.feed(b"ose\n") == b"sk-prose\n"


def test_a_placeholder_key_is_not_taken_out_of_answers() -> None:
    assert streamed(b"ollama is a llama", [3, 7], "ollama") == b"ollama is a llama"


def test_error_bodies_lose_shortened_keys_too() -> None:
    redactor = Redactor(KEY)
    body = b'{"error":{"message":"Incorrect API key provided: sk-proj-AbCd*****9_-xyz. See the docs."}}'
    redacted = redactor.error(body)
    assert b"sk-proj-" not in redacted
    assert redacted.endswith(b'See the docs."}}')
    assert MASK in redacted


@given(pieces)
def test_an_error_body_keeps_no_eight_bytes_of_the_key(body: bytes) -> None:
    redacted = Redactor(KEY).error(body).replace(MASK, b"\0")
    for at in range(len(SECRET) - 7):
        assert SECRET[at : at + 8] not in redacted


def test_an_error_body_without_the_key_is_the_same_bytes() -> None:
    body = b'{"error":{"message":"The model does not exist"}}'
    assert Redactor(KEY).error(body) == body


# Response headers (T29)

SENT = (
    (b"Content-Type", b"application/json"),
    (b"Set-Cookie", b"a=b"),
    (b"OpenAI-Organization", b"org-1"),
    (b"openai-project", b"proj_1"),
    (b"anthropic-organization-id", b"org-1"),
    (b"Server", b"internal-7"),
    (b"Via", b"1.1 internal-7"),
    (b"X-Served-By", b"internal-7"),
    (b"cf-ray", b"1"),
    (b"Location", b"http://internal"),
    (b"Content-Length", b"17"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Connection", b"keep-alive"),
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Strict-Transport-Security", b"max-age=1"),
    (b"X-RateLimit-Key", b"account-1"),
    (b"X-RateLimit-Remaining-Requests", b"5"),
    (b"anthropic-ratelimit-tokens-reset", b"2026-11-25T00:00:00Z"),
    (b"Retry-After", b"7"),
    (b"retry-after-ms", b"7000"),
    (b"x-should-retry", b"false"),
    (b"OpenAI-Processing-MS", b"12"),
    (b"openai-version", b"2020-10-01"),
    (b"X-Request-ID", b"req_1"),
)


def test_only_what_sdks_act_on_comes_back() -> None:
    assert headers.select(SENT, Redactor(KEY)) == [
        ("content-type", "application/json"),
        ("x-ratelimit-remaining-requests", "5"),
        ("anthropic-ratelimit-tokens-reset", "2026-11-25T00:00:00Z"),
        ("retry-after", "7"),
        ("retry-after-ms", "7000"),
        ("x-should-retry", "false"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("x-request-id", "req_1"),
    ]


def test_a_key_in_a_header_is_redacted() -> None:
    chosen = headers.select(((b"x-request-id", b"for " + SECRET),), Redactor(KEY))
    assert chosen == [("x-request-id", "for [redacted]")]


def test_the_providers_request_id_is_found_under_its_names_and_shortened() -> None:
    assert headers.request_id([("request-id", "a"), ("x-request-id", "b")]) == "b"
    assert headers.request_id([("apim-request-id", "c")]) == "c"
    assert headers.request_id([("content-type", "x")]) == ""
    assert len(headers.request_id([("request-id", "x" * 4000)])) == 128


OTHER = "quite~another~token~of~ours"


def cut_up(redactor: AnyRedactor, data: bytes, cuts: list[int]) -> bytes:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [redactor.feed(data[start:end]) for start, end in itertools.pairwise(edges)]
    return b"".join([*pieces, redactor.finish()])


@given(st.lists(st.sampled_from([KEY, OTHER, KEY[:9], OTHER[:9], "text ", "a", "s"])), st.lists(st.integers(0, 400)))
def test_several_secrets_are_taken_out_wherever_the_stream_is_cut(words: list[str], cuts: list[int]) -> None:
    data = "".join(words).encode()
    expected = data.replace(KEY.encode(), MASK).replace(OTHER.encode(), MASK)
    assert cut_up(redactor_of((KEY, OTHER)), data, cuts) == expected
    assert redactor_of((KEY, OTHER)).whole(data) == expected
    assert redactor_of((KEY, OTHER)).holds(data) == (KEY in words or OTHER in words or expected != data)


def test_of_several_secrets_an_error_shows_no_part() -> None:
    body = f"{KEY[:20]} and {OTHER[-12:]}".encode()
    assert redactor_of((KEY, OTHER)).error(body) == MASK + b" and " + MASK


def test_no_secret_changes_nothing() -> None:
    assert redactor_of(()).feed(b"text") == b"text"
    assert isinstance(redactor_of((KEY,)), Redactor)
