import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.multipart import read_fields, replace_field
from keystead.domain.errors import InvalidRequestError

TYPE = b"multipart/form-data; boundary=frontier"


def form(*parts: tuple[str, bytes]) -> bytes:
    head = b'--frontier\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    return b"".join(head % (name.encode(), content) for name, content in parts) + b"--frontier--\r\n"


def test_named_fields_are_read_and_files_are_not() -> None:
    body = form(("file", b"\x00\x01audio"), ("model", b"whisper-1"), ("stream", b"true"))
    assert read_fields(body, TYPE, ("model", "stream")) == {"model": "whisper-1", "stream": "true"}


@given(st.binary(max_size=300).filter(lambda content: b"--frontier" not in content))
def test_replacing_a_field_changes_that_field_alone(content: bytes) -> None:
    before = form(("file", content), ("model", b"openai/whisper-1"), ("language", b"en"))
    after = replace_field(before, TYPE, "model", "whisper-1")
    assert after == form(("file", content), ("model", b"whisper-1"), ("language", b"en"))


def test_an_empty_field_can_be_replaced() -> None:
    assert read_fields(form(("model", b"")), TYPE, ("model",)) == {"model": ""}


def test_a_form_without_the_field_comes_back_unchanged() -> None:
    body = form(("file", b"x"))
    assert replace_field(body, TYPE, "model", "m") is body


def test_a_field_given_twice_is_refused() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_fields(form(("model", b"a"), ("model", b"b")), TYPE, ("model",))
    assert caught.value.code == "duplicate_member"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"multipart/form-data", form(("a", b"b"))),
        (b"application/json", form(("a", b"b"))),
        (b"multipart/form-data; boundary=" + b"x" * 1_000_000, b""),
        (TYPE, b"--frontier\r\nContent-Disp\x00osition"),
        (TYPE, form(*[(f"f{number}", b"x") for number in range(100)])),
        (TYPE, b"\r\nbefore\r\n" + form(("a", b"b"))),
        (TYPE, form(("a", b"b")) + b"after"),
        (TYPE, form(("a", b"b")) + form(("a", b"c"))),
    ],
)
def test_what_is_no_acceptable_form_is_refused(content_type: bytes, body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_fields(body, content_type, ("model",))
    assert caught.value.code == "malformed_form"


@given(st.binary(max_size=400))
def test_any_bytes_give_fields_or_a_clear_error(body: bytes) -> None:
    with contextlib.suppress(InvalidRequestError):
        assert isinstance(read_fields(body, TYPE, ("model",)), dict)
