"""What lies at providers, in the account of one credential, and whose it is."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from keystead.storage.migrations.protection import protect

revision: Final = "0012"
down_revision: Final = "0011"


def upgrade() -> None:
    """Create the table, with row-level security on PostgreSQL."""
    op.create_table(
        "stored_objects",
        sa.Column("id", sa.String(64), primary_key=True),
        *[sa.Column(name, sa.String(64), nullable=False) for name in ("organization_id", "team_id")],
        sa.Column("principal_kind", sa.String(16), nullable=False),
        *[
            sa.Column(name, sa.String(64), nullable=False)
            for name in ("principal_id", "virtual_key_id", "credential_id")
        ],
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("upstream_id", sa.String(255), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("workload", sa.Text),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("request_started_at", sa.BigInteger, nullable=False),
        sa.Column("work", sa.String(8), nullable=False),
        sa.Column("poll_at", sa.BigInteger),
        sa.Column("leased_until", sa.BigInteger),
        sa.UniqueConstraint(
            "organization_id", "kind", "upstream_id", name="uq_stored_objects_organization_id_kind_upstream_id"
        ),
    )
    op.create_index("ix_stored_objects_organization_id_id", "stored_objects", ["organization_id", "id"])
    for name, column in (("ix_stored_objects_open", "poll_at"), ("ix_stored_objects_request_id", "request_id")):
        is_open = sa.text("work = 'open'")
        op.create_index(name, "stored_objects", [column], sqlite_where=is_open, postgresql_where=is_open)
    protect("stored_objects")
