"""Tags of virtual keys, each with the instant from which it counts."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from keystead.storage.migrations.protection import protect

revision: Final = "0018"
down_revision: Final = "0017"


def upgrade() -> None:
    """Make the table, and on PostgreSQL its policy (see `keystead.storage.row_security`)."""
    op.create_table(
        "virtual_key_tags",
        sa.Column("virtual_key_id", sa.String(64), nullable=False),
        sa.Column("tag", sa.String(32), nullable=False),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("virtual_key_id", "tag", "valid_from", name="pk_virtual_key_tags"),
    )
    op.create_index("ix_virtual_key_tags_organization_id", "virtual_key_tags", ["organization_id", "tag"])
    protect("virtual_key_tags")
