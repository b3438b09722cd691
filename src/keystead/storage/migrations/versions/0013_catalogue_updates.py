"""Signed updates of the catalogue and the price list."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0013"
down_revision: Final = "0012"


def upgrade() -> None:
    """Make the table. It belongs to the installation: no organization has rows in it."""
    op.create_table(
        "catalogue_updates",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("applied_at", sa.BigInteger, nullable=False),
        sa.Column("applied_by", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("prices_version", sa.Text, nullable=False),
        sa.Column("models_version", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
