"""Families and versions, read from names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.catalogue.families import bare_name, family_of, is_preview, newest_first, version_of


def newest(models: list[tuple[str, str]]) -> str:
    return newest_first(models)[0]


@pytest.mark.parametrize(
    ("name", "family", "version"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet", (4, 5)),
        ("claude-3-5-sonnet-20241022", "claude-sonnet", (3, 5)),
        ("anthropic/claude-opus-5:free", "claude-opus", (5,)),
        ("us.anthropic.claude-haiku-4-5@20251001", "claude-haiku", (4, 5)),
        ("claude-opus-4-8@default", "claude-opus", (4, 8)),
        ("gpt-5.4-mini", "gpt-mini", (5, 4)),
        ("gpt-4o-mini-2024-07-18", "gpt-mini", (4,)),
        ("gpt-4-0613", "gpt", (4,)),
        ("o4-mini-deep-research", "o-mini-deep-research", (4,)),
        ("models/gemini-2.5-flash-lite-preview-09-2025", "gemini-flash-lite", (2, 5)),
        ("gemini-flash-latest", "gemini-flash", ()),
        ("mistral-large-2512", "mistral-large", ()),
        ("command-r-08-2024", "command-r", ()),
        ("accounts/fireworks/models/glm-5p1-fast", "glm-fast", (5, 1)),
        ("deepseek-v4-pro", "deepseek-pro", (4,)),
        ("ft:gpt-4o-mini:acme::1", "", ()),
    ],
)
def test_a_name_tells_its_family_and_its_version(name: str, family: str, version: tuple[int, ...]) -> None:
    assert (family_of(name), version_of(name) if family else ()) == (family, version)


def test_the_newest_is_the_highest_version_whatever_the_dates_say() -> None:
    models = [("claude-sonnet-4-6", "2026-02-17"), ("claude-sonnet-5-5", ""), ("claude-sonnet-5", "2026-06-30")]
    assert newest(models) == "claude-sonnet-5-5"
    assert newest([("gpt-9", ""), ("gpt-10", "")]) == "gpt-10", "numbers, not letters"


def test_a_preview_is_the_newest_only_where_nothing_else_is_there() -> None:
    assert newest([("gemini-3.1-pro-preview", "2026-02-19"), ("gemini-2.5-pro", "2025-06-17")]) == "gemini-2.5-pro"
    assert newest([("gemini-3.1-pro-preview", ""), ("gemini-3-pro-preview", "")]) == "gemini-3.1-pro-preview"
    assert is_preview("gpt-4-1106-preview")
    assert not is_preview("previewer-1")


def test_of_one_version_the_later_release_counts_and_then_the_shorter_name() -> None:
    assert newest([("mistral-large-2411", ""), ("mistral-large-2512", "")]) == "mistral-large-2512"
    assert newest([("a-1-fast", "2026-02-01"), ("a-1", "2026-01-01")]) == "a-1-fast"
    same_day = [("claude-haiku-4-5", "2025-10-15"), ("claude-haiku-4-5@default", "2025-10-15")]
    assert newest(same_day) == "claude-haiku-4-5"
    assert newest_first([]) == []


@given(st.lists(st.tuples(st.text(max_size=40), st.sampled_from(["", "2026-01-01", "2025-06"])), max_size=8))
def test_any_names_have_one_order_whatever_order_they_come_in(models: list[tuple[str, str]]) -> None:
    assert newest_first(models) == newest_first(reversed(models))
    for name, _ in models:
        assert family_of(name) == family_of(bare_name(name)) or name.lower().startswith("ft:")
