"""Who may do what, on which terms, within which means."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Create the tables of governance, and move what 0001 kept elsewhere into them."""
    _people()
    _policy()
    _means()
    _columns()
    _moved()
    op.drop_column("members", "role")
    op.drop_column("teams", "cost_center")
    op.drop_column("requests", "consent_id")  # never filled; a consent is used by an attempt


def _people() -> None:
    """Service accounts, roles and dated cost centres."""
    op.create_table(
        "service_accounts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("team_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_accounts")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_service_accounts_organization_id_name")),
    )
    op.create_table(
        "roles",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roles")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_roles_organization_id_name")),
    )
    op.create_table(
        "role_assignments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("team_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_assignments")),
        sa.UniqueConstraint(
            "organization_id",
            "member_id",
            "role",
            "team_id",
            name=op.f("uq_role_assignments_organization_id_member_id_role_team_id"),
        ),
    )
    op.create_table(
        "team_cost_centers",
        sa.Column("team_id", sa.String(length=64), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("cost_center", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "valid_from", name=op.f("pk_team_cost_centers")),
    )


def _policy() -> None:
    """What is granted, for which data, by which route, with whose consent."""
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("effect", sa.String(length=8), nullable=False),
        sa.Column("subject_kind", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("credentials", sa.Text(), nullable=True),
        sa.Column("models", sa.Text(), nullable=True),
        sa.Column("endpoints", sa.Text(), nullable=True),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    op.create_table(
        "data_classes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_classes")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_data_classes_organization_id_name")),
    )
    op.create_table(
        "recognizers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognizers")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_recognizers_organization_id_name")),
    )
    op.create_table(
        "model_routes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("strategy", sa.String(length=16), nullable=False),
        sa.Column("sticky", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_routes")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_model_routes_organization_id_name")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("team_ids", sa.Text(), nullable=True),
        sa.Column("models", sa.Text(), nullable=True),
        sa.Column("data_classes", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("daily_cap_pico", sa.BigInteger(), nullable=False),
        sa.Column("monthly_cap_pico", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )


def _means() -> None:
    """What may be spent and how fast, and the books of credits."""
    op.create_table(
        "budgets",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope_kind", sa.String(length=16), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("period", sa.String(length=16), nullable=False),
        sa.Column("rolling_hours", sa.Integer(), nullable=False),
        sa.Column("limit_pico", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("alert_percent", sa.Integer(), nullable=False),
        sa.Column("unpriced", sa.String(length=8), nullable=False),
        sa.Column("unpriced_hold_pico", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_budgets_organization_id_name")),
    )
    op.create_table(
        "rate_limits",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope_kind", sa.String(length=16), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("measure", sa.String(length=24), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_limits")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_rate_limits_organization_id_name")),
    )
    op.create_table(
        "counters",
        sa.Column("counter_id", sa.String(length=64), nullable=False),
        sa.Column("bucket_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("ceiling", sa.BigInteger(), nullable=True),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("counter_id", "bucket_at", name=op.f("pk_counters")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint("organization_id", "kind", name=op.f("uq_ledger_accounts_organization_id_kind")),
    )
    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("debit_account", sa.String(length=64), nullable=False),
        sa.Column("credit_account", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_ledger_transfers_amount_not_negative")),
        sa.CheckConstraint("debit_account <> credit_account", name=op.f("ck_ledger_transfers_two_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfers")),
    )
    op.create_index(
        "ix_ledger_transfers_posted",
        "ledger_transfers",
        ["organization_id", "ended_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'posted'"),
        postgresql_where=sa.text("state = 'posted'"),
    )
    op.create_index(
        "uq_ledger_transfers_attempt",
        "ledger_transfers",
        ["request_id", "attempt"],
        unique=True,
        sqlite_where=sa.text("request_id IS NOT NULL"),
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.create_index(
        "uq_ledger_transfers_reference",
        "ledger_transfers",
        ["reference"],
        unique=True,
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )


def _columns() -> None:
    """What the tables of 0001 gain. A default fills the rows that are there."""
    op.add_column("organizations", sa.Column("time_zone", sa.Text(), nullable=False, server_default="UTC"))
    op.add_column("teams", sa.Column("parent_id", sa.String(length=64), nullable=True))
    op.add_column("teams", sa.Column("data_class", sa.Text(), nullable=False, server_default=""))
    op.add_column("members", sa.Column("operator", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("virtual_keys", sa.Column("endpoints", sa.Text(), nullable=True))
    op.add_column("virtual_keys", sa.Column("networks", sa.Text(), nullable=True))
    op.add_column("virtual_keys", sa.Column("data_class", sa.Text(), nullable=False, server_default=""))
    op.add_column("virtual_keys", sa.Column("max_output_tokens", sa.BigInteger(), nullable=True))
    op.add_column("credentials", sa.Column("terms", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("credentials", sa.Column("margin_ppm", sa.BigInteger(), nullable=True))
    op.add_column("requests", sa.Column("data_class", sa.Text(), nullable=True))
    op.add_column("requests", sa.Column("cost_center", sa.Text(), nullable=True))
    op.add_column("attempts", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("attempts", sa.Column("consent_id", sa.String(length=64), nullable=True))
    op.add_column("attempts", sa.Column("holds", sa.Text(), nullable=True))
    op.add_column("attempts", sa.Column("charge_pico", sa.BigInteger(), nullable=True))
    op.add_column("rollups", sa.Column("charge_pico", sa.BigInteger(), nullable=False, server_default="0"))


def _moved() -> None:
    """Give everybody what they had: roles, cost centres, service accounts, and the use of every credential."""
    op.execute(
        "INSERT INTO role_assignments (id, organization_id, member_id, role, team_id, created_at, created_by)"
        " SELECT 'ra_' || substr(id, 5), organization_id, id,"
        " CASE role WHEN 'administrator' THEN 'owner' ELSE role END, '', created_at, id FROM members"
    )
    # Until now an administrator ran the whole installation, which had one organization.
    op.execute("UPDATE members SET operator = true WHERE role = 'administrator'")
    op.execute(
        "INSERT INTO team_cost_centers (team_id, valid_from, organization_id, cost_center)"
        " SELECT id, created_at, organization_id, cost_center FROM teams"
    )
    op.execute(
        "INSERT INTO service_accounts (id, organization_id, team_id, name, created_at, created_by)"
        " SELECT principal_id, organization_id, min(team_id), principal_id, min(created_at), min(created_by)"
        " FROM virtual_keys WHERE principal_kind = 'service_account' GROUP BY principal_id, organization_id"
    )
    op.execute(
        "INSERT INTO grants (id, organization_id, effect, subject_kind, subject_id, condition, note, created_at,"
        " created_by) SELECT 'grt_' || substr(id, 5), id, 'allow', 'organization', id, '',"
        " 'As before grants existed: everybody may use every own credential.', created_at, 'upgrade'"
        " FROM organizations"
    )
