"""On PostgreSQL, row-level security behind every statement (see `keystead.storage.row_security`)."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"

_TABLES: Final = (
    "teams",
    "members",
    "admin_tokens",
    "virtual_keys",
    "credentials",
    "credential_versions",
    "price_overrides",
    "audit_events",
    "team_cost_centers",
    "service_accounts",
    "roles",
    "role_assignments",
    "grants",
    "data_classes",
    "recognizers",
    "model_routes",
    "consents",
    "budgets",
    "rate_limits",
    "ledger_accounts",
    # The record's, in the order in which the journal takes them.
    "requests",
    "attempts",
    "counters",
    "ledger_transfers",
    "rollups",
)


def upgrade() -> None:
    """Let a transaction that is narrowed to an organization see that organization alone."""
    if op.get_context().dialect.name != "postgresql":
        return
    _protect("organizations", "id")
    _protect("root_keys", "scope")
    for table in _TABLES:
        _protect(table, "organization_id")
        for partition in _partitions(table):
            _protect(partition, "organization_id")
    # Every organization may name the platform's credentials, in a route or a grant, but not their versions' keys.
    op.execute("CREATE POLICY platform ON credentials FOR SELECT USING (owner = 'platform')")


def _protect(table: str, column: str) -> None:
    # FORCE, because the gateway owns its tables, and an owner is otherwise exempt.
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY organization ON {table} USING"
        f" (coalesce({column} = (SELECT nullif(current_setting('keystead.organization', true), '')), true))"
    )


def _partitions(table: str) -> list[str]:
    children = sa.text(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:parent AS regclass) ORDER BY 1"
    )
    return list(op.get_bind().execute(children, {"parent": table}).scalars())
