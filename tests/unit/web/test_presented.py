import pytest

from keystead.domain.errors import AuthenticationError, InvalidRequestError
from keystead.domain.traffic import Dialect
from keystead.web.presented import error_dialect, models_dialect, presented_key


@pytest.mark.parametrize(
    "headers",
    [{b"authorization": b"Bearer ks_1"}, {b"x-api-key": b"ks_1"}, {b"x-goog-api-key": b"ks_1"}],
)
def test_every_carrier_shows_the_same_key(headers: dict[bytes, bytes]) -> None:
    assert presented_key(headers, b"alt=sse") == ("ks_1", b"alt=sse")


@pytest.mark.parametrize(
    ("query", "rest"),
    [(b"key=ks_1", b""), (b"alt=sse&key=ks_1&x=1", b"alt=sse&x=1"), (b"%6bey=ks_1", b""), (b"key=ks%5f1", b"")],
)
def test_a_key_in_the_query_is_taken_out_of_it(query: bytes, rest: bytes) -> None:
    assert presented_key({}, query) == ("ks_1", rest)


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({b"authorization": b"Bearer a", b"x-api-key": b"a"}, b""),
        ({b"x-api-key": b"a", b"x-goog-api-key": b"b"}, b""),
        ({b"authorization": b"Bearer a"}, b"key=a"),
        ({b"authorization": b"Basic YTpi", b"x-api-key": b"a"}, b""),
        ({}, b"key=a&key=b"),
    ],
)
def test_two_keys_at_once_are_an_error(headers: dict[bytes, bytes], query: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        presented_key(headers, query)
    assert caught.value.code == "several_keys"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b""},
        {b"authorization": b"Basic a3M6MQ=="},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Bearer a b"},
        {b"api-key": b"ks_1"},
        {b"cookie": b"key=ks_1"},
        {b"x-api-key": b""},
    ],
)
def test_no_acceptable_carrier_means_no_key(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(AuthenticationError):
        presented_key(headers, b"")


def test_the_models_path_is_told_apart_by_headers() -> None:
    assert models_dialect({b"x-goog-api-key": b"k"}) is Dialect.GEMINI
    assert models_dialect({b"anthropic-version": b"2023-06-01"}) is Dialect.ANTHROPIC
    assert models_dialect({}) is Dialect.OPENAI


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/messages", Dialect.ANTHROPIC),
        ("/v1beta/models/m:generateContent", Dialect.GEMINI),
        ("/v1/models/m:generateContent", Dialect.GEMINI),
        ("/gemini/x", Dialect.GEMINI),
        ("/v1/chat/completions", Dialect.OPENAI),
        ("/passthrough/anthropic/v1/skills", Dialect.ANTHROPIC),
        ("/passthrough/google/v1beta/files", Dialect.GEMINI),
        ("/passthrough/google/v1beta/openai/files", Dialect.OPENAI),
        ("/passthrough/bedrock/guardrail/g/version/1/apply", Dialect.BEDROCK),
        ("/passthrough/my-own/v1beta/files", Dialect.GEMINI),
        ("/passthrough/my-own/model/m/x", Dialect.BEDROCK),
        ("/passthrough/my-own/v1/x", Dialect.OPENAI),
    ],
)
def test_errors_speak_the_callers_dialect(path: str, dialect: Dialect) -> None:
    assert error_dialect(path, {}) is dialect
