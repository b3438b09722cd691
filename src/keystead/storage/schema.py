"""Every table, for both engines. Instants are Unix microseconds; amounts are pico units (10⁻¹²).

`requests` and `attempts` carry `started_at` of the request in their key, because PostgreSQL partitions them by
it; an id alone is enough to find a row, since the id holds that time to the millisecond.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
)

from keystead.domain.usage import COUNTS
from keystead.storage.columns import identifier, instant, metadata, reference, text

UNNOTICED = (
    "owner = 'own' AND error_class IN ('auth_failed', 'permission_denied', 'out_of_funds') AND noticed_at IS NULL"
)
"""Attempts that an alert has still to count. In these words, for only so may both engines use the index on them."""

RARE = {
    "state": "state NOT IN ('intent', 'settled')",
    "error_class": "error_class IS NOT NULL",
    "cost_state": "cost_state IN ('estimated', 'unpriced', 'unknown')",
}
"""Of which requests there are indexes by these columns: of the few that somebody looks for. In these words, as above."""

organizations = Table(
    "organizations",
    metadata,
    identifier(),
    text("name"),
    Column("currency", String(3), nullable=False),
    text("time_zone"),  # IANA name: where its days and months begin
    instant("created_at"),
    Column("second_factor_required", Boolean, nullable=False, server_default=false()),
    Column("keep_requests_days", Integer, nullable=True),  # NULL keeps them for ever
)

teams = Table(
    "teams",
    metadata,
    identifier(),
    reference("organization_id"),
    text("name"),
    reference("parent_id", nullable=True),
    text("data_class"),  # of its requests unless they say more; empty for the organization's lowest
    instant("created_at"),
    UniqueConstraint("organization_id", "name"),
)

members = Table(
    "members",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("team_id"),
    text("name"),
    Column("operator", Boolean, nullable=False),  # runs the platform: organizations, platform credentials, top-ups
    instant("created_at"),
    instant("disabled_at", nullable=True),
    UniqueConstraint("organization_id", "name"),
)

admin_tokens = Table(
    "admin_tokens",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("member_id"),
    text("name"),
    Column("digest", LargeBinary, nullable=False),
    instant("created_at"),
    instant("expires_at", nullable=True),
    instant("revoked_at", nullable=True),
)

virtual_keys = Table(
    "virtual_keys",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("team_id"),
    Column("principal_kind", String(16), nullable=False),
    reference("principal_id"),
    text("name"),
    Column("digest", LargeBinary, nullable=False),
    text("models", nullable=True),  # JSON list of patterns, or null
    text("credential_ids", nullable=True),  # JSON list, or null
    text("endpoints", nullable=True),  # JSON list, or null
    text("networks", nullable=True),  # JSON list of source networks (CIDR), or null
    text("data_class"),  # at least this; empty for the team's
    Column("max_output_tokens", BigInteger, nullable=True),
    instant("created_at"),
    reference("created_by"),
    instant("expires_at", nullable=True),
    instant("revoked_at", nullable=True),
    UniqueConstraint("organization_id", "name"),
)

root_keys = Table(
    "root_keys",
    metadata,
    identifier("scope"),  # an organization's id, or "deployment"
    Column("version", Integer, primary_key=True, autoincrement=False),
    text("kek_id"),
    Column("wrapped", LargeBinary, nullable=False),
    instant("created_at"),
)

credentials = Table(
    "credentials",
    metadata,
    identifier(),
    reference("organization_id"),
    text("name"),
    Column("provider", String(32), nullable=False),
    text("origin"),
    text("settings"),  # JSON: non-secret provider settings such as an Azure API version
    Column("owner", String(16), nullable=False),
    text("region"),
    text("models", nullable=True),  # JSON list of patterns it serves, or null for all
    Column("on_disconnect", String(8), nullable=False),
    text("terms"),  # JSON: what the contract behind the key promises
    Column("margin_ppm", BigInteger, nullable=True),  # platform credentials: added to the provider's cost
    instant("created_at"),
    reference("created_by"),
    instant("revoked_at", nullable=True),
    UniqueConstraint("organization_id", "name"),
)

credential_versions = Table(
    "credential_versions",
    metadata,
    identifier("credential_id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    reference("organization_id"),
    Column("state", String(16), nullable=False),  # staged, active, draining, retired, revoked
    Column("sealed", LargeBinary, nullable=True),  # null once destroyed
    Column("fingerprint", LargeBinary, nullable=False),
    text("mask"),  # provider-aware prefix and last four characters, made when the key was entered
    instant("created_at"),
    reference("created_by"),
    instant("activated_at", nullable=True),
    instant("draining_at", nullable=True),
    instant("retired_at", nullable=True),
    instant("revoked_at", nullable=True),
    instant("probed_at", nullable=True),
    text("probe_result", nullable=True),  # JSON
    CheckConstraint("version > 0", name="version_positive"),
    Index("ix_credential_versions_fingerprint", "organization_id", "fingerprint"),
)

price_overrides = Table(
    "price_overrides",
    metadata,
    identifier(),
    reference("organization_id"),
    Column("provider", String(32), nullable=False),
    text("model"),  # shell-style pattern
    Column("currency", String(3), nullable=False),
    text("prices"),  # JSON: unit → price per unit, exact decimal text
    instant("valid_from"),
    instant("valid_to", nullable=True),
    text("note"),
    instant("created_at"),
    reference("created_by"),
)

audit_events = Table(
    "audit_events",
    metadata,
    identifier(),
    reference("organization_id"),
    instant("at"),
    Column("actor_kind", String(16), nullable=False),
    reference("actor_id"),
    Column("action", String(64), nullable=False),
    Column("object_kind", String(32), nullable=False),
    reference("object_id"),
    text("details"),  # JSON, never a secret
    Index("ix_audit_events_organization_id_id", "organization_id", "id"),
)

instances = Table(
    "instances",
    metadata,
    identifier(),
    text("host"),
    Column("pid", Integer, nullable=False),
    instant("started_at"),
    instant("heartbeat_at"),
)

snapshot_revision = Table(
    "snapshot_revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("started_at", BigInteger, primary_key=True, autoincrement=False),
    reference("organization_id"),
    reference("instance_id"),
    reference("team_id"),
    Column("principal_kind", String(16), nullable=False),
    reference("principal_id"),
    reference("virtual_key_id"),
    Column("dialect", String(16), nullable=False),
    Column("endpoint", String(24), nullable=False),
    text("model_asked"),
    Column("stream", Boolean, nullable=False),
    text("decision"),
    text("client"),
    Column("data_class", Text, nullable=True),
    Column("cost_center", Text, nullable=True),
    Column("outline", Text, nullable=True),  # JSON: what else a decision about it looks at
    Column("state", String(24), nullable=False),
    instant("finished_at", nullable=True),
    instant("duration_us", nullable=True),
    Column("status_code", Integer, nullable=True),
    Column("error_class", String(32), nullable=True),
    Column("error_code", String(64), nullable=True),
    Column("fault", String(16), nullable=True),
    reference("refused_by", nullable=True),  # the counter that had no room for it: a budget, a cap, an account
    Column("attempts", Integer, nullable=False),
    Column("input_total", BigInteger, nullable=True),
    Column("output_total", BigInteger, nullable=True),
    Column("usage_source", String(24), nullable=True),
    Column("cost_state", String(16), nullable=True),
    instant("cost_pico", nullable=True),
    Column("currency", String(3), nullable=True),
    Index("ix_requests_organization_id_started_at", "organization_id", "started_at"),
    Index(
        "ix_requests_open",
        "instance_id",
        sqlite_where=Column("state") == "intent",
        postgresql_where=Column("state") == "intent",
    ),
    Index(
        "ix_requests_refused_by",
        "refused_by",
        "started_at",
        sqlite_where=Column("refused_by").is_not(None),
        postgresql_where=Column("refused_by").is_not(None),
    ),
    Index(
        "ix_requests_fault",
        "organization_id",
        "started_at",
        sqlite_where=Column("fault").is_not(None),
        postgresql_where=Column("fault").is_not(None),
    ),
    Index("ix_requests_team_id", "organization_id", "team_id", "started_at", "id"),
    Index("ix_requests_virtual_key_id", "organization_id", "virtual_key_id", "started_at", "id"),
    Index("ix_requests_model_asked", "organization_id", "model_asked", "started_at", "id"),
    *[
        Index(
            f"ix_requests_{column}",
            "organization_id",
            column,
            "started_at",
            "id",
            sqlite_where=literal_column(where),
            postgresql_where=literal_column(where),
        )
        for column, where in RARE.items()
    ],
    postgresql_partition_by="RANGE (started_at)",
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("request_started_at", BigInteger, primary_key=True, autoincrement=False),
    reference("organization_id"),
    instant("started_at"),
    reference("credential_id"),
    Column("credential_version", Integer, nullable=False),
    Column("owner", String(16), nullable=False),
    Column("provider", String(32), nullable=False),
    text("model_sent"),
    text("destination"),
    text("region"),
    text("reason", nullable=True),  # why this attempt was made after another: throttled, down …
    reference("consent_id", nullable=True),
    text("holds", nullable=True),  # JSON: what is held for it until it ends
    Column("state", String(24), nullable=False),
    instant("finished_at", nullable=True),
    instant("duration_us", nullable=True),
    instant("first_byte_us", nullable=True),
    instant("first_token_us", nullable=True),
    Column("upstream_status", Integer, nullable=True),
    Column("error_class", String(32), nullable=True),
    Column("error_code", String(64), nullable=True),
    Column("fault", String(16), nullable=True),
    text("upstream_request_id", nullable=True),
    text("response_id", nullable=True),
    text("model_served", nullable=True),
    text("service_tier", nullable=True),
    text("speed", nullable=True),
    Column("usage_source", String(24), nullable=True),
    *[Column(name, BigInteger, nullable=True) for name in COUNTS],
    text("units", nullable=True),  # JSON
    text("usage_raw", nullable=True),  # the provider's own JSON, verbatim
    text("anomalies", nullable=True),  # JSON list
    Column("cost_state", String(16), nullable=True),
    instant("cost_pico", nullable=True),
    instant("computed_pico", nullable=True),
    Column("currency", String(3), nullable=True),
    instant("charge_pico", nullable=True),  # credits that the platform bills for it
    text("price_version", nullable=True),
    text("cost_lines", nullable=True),  # JSON arithmetic
    Column("on_disconnect", String(16), nullable=True),
    instant("bytes_received", nullable=True),
    instant("bytes_sent", nullable=True),
    instant("noticed_at", nullable=True),  # when an alert counted it, of those that there is an alert about
    Index("ix_attempts_model_sent", "organization_id", "model_sent", "request_started_at", "request_id"),
    Index("ix_attempts_model_served", "organization_id", "model_served", "request_started_at", "request_id"),
    Index("ix_attempts_credential_id", "organization_id", "credential_id", "request_started_at"),
    Index(
        "ix_attempts_failed",
        "organization_id",
        "credential_id",
        "request_started_at",
        sqlite_where=Column("error_class").is_not(None),
        postgresql_where=Column("error_class").is_not(None),
    ),
    Index(
        "ix_attempts_consent_id",
        "organization_id",
        "request_started_at",
        sqlite_where=Column("consent_id").is_not(None),
        postgresql_where=Column("consent_id").is_not(None),
    ),
    Index(
        "ix_attempts_unnoticed",
        "finished_at",
        sqlite_where=literal_column(UNNOTICED),
        postgresql_where=literal_column(UNNOTICED),
    ),
    Index(
        "ix_attempts_response_id",
        "organization_id",
        "response_id",
        sqlite_where=Column("response_id").is_not(None),
        postgresql_where=Column("response_id").is_not(None),
    ),
    postgresql_partition_by="RANGE (request_started_at)",
)
