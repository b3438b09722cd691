"""Prompts that members keep, sealed."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from keystead.storage.migrations.protection import protect

revision: Final = "0019"
down_revision: Final = "0018"


def upgrade() -> None:
    """Make the table, and on PostgreSQL its policy (see `keystead.storage.row_security`)."""
    op.create_table(
        "saved_prompts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("name", sa.LargeBinary, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_prompts"),
    )
    op.create_index(
        "ix_saved_prompts_organization_id_member_id_id", "saved_prompts", ["organization_id", "member_id", "id"]
    )
    protect("saved_prompts")
