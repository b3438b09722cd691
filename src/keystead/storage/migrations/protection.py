"""What a migration that makes a table of organizations does for PostgreSQL (see `keystead.storage.row_security`)."""

from alembic import op


def protect(*tables: str) -> None:
    """Let a transaction that is narrowed to an organization see that organization's rows of these tables alone."""
    if op.get_context().dialect.name != "postgresql":
        return
    for table in tables:
        # FORCE, because the gateway owns its tables, and an owner is otherwise exempt.
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY organization ON {table} USING"
            " (coalesce(organization_id = (SELECT nullif(current_setting('keystead.organization', true), '')), true))"
        )
