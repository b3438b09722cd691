"""The tables of who may do what, on which terms, within which means, and of what somebody should look at.

For both engines (see `schema`).

JSON columns are lists or objects of plain values, written by the room that owns the table and read by nobody else.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    literal_column,
)

from keystead.storage.columns import identifier, instant, metadata, reference, text

team_cost_centers = Table(
    "team_cost_centers",
    metadata,
    identifier("team_id"),
    Column("valid_from", BigInteger, primary_key=True, autoincrement=False),
    reference("organization_id"),
    text("cost_center"),
)
"""Which cost centre a team's cost goes to from an instant on, until the next row."""

virtual_key_tags = Table(
    "virtual_key_tags",
    metadata,
    identifier("virtual_key_id"),
    Column("tag", String(32), primary_key=True),
    Column("valid_from", BigInteger, primary_key=True, autoincrement=False),  # 0: since there is the key
    reference("organization_id"),
    text("value"),  # empty: from then on without this tag
    Index("ix_virtual_key_tags_organization_id", "organization_id", "tag"),
)
"""What a virtual key's requests count to, by tag: from an instant on, until the next row of the same tag."""

service_accounts = Table(
    "service_accounts",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("team_id"),
    text("name"),
    instant("created_at"),
    reference("created_by"),
    instant("disabled_at", nullable=True),
    UniqueConstraint("organization_id", "name"),
)

roles = Table(
    "roles",
    metadata,
    identifier(),
    reference("organization_id"),
    text("name"),
    text("permissions"),  # JSON list
    instant("created_at"),
    reference("created_by"),
    UniqueConstraint("organization_id", "name"),
)
"""An organization's own roles. The built-in ones are in the code."""

role_assignments = Table(
    "role_assignments",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("member_id"),
    Column("role", String(64), nullable=False),  # a built-in role's name or an own role's id
    Column("team_id", String(64), nullable=False),  # empty: in the whole organization
    instant("created_at"),
    reference("created_by"),
    UniqueConstraint("organization_id", "member_id", "role", "team_id"),
)

grants = Table(
    "grants",
    metadata,
    identifier(),
    reference("organization_id"),
    Column("effect", String(8), nullable=False),  # allow, deny
    Column("subject_kind", String(16), nullable=False),  # organization, team, member, service_account
    reference("subject_id"),
    text("credentials", nullable=True),  # JSON list of credential ids; null: every own credential
    text("models", nullable=True),  # JSON list of patterns; null: every model
    text("endpoints", nullable=True),  # JSON list; null: every endpoint
    text("condition"),  # CEL; empty: always
    text("note"),
    instant("created_at"),
    reference("created_by"),
    instant("expires_at", nullable=True),
    instant("revoked_at", nullable=True),
)

data_classes = Table(
    "data_classes",
    metadata,
    identifier(),
    reference("organization_id"),
    text("name"),
    Column("rank", Integer, nullable=False),
    text("terms"),  # JSON: what a credential's contract must promise
    instant("created_at"),
    reference("created_by"),
    UniqueConstraint("organization_id", "name"),
)
"""An organization's own data classes, and its own terms for the built-in ones."""

recognizers = Table(
    "recognizers",
    metadata,
    identifier(),
    reference("organization_id"),
    text("name"),
    Column("kind", String(32), nullable=False),  # a built-in recogniser, or "pattern"
    text("pattern"),  # RE2; empty for a built-in one
    Column("action", String(8), nullable=False),  # block, raise, redact
    text("data_class"),  # what it raises to; empty for the other actions
    instant("created_at"),
    reference("created_by"),
    UniqueConstraint("organization_id", "name"),
)

model_routes = Table(
    "model_routes",
    metadata,
    identifier(),
    reference("organization_id"),
    text("name"),
    Column("strategy", String(16), nullable=False),  # ordered, weighted, cheapest, fastest
    Column("sticky", Boolean, nullable=False),
    Column("unsupported", String(8), nullable=False, server_default="refuse"),  # refuse, drop
    text("attempts"),  # JSON list of what to try
    instant("created_at"),
    reference("created_by"),
    UniqueConstraint("organization_id", "name"),
)

consents = Table(
    "consents",
    metadata,
    identifier(),
    reference("organization_id"),
    text("team_ids", nullable=True),  # JSON list; null: every team
    text("models", nullable=True),  # JSON list of patterns; null: every model
    text("data_classes"),  # JSON list of names
    text("reasons"),  # JSON list: throttled, down, out_of_funds
    instant("daily_cap_pico"),  # of credits
    instant("monthly_cap_pico"),
    text("note"),
    instant("created_at"),
    reference("created_by"),
    instant("expires_at"),
    instant("revoked_at", nullable=True),
)

