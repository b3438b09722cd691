"""What each credential's provider says it serves."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from keystead.storage.migrations.protection import protect

revision: Final = "0007"
down_revision: Final = "0006"


def upgrade() -> None:
    """Create the table and, on PostgreSQL, put it under the policy of 0003."""
    op.create_table(
        "offered_models",
        sa.Column("credential_id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("credential_id", name=op.f("pk_offered_models")),
    )
    protect("offered_models")
