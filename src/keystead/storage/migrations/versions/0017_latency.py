"""How long answers took, counted into buckets beside the sums of usage; and when the first content of each came."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0017"
down_revision: Final = "0016"

_BUCKETS: Final = (
    "to_50ms",
    "to_100ms",
    "to_200ms",
    "to_400ms",
    "to_800ms",
    "to_1600ms",
    "to_3200ms",
    "to_6400ms",
    "to_12800ms",
    "to_25600ms",
    "to_51200ms",
    "to_102400ms",
    "beyond",
)


def upgrade() -> None:
    """Add columns, none of which rewrites a table. What is there already has nothing counted."""
    op.add_column("attempts", sa.Column("first_token_us", sa.BigInteger))
    for table in ("rollups", "daily_usage"):
        for measured in ("took", "first"):
            for bucket in _BUCKETS:
                column = sa.Column(f"{measured}_{bucket}", sa.BigInteger, nullable=False, server_default="0")
                op.add_column(table, column)