budgets = Table(
    "budgets",
    metadata,
    identifier(),
    reference("organization_id"),
    text("name"),
    Column("scope_kind", String(16), nullable=False),  # organization, team, member, service_account, virtual_key, …
    text("scope_id"),  # an id, or a pattern where the scope is a model
    Column("period", String(16), nullable=False),  # day, week, month (calendar), rolling
    Column("rolling_hours", Integer, nullable=False),  # 0 unless the period is rolling
    Column("limit_pico", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("hard", Boolean, nullable=False),
    Column("alert_percent", Integer, nullable=False),
    Column("unpriced", String(8), nullable=False),  # refuse, hold, allow
    Column("unpriced_hold_pico", BigInteger, nullable=False),
    instant("created_at"),
    reference("created_by"),
    instant("ends_at", nullable=True),
    instant("ended_at", nullable=True),
    UniqueConstraint("organization_id", "name"),
)

rate_limits = Table(
    "rate_limits",
    metadata,
    identifier(),
    reference("organization_id"),
    text("name"),
    Column("scope_kind", String(16), nullable=False),
    text("scope_id"),
    Column("measure", String(24), nullable=False),  # requests_per_minute, tokens_per_minute, concurrent, …
    Column("most", BigInteger, nullable=False),
    instant("created_at"),
    reference("created_by"),
    UniqueConstraint("organization_id", "name"),
)

counters = Table(
    "counters",
    metadata,
    identifier("counter_id"),  # a budget, a consent's cap, or a prepaid account
    Column("bucket_at", BigInteger, primary_key=True, autoincrement=False),
    reference("organization_id"),
    Column("ceiling", BigInteger, nullable=True),  # prepaid accounts: what was ever paid in
    Column("spent", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Index("ix_counters_bucket_at", "bucket_at"),
    sqlite_with_rowid=False,
)
"""What is spent and held, by period. Kept by the journal, in the transactions of intents and settlements.

The bucket at 0 is the counter itself: it stays, and a prepaid account has no other.
"""

PAID_IN = "kind IN ('grant', 'topup')"
"""Transfers that credits came with. In these words, for only so may both engines use the index on them."""

ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    identifier(),
    reference("organization_id"),  # empty for the platform's own
    Column("kind", String(16), nullable=False),  # prepaid, granted, received, revenue, adjustments
    instant("created_at"),
    UniqueConstraint("organization_id", "kind"),
)

ledger_transfers = Table(
    "ledger_transfers",
    metadata,
    identifier(),  # of a charge: made of its request and attempt, so that an attempt is charged once
    reference("organization_id"),
    instant("at"),
    reference("debit_account"),
    reference("credit_account"),
    Column("amount", BigInteger, nullable=False),  # pico credits; of a pending transfer, what is held
    Column("kind", String(16), nullable=False),  # grant, topup, charge, adjustment
    Column("state", String(8), nullable=False),  # pending, posted, voided, expired
    instant("ended_at", nullable=True),
    reference("request_id", nullable=True),
    Column("attempt", Integer, nullable=True),
    text("reference", nullable=True),  # the payment's own id: the same one is booked once
    text("note"),
    reference("created_by"),
    CheckConstraint("amount >= 0", name="amount_not_negative"),
    CheckConstraint("debit_account <> credit_account", name="two_accounts"),
    Index(
        "ix_ledger_transfers_posted",
        "organization_id",
        "ended_at",
        "id",
        sqlite_where=Column("state") == "posted",
        postgresql_where=Column("state") == "posted",
    ),
    Index(
        "uq_ledger_transfers_reference",
        "reference",
        unique=True,
        sqlite_where=Column("reference").is_not(None),
        postgresql_where=Column("reference").is_not(None),
    ),
    Index(
        "ix_ledger_transfers_paid_in",
        "organization_id",
        "at",
        sqlite_where=literal_column(PAID_IN),
        postgresql_where=literal_column(PAID_IN),
    ),
)

alerts = Table(
    "alerts",
    metadata,
    identifier(),
    reference("organization_id"),
    Column("kind", String(32), nullable=False),
    reference("subject_id"),  # a credential, a budget, a consent, an account of credits or a virtual key
    text("subject"),  # its name when the alert opened; of a consent, its id
    Column("team_id", String(64), nullable=False),  # whose the subject is; empty: the whole organization's
    instant("first_at"),
    instant("last_at"),
    Column("count", BigInteger, nullable=False),
    text("detail"),  # JSON
    instant("resolved_at", nullable=True),
    instant("acknowledged_at", nullable=True),
    reference("acknowledged_by", nullable=True),
    Index("ix_alerts_organization_id_id", "organization_id", "id"),
    Index(
        "uq_alerts_open",
        "organization_id",
        "kind",
        "subject_id",
        unique=True,
        sqlite_where=Column("resolved_at").is_(None),
        postgresql_where=Column("resolved_at").is_(None),
    ),
)

notices = Table(
    "notices",
    metadata,
    identifier(),
    reference("organization_id"),
    Column("event", String(24), nullable=False),  # alert.opened, alert.resolved, digest
    reference("subject_id"),  # the alert; of a digest, the instant its week began
    text("body"),  # JSON, as it is sent
    instant("made_at"),
    Column("tries", Integer, nullable=False),
    instant("next_at"),  # not before
    instant("sent_at", nullable=True),
    instant("given_up_at", nullable=True),
    UniqueConstraint("organization_id", "event", "subject_id"),
)
"""What is to be told to the operator's webhook, and whether it was."""
