import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.json_array import JsonArraySplitter

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ELEMENTS = st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3), max_size=5)


def split(*chunks: bytes, limit: int = 1 << 20) -> tuple[list[bytes], int]:
    splitter = JsonArraySplitter(limit=limit)
    return [element for chunk in chunks for element in splitter.feed(chunk)], splitter.dropped


@given(ELEMENTS, st.sampled_from([None, 1]), st.booleans(), st.lists(st.integers(0, 400), max_size=8))
def test_any_chop_of_an_array_gives_its_elements(
    elements: list[dict[str, object]], indent: int | None, ascii_only: bool, cuts: list[int]
) -> None:
    text = json.dumps(elements, indent=indent, ensure_ascii=ascii_only).encode()
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [text[start:end] for start, end in pairwise(bounds)]

    assert [json.loads(element) for element in split(*chunks)[0]] == elements
    assert [json.loads(element) for element in split(*[bytes([byte]) for byte in text])[0]] == elements


def test_brackets_and_quotes_inside_strings_do_not_count() -> None:
    elements, _ = split(b'[{"a":"]}\\"[{\\\\"}\n,\r\n{"b":["x",{"c":"}"}]}]\n')
    assert elements == [b'{"a":"]}\\"[{\\\\"}', b'{"b":["x",{"c":"}"}]}']


def test_an_object_where_an_array_was_expected_is_the_one_element() -> None:
    assert split(b' {"error":{"code":503}} ')[0] == [b'{"error":{"code":503}}']


def test_scalars_between_elements_are_passed_over() -> None:
    assert split(b'[1,"two",null,{"a":1},true]')[0] == [b'{"a":1}']


def test_an_element_that_is_not_finished_is_not_given() -> None:
    assert split(b'[{"a":1},{"b":')[0] == [b'{"a":1}']


@given(st.integers(1, 30))
def test_long_elements_are_dropped_whatever_the_chunks(size: int) -> None:
    text = b'[{"a":1},{"a":"' + b"x" * 100 + b'"},{"a":2}]'
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert split(*chunks, limit=20) == ([b'{"a":1}', b'{"a":2}'], 1)


def test_an_endless_string_is_never_held() -> None:
    splitter = JsonArraySplitter(limit=100)
    splitter.feed(b'[{"a":"')
    for _ in range(1000):
        assert splitter.feed(b"x" * 60) == []
        assert len(splitter._buffer) <= 200
    assert splitter.dropped == 1


@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_do_not_raise(noise: bytes) -> None:
    split(noise)
