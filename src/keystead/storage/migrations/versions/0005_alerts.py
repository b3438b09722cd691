"""What somebody should look at (alerts), what of it is told to the operator's webhook, and what both ask the record.

Which counter refused a request stands in its record, and an attempt knows whether an alert has counted it. What failed
before this migration is not told any more.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

from keystead.storage.migrations.protection import protect

revision: Final = "0005"
down_revision: Final = "0004"

_OF_KEYS: Final = "owner = 'own' AND error_class IN ('auth_failed', 'permission_denied', 'out_of_funds')"


def upgrade() -> None:
    """Make two tables, and two columns of the record with the indexes that find them."""
    _alerts()
    _notices()
    _record()
    protect("alerts", "notices")


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("team_id", sa.String(length=64), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_organization_id_id", "alerts", ["organization_id", "id"])
    _partial("uq_alerts_open", "alerts", ["organization_id", "kind", "subject_id"], "resolved_at IS NULL", unique=True)


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=24), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("given_up_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint(
            "organization_id", "event", "subject_id", name=op.f("uq_notices_organization_id_event_subject_id")
        ),
    )


def _record() -> None:
    """On PostgreSQL the partitions get the columns and the indexes with their tables."""
    op.add_column("requests", sa.Column("refused_by", sa.String(length=64), nullable=True))
    op.add_column("attempts", sa.Column("noticed_at", sa.BigInteger(), nullable=True))
    op.execute(f"UPDATE attempts SET noticed_at = finished_at WHERE {_OF_KEYS}")  # noqa: S608 - of constants alone
    _partial("ix_requests_refused_by", "requests", ["refused_by", "started_at"], "refused_by IS NOT NULL")
    _partial("ix_requests_fault", "requests", ["organization_id", "started_at"], "fault IS NOT NULL")
    _partial("ix_attempts_consent_id", "attempts", ["organization_id", "request_started_at"], "consent_id IS NOT NULL")
    _partial("ix_attempts_unnoticed", "attempts", ["finished_at"], f"{_OF_KEYS} AND noticed_at IS NULL")
    _partial("ix_ledger_transfers_paid_in", "ledger_transfers", ["organization_id", "at"], "kind IN ('grant', 'topup')")


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
