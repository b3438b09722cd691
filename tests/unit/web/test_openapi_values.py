"""The shapes that resources share."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import new_id
from keystead.domain.secret import Secret
from keystead.web.admin import values


class Named(msgspec.Struct):
    name: values.Name


class Holder(msgspec.Struct):
    key: Secret


@given(st.integers(min_value=-62_000_000_000_000_000, max_value=250_000_000_000_000_000))
def test_an_instant_survives_the_way_through_json_exactly(us: int) -> None:
    text = msgspec.json.encode(values.instant(us))
    assert text.endswith(b'Z"')
    assert values.micros(msgspec.json.decode(text, type=datetime)) == us


def test_an_instant_is_utc() -> None:
    assert values.instant(1_767_225_600_000_001) == datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64))
def test_a_cursor_gives_back_its_position_and_does_not_show_it(position: str) -> None:
    cursor = values.encode_cursor(position)
    assert values.decode_cursor(cursor) == position
    assert len(position) < 4 or position not in cursor


@given(st.text(max_size=40))
def test_any_text_as_a_cursor_is_read_or_refused(cursor: str) -> None:
    try:
        position = values.decode_cursor(cursor)
    except InvalidRequestError:
        return
    assert position
    assert position.isprintable()


@pytest.mark.parametrize("name", ["a", "first key", "Ünï-code", "a.b:c@d(e)", "a" * 100, "日本"])
def test_a_plain_name_is_a_name(name: str) -> None:
    assert msgspec.convert({"name": name}, Named).name == name
    values.require_plain_name(name)


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "a\nb", "a\n", "\x1b[31m", "a\x00", "a\x85", "a" * 101, "\t"])
def test_what_no_path_or_terminal_could_carry_is_not_a_name(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": name}, Named)


def test_a_name_that_looks_like_an_id_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="look like an id"):
        values.require_plain_name(new_id("cred", 1))
    values.require_plain_name("cred_1")


def test_a_secret_is_one_from_the_moment_it_is_read() -> None:
    held = msgspec.json.decode(b'{"key":"canary"}', type=Holder, dec_hook=values.decode_hook)
    assert held.key.reveal() == "canary"
    assert "canary" not in repr(held)


@pytest.mark.parametrize("text", [b'""', b"1", b"null", b'["canary"]', b'"' + b"x" * 8193 + b'"'])
def test_what_cannot_be_a_secret_is_refused_without_repeating_it(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"key":' + text + b"}", type=Holder, dec_hook=values.decode_hook)
    assert "canary" not in str(caught.value)


def test_an_expiry_must_lie_ahead() -> None:
    at = values.instant(2_000_000)
    assert values.future(None, 5) is None
    assert values.future(at, 1_999_999) == 2_000_000
    with pytest.raises(InvalidRequestError, match="passed"):
        values.future(at, 2_000_000)


@pytest.mark.parametrize(
    ("expires_at", "revoked_at", "state"),
    [(None, None, "active"), (6, None, "active"), (5, None, "expired"), (6, 1, "revoked"), (1, 1, "revoked")],
)
def test_the_state_of_an_issued_key(expires_at: int | None, revoked_at: int | None, state: str) -> None:
    assert values.ended_state(expires_at=expires_at, revoked_at=revoked_at, now_us=5) == state
