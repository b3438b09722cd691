"""Days of usage gathered by one dimension, and the indexes that the filtered log of requests walks."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from keystead.storage.migrations.protection import protect

revision: Final = "0016"
down_revision: Final = "0015"

_SUMS: Final = (
    "requests",
    "attempts",
    "input_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "input_video_tokens",
    "cache_read_tokens",
    "cache_read_audio_tokens",
    "cache_write_5m_tokens",
    "cache_write_30m_tokens",
    "cache_write_1h_tokens",
    "cache_write_12h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "cost_pico",
    "charge_pico",
    "priced",
    "estimated",
    "unpriced",
    "unknown",
    "duration_us",
)


def upgrade() -> None:
    """Make two tables and eight indexes. Those on an existing log of millions of requests take minutes."""
    op.create_table(
        "usage_days",
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("day_at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("until_at", sa.BigInteger, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "day_at", name="pk_usage_days"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "daily_usage",
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("dimension", sa.String(32), nullable=False),
        sa.Column("day_at", sa.BigInteger, nullable=False),
        sa.Column("team_id", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("owner", sa.String(16), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        *[sa.Column(name, sa.BigInteger, nullable=False) for name in _SUMS],
        sa.PrimaryKeyConstraint(
            "organization_id", "dimension", "day_at", "team_id", "value", "owner", "currency", name="pk_daily_usage"
        ),
        sqlite_with_rowid=False,
    )
    protect("usage_days", "daily_usage")
    op.create_index("ix_requests_team_id", "requests", ["organization_id", "team_id", "started_at", "id"])
    op.create_index("ix_requests_virtual_key_id", "requests", ["organization_id", "virtual_key_id", "started_at", "id"])
    op.create_index("ix_requests_model_asked", "requests", ["organization_id", "model_asked", "started_at", "id"])
    _rare("ix_requests_state", "state", "state NOT IN ('intent', 'settled')")
    _rare("ix_requests_error_class", "error_class", "error_class IS NOT NULL")
    _rare("ix_requests_cost_state", "cost_state", "cost_state IN ('estimated', 'unpriced', 'unknown')")
    for name in ("model_sent", "model_served"):
        columns = ["organization_id", name, "request_started_at", "request_id"]
        op.create_index(f"ix_attempts_{name}", "attempts", columns)


def _rare(name: str, column: str, where: str) -> None:
    columns = ["organization_id", column, "started_at", "id"]
    op.create_index(name, "requests", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
