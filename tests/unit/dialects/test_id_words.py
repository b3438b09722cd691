"""What could be an id in a path or a body of which no dialect tells where ids stand."""

import json

import pytest

from keystead.dialects.id_words import MOST, id_words
from keystead.domain.errors import InvalidRequestError


def test_ids_stand_in_the_path_and_anywhere_in_the_body() -> None:
    body = json.dumps({"training_file": "file-abc123", "deep": [{"x": ["batch_12345"]}], "file-as-name": 1}).encode()
    words = id_words("/v1/fine_tuning/jobs/ftjob-12345", body, is_form=False)
    assert {"ftjob-12345", "file-abc123", "batch_12345", "file-as-name"} <= words


def test_an_id_that_is_written_with_escapes_is_found() -> None:
    assert "file-abc123" in id_words("/v1/x", rb'{"f": "\u0066ile-abc123"}', is_form=False)


def test_a_cache_is_known_by_its_bare_id() -> None:
    assert "abc12345" in id_words("/v1/x", b'{"c": "cachedContents/abc12345"}', is_form=False)


def test_a_file_of_geminis_is_known_by_its_bare_id_however_its_address_is_written() -> None:
    host = "https://generativelanguage.googleapis.com/v1beta"
    for said in ("files/abc12345", f"{host}/files/abc12345", f"{host}/files%2Fabc12345?alt=media", "abc12345:download"):
        assert "abc12345" in id_words("/v1/x", json.dumps({"c": said}).encode(), is_form=False), said
    assert "abc12345" in id_words("/v1beta/files/abc12345:download", b"", is_form=False)


def test_a_sentence_is_no_id() -> None:
    assert id_words("/v1", b'{"prompt": "the quick brown fox"}', is_form=False) == {"prompt"}


def test_a_form_is_searched_word_by_word() -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nfile-abc123\r\n--x--\r\n'
    assert "file-abc123" in id_words("/v1/x", form, is_form=True)


def test_too_many_are_refused_rather_than_passed() -> None:
    body = json.dumps([f"file-{number:06}" for number in range(MOST + 1)]).encode()
    with pytest.raises(InvalidRequestError, match="could be ids"):
        id_words("/v1/x", body, is_form=False)
