"""Tables as files that a spreadsheet opens."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.web.csv_file import csv_of


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", "\uff20x"])
def test_what_a_spreadsheet_would_carry_out_begins_with_an_apostrophe(name: str) -> None:
    assert read(csv_of(["name"], [[name]])) == [["name"], [f"'{name}"]]


def test_numbers_are_exact_and_nothing_is_an_empty_cell() -> None:
    content = csv_of(["a", "b", "c"], [[Decimal("-0.000000000001"), -3, None]])
    assert read(content)[1] == ["-0.000000000001", "-3", ""]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_any_text_is_read_back_as_it_was_but_for_the_apostrophe(text: str) -> None:
    [_, [read_back]] = read(csv_of(["name"], [[text]])) if text else [[], [""]]
    assert read_back in {text, f"'{text}"}
    assert not read_back.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
