"""Sums that cannot overflow.

SQLite's SUM of integers fails beyond 63 bits. A column is therefore added up in two halves, each far from the limit,
and the halves are put together in Python, whose integers have none.
"""

from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, func, literal_column

SPLIT: Final = 1 << 31
"""Quotients of 63-bit numbers by it fit in 32 bits and remainders in 31, so 2³¹ rows add up without overflow."""
_SPLIT: Final[ColumnElement[int]] = literal_column(str(SPLIT), BigInteger)


def exact_sum(column: ColumnElement[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return the two sums that `whole` puts together: of the quotients and of the remainders by `SPLIT`."""
    return func.sum(column // _SPLIT), func.sum(column % _SPLIT)


def whole(quotients: int | Decimal | None, remainders: int | Decimal | None) -> int:
    """Return the sum from its halves; the sum of no rows (NULL) is 0. PostgreSQL gives halves as Decimal."""
    return int(quotients or 0) * SPLIT + int(remainders or 0)
