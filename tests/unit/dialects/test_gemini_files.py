"""How Gemini's files are named, and how they come in pieces."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.body import read_json
from keystead.dialects.gemini_files import check_start, file_named, offset_of, pieces_query, upload_id_in, uploaded
from keystead.domain.errors import InvalidRequestError

URL = "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id={}&upload_protocol=resumable"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (URL.format("ABC-def_123"), "ABC-def_123"),
        (
            "https://elsewhere.example/upload/v1beta/files?upload_id=ABC-def_123",
            "ABC-def_123",
        ),  # its host counts for nothing
        (URL.format("short"), None),
        (URL.format("a%26upload_id%3Dother"), None),
        (URL.format("ABC-def_123") + "&upload_id=another-one", None),
        ("https://generativelanguage.googleapis.com/v1beta/files?upload_id=ABC-def_123", None),
        ("https://[", None),
        ("", None),
    ],
)
def test_of_the_providers_url_the_id_alone_is_taken(url: str, found: str | None) -> None:
    assert upload_id_in(url) == found


def test_the_query_of_a_piece_holds_what_google_gave() -> None:
    assert upload_id_in("https://x/upload/v1beta/files?" + pieces_query("ABC-def_123").decode()) == "ABC-def_123"


@pytest.mark.parametrize("file", [{}, {"displayName": "d"}, {"name": None}, {"name": ""}])
def test_an_upload_without_a_name_may_begin(file: dict[str, Any]) -> None:
    check_start(read_json(json.dumps({"file": file}).encode()))
    check_start(read_json(b"{}"))


@pytest.mark.parametrize(
    "body",
    [b'{"file":{"name":"files/x"}}', b'{"file":{"n\\u0061me":"x"}}', b'{"file":1}', b'{"file":{"name":"x","name":""}}'],
)
def test_a_name_is_not_the_callers_to_choose(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        check_start(read_json(body))


@pytest.mark.parametrize("text", ["", "-1", "1.0", "x", "9" * 16, "\u0661"])
def test_an_offset_is_a_number_of_bytes(text: str) -> None:
    assert offset_of("8388608") == 8_388_608
    with pytest.raises(InvalidRequestError):
        offset_of(text)


def test_the_last_answer_of_an_upload_holds_the_file() -> None:
    assert uploaded(b'{"file":{"name":"files/a"}}') == b'{"name":"files/a"}'
    for none in (b"{}", b"", b"[]", b"\xff"):
        assert uploaded(none) is None


@given(st.text(max_size=60))
def test_any_uri_is_read(uri: str) -> None:
    file_named(uri)
    named = file_named(f"https://generativelanguage.googleapis.com/{uri}")
    assert named is not None
    assert named == file_named(f"https://generativelanguage.googleapis.com/{uri}", google_alone=True)
