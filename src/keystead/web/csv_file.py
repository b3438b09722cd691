"""Tables as CSV (RFC 4180), which a spreadsheet shows and does not carry out. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

_BEGINS_FORMULA: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the beginning of a formula, also in full width (OWASP, CSV injection)."""


def csv_of(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a table as CSV in UTF-8; text that a spreadsheet would take for a formula begins with an apostrophe (T33).

    Numbers are written as they are, exactly; None is an empty cell.
    """
    return csv_rows([header, *rows])


def csv_rows(rows: Iterable[Sequence[Any]]) -> bytes:
    """Return some rows of such a table, for a file that is written piece by piece."""
    out = io.StringIO()
    csv.writer(out).writerows([[_cell(value) for value in row] for row in rows])
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        begins = value.lstrip(" ")[:1]
        return f"'{value}" if begins in _BEGINS_FORMULA and begins else value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
