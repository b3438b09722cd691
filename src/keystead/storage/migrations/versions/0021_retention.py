"""How many days an organization keeps its requests; it keeps them for ever until it says so."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0021"
down_revision: Final = "0020"


def upgrade() -> None:
    """Make the column."""
    op.add_column("organizations", sa.Column("keep_requests_days", sa.Integer))
