"""YAML is read as text with line numbers, and only as much of YAML as a document needs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.cli.document_file import write_yaml
from keystead.cli.yaml_tree import MAX_BYTES, MAX_DEPTH, YamlError, read_yaml

PLAIN = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff\ufffe\uffff"), max_size=30
)
VALUES = st.recursive(
    st.one_of(st.none(), PLAIN),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(PLAIN, inner, max_size=4)),
    max_leaves=12,
)


def test_scalars_stay_the_text_that_was_written() -> None:
    text = "a: 0123\nb: no\nc: 1.10\nd: 2026-01-01\ne: 1e9\nf: 0x1f\n"
    assert read_yaml(text).value == {"a": "0123", "b": "no", "c": "1.10", "d": "2026-01-01", "e": "1e9", "f": "0x1f"}


def test_nothing_is_null_and_a_quoted_null_is_text() -> None:
    assert read_yaml("a:\nb: ~\nc: null\nd: 'null'\ne: ''\n").value == {
        "a": None,
        "b": None,
        "c": None,
        "d": "null",
        "e": "",
    }


def test_every_value_has_the_line_of_its_name() -> None:
    tree = read_yaml("grants:\n  # why\n  first:\n    models:\n      - a\n      - b\n")
    assert tree.line(("grants", "first")) == 3
    assert tree.line(("grants", "first", "models")) == 4
    assert tree.line(("grants", "first", "models", 1)) == 6
    assert tree.line(("grants", "first", "nothing", "there")) == 3


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a: &x 1\nb: 2\n", 1, "Anchors"),
        ("a: 1\nb: *x\n", 2, "Anchors"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "Tags"),
        ("a: !secret x\n", 1, "Tags"),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is there twice"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: [1, 2\n", 2, "not YAML"),
        ("a: b: c\n", 1, "not YAML"),
        ("a: \x07\n", 1, "characters"),
        ("? [a]\n: b\n", 1, "name of a field"),
        ("a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), 1, "nested"),
        ("[" * 5000, 1, "nested"),
        ("a: " + "x" * MAX_BYTES, 1, "larger"),
        ("- 1\n" * 100_001, 100_000, "more than 100,000"),
    ],
)
def test_what_is_more_than_a_document_needs_is_refused_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(YamlError, match=why) as refused:
        read_yaml(text)
    assert refused.value.line == line


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    with pytest.raises(YamlError) as refused:
        read_yaml("\n".join(lines))
    assert refused.value.line == 1


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert read_yaml(write_yaml(value)).value == value


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    line = 1
    try:
        read_yaml(text)
    except YamlError as error:
        line = error.line
    assert 1 <= line <= len(text) + 2
