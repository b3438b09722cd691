"""Which stored objects a path is about."""

import pytest

from keystead.domain.stored import ObjectKind
from keystead.domain.traffic import Dialect
from keystead.web.state_paths import made_by_passing, match
from keystead.web.uploading import address_in, own_url

ADDRESS = "vk_01m8abc." + "a" * 43


@pytest.mark.parametrize(
    ("method", "path", "dialect", "kind", "tail", "identifier"),
    [
        ("POST", "/v1/files", Dialect.OPENAI, ObjectKind.FILE, "/files", None),
        ("POST", "/v1/files", Dialect.ANTHROPIC, ObjectKind.ANTHROPIC_FILE, "/files", None),
        ("GET", "/v1/files/f/content", Dialect.ANTHROPIC, ObjectKind.ANTHROPIC_FILE, "/files/f/content", "f"),
        ("GET", "/v1/files/f", Dialect.GEMINI, ObjectKind.GEMINI_FILE, "/files/f", "f"),
        ("GET", "/v1beta/files/f", Dialect.OPENAI, ObjectKind.GEMINI_FILE, "/files/f", "f"),
        ("POST", "/upload/v1/files", Dialect.OPENAI, ObjectKind.GEMINI_UPLOAD, "/upload/files", None),
        (
            "GET",
            "/v1/conversations/c/items/i",
            Dialect.OPENAI,
            ObjectKind.CONVERSATION,
            "/conversations/c/items/i",
            "c",
        ),
    ],
)
def test_the_caller_says_whose_files_are_meant_where_the_path_does_not(  # noqa: PLR0917 - a table
    method: str, path: str, dialect: Dialect, kind: ObjectKind, tail: str, identifier: str | None
) -> None:
    found = match(method, path, dialect)
    assert found is not None
    assert (found[0].kind, *found[1:]) == (kind, tail, identifier)


@pytest.mark.parametrize(
    ("method", "path", "dialect"),
    [
        ("POST", "/v1/files", Dialect.GEMINI),
        ("GET", "/v1/files/f/content", Dialect.GEMINI),
        ("GET", "/v1/files", Dialect.BEDROCK),
        ("POST", "/v1beta/files", Dialect.GEMINI),
        ("GET", "/upload/v1beta/files", Dialect.GEMINI),
        ("GET", "/upload/v1/batches", Dialect.OPENAI),
        ("GET", "/v1/conversations", Dialect.OPENAI),
        ("GET", "/v1/conversations/c/items/i/j", Dialect.OPENAI),
        ("GET", "/v1/files/a%2fb", Dialect.OPENAI),
    ],
)
def test_nothing_else_is_a_path(method: str, path: str, dialect: Dialect) -> None:
    assert match(method, path, dialect) is None


def test_the_address_of_an_upload_is_found_in_the_query_once() -> None:
    assert address_in(f"upload_id={ADDRESS}&upload_protocol=resumable".encode()) == ADDRESS
    for query in (b"", b"upload_id=", b"upload_id=abc", f"upload_id={ADDRESS}&upload_id={ADDRESS}".encode()):
        assert address_in(query) is None


def test_the_url_of_an_upload_begins_with_the_name_that_the_caller_called() -> None:
    headers = {b"host": b"ai.example.com"}
    end = b"/upload/v1beta/files?upload_id=x&upload_protocol=resumable"
    assert own_url(headers, b"x") == b"http://ai.example.com" + end
    assert own_url({**headers, b"x-forwarded-proto": b"https"}, b"x") == b"https://ai.example.com" + end
    assert own_url({**headers, b"x-forwarded-proto": b"evil://"}, b"x") == b"http://ai.example.com" + end


@pytest.mark.parametrize(
    ("method", "path", "dialect", "kind"),
    [
        ("POST", "/v1/containers", Dialect.OPENAI, ObjectKind.CONTAINER),
        ("POST", "/v1/skills", Dialect.OPENAI, ObjectKind.SKILL),
        ("POST", "/v1/skills", Dialect.ANTHROPIC, ObjectKind.SKILL),
        ("POST", "/v1beta/fileSearchStores", Dialect.GEMINI, ObjectKind.FILE_SEARCH_STORE),
        ("GET", "/v1/skills", Dialect.ANTHROPIC, None),
        ("POST", "/v1/skills/skill_1/versions", Dialect.ANTHROPIC, None),
        ("POST", "/v1/skills", Dialect.GEMINI, None),
    ],
)
def test_what_a_call_that_is_passed_through_makes_is_known(
    method: str, path: str, dialect: Dialect, kind: ObjectKind | None
) -> None:
    assert made_by_passing(method, path, dialect) is kind
