"""A second factor for who signs in with a password, and whether an organization wants one of everybody."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from keystead.storage.migrations.protection import protect

revision: Final = "0014"
down_revision: Final = "0013"


def upgrade() -> None:
    """Make the tables, and on PostgreSQL their policies (see `keystead.storage.row_security`)."""
    op.add_column(
        "organizations",
        sa.Column("second_factor_required", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "second_factors",
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("confirmed_at", sa.BigInteger),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("tried_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("member_id", name="pk_second_factors"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_codes"),
    )
    op.create_index("ix_recovery_codes_member_id", "recovery_codes", ["member_id"])
    op.create_table(
        "second_steps",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("how", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_second_steps"),
    )
    op.create_index("ix_second_steps_digest", "second_steps", ["digest"], unique=True)
    protect("second_factors", "recovery_codes", "second_steps")
