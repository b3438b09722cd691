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
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if not isinstance(value, str):
        return value
    begins = value.lstrip(" ")[:1]
    return f"'{value}" if begins in _BEGINS_FORMULA and begins else value
