"""What a decision about a request looked at, beside who asked for which model; and two indexes.

The counters of periods that ended long ago are found by their time, to be deleted. That an attempt is charged once is
the primary key's doing, which is made of the request and the attempt: another unique index of both was only work.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    """Add the column to the record, and change the indexes. On PostgreSQL the partitions get it with their table."""
    op.add_column("requests", sa.Column("outline", sa.Text))
    op.create_index("ix_counters_bucket_at", "counters", ["bucket_at"])
    op.drop_index("uq_ledger_transfers_attempt", "ledger_transfers")
