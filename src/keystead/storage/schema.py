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
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from keystead.domain.usage import COUNTS

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id(name: str = "id", *, primary_key: bool = True) -> Column[str]:
    return Column(name, String(64), primary_key=primary_key)


def _reference(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, String(64), nullable=nullable)


def _instant(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


organizations = Table(
    "organizations",
    metadata,
    _id(),
    _text("name"),
    Column("currency", String(3), nullable=False),
    _instant("created_at"),
)

teams = Table(
    "teams",
    metadata,
    _id(),
    _reference("organization_id"),
    _text("name"),
    _text("cost_center"),
    _instant("created_at"),
    UniqueConstraint("organization_id", "name"),
)

members = Table(
    "members",
    metadata,
    _id(),
    _reference("organization_id"),
    _reference("team_id"),
    _text("name"),
    Column("role", String(32), nullable=False),
    _instant("created_at"),
    _instant("disabled_at", nullable=True),
    UniqueConstraint("organization_id", "name"),
)

admin_tokens = Table(
    "admin_tokens",
    metadata,
    _id(),
    _reference("organization_id"),
    _reference("member_id"),
    _text("name"),
    Column("digest", LargeBinary, nullable=False),
    _instant("created_at"),
    _instant("expires_at", nullable=True),
    _instant("revoked_at", nullable=True),
)

virtual_keys = Table(
    "virtual_keys",
    metadata,
    _id(),
    _reference("organization_id"),
    _reference("team_id"),
    Column("principal_kind", String(16), nullable=False),
    _reference("principal_id"),
    _text("name"),
    Column("digest", LargeBinary, nullable=False),
    _text("models", nullable=True),  # JSON list of patterns, or null
    _text("credential_ids", nullable=True),  # JSON list, or null
    _instant("created_at"),
    _reference("created_by"),
    _instant("expires_at", nullable=True),
    _instant("revoked_at", nullable=True),
    UniqueConstraint("organization_id", "name"),
)

root_keys = Table(
    "root_keys",
    metadata,
    _id("scope"),  # an organization's id, or "deployment"
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("kek_id"),
    Column("wrapped", LargeBinary, nullable=False),
    _instant("created_at"),
)

credentials = Table(
    "credentials",
    metadata,
    _id(),
    _reference("organization_id"),
    _text("name"),
    Column("provider", String(32), nullable=False),
    _text("origin"),
    _text("settings"),  # JSON: non-secret provider settings such as an Azure API version
    Column("owner", String(16), nullable=False),
    _text("region"),
    _text("models", nullable=True),  # JSON list of patterns it serves, or null for all
    Column("on_disconnect", String(8), nullable=False),
    _instant("created_at"),
    _reference("created_by"),
    _instant("revoked_at", nullable=True),
    UniqueConstraint("organization_id", "name"),
)

credential_versions = Table(
    "credential_versions",
    metadata,
    _id("credential_id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _reference("organization_id"),
    Column("state", String(16), nullable=False),  # staged, active, draining, retired, revoked
    Column("sealed", LargeBinary, nullable=True),  # null once destroyed
    Column("fingerprint", LargeBinary, nullable=False),
    _text("mask"),  # provider-aware prefix and last four characters, made when the key was entered
    _instant("created_at"),
    _reference("created_by"),
    _instant("activated_at", nullable=True),
    _instant("draining_at", nullable=True),
    _instant("retired_at", nullable=True),
    _instant("revoked_at", nullable=True),
    _instant("probed_at", nullable=True),
    _text("probe_result", nullable=True),  # JSON
    CheckConstraint("version > 0", name="version_positive"),
    Index("ix_credential_versions_fingerprint", "organization_id", "fingerprint"),
)

price_overrides = Table(
    "price_overrides",
    metadata,
    _id(),
    _reference("organization_id"),
    Column("provider", String(32), nullable=False),
    _text("model"),  # shell-style pattern
    Column("currency", String(3), nullable=False),
    _text("prices"),  # JSON: unit → price per unit, exact decimal text
    _instant("valid_from"),
    _instant("valid_to", nullable=True),
    _text("note"),
    _instant("created_at"),
    _reference("created_by"),
)

audit_events = Table(
    "audit_events",
    metadata,
    _id(),
    _reference("organization_id"),
    _instant("at"),
    Column("actor_kind", String(16), nullable=False),
    _reference("actor_id"),
    Column("action", String(64), nullable=False),
    Column("object_kind", String(32), nullable=False),
    _reference("object_id"),
    _text("details"),  # JSON, never a secret
    Index("ix_audit_events_organization_id_id", "organization_id", "id"),
)

instances = Table(
    "instances",
    metadata,
    _id(),
    _text("host"),
    Column("pid", Integer, nullable=False),
    _instant("started_at"),
    _instant("heartbeat_at"),
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
    _reference("organization_id"),
    _reference("instance_id"),
    _reference("team_id"),
    Column("principal_kind", String(16), nullable=False),
    _reference("principal_id"),
    _reference("virtual_key_id"),
    Column("dialect", String(16), nullable=False),
    Column("endpoint", String(24), nullable=False),
    _text("model_asked"),
    Column("stream", Boolean, nullable=False),
    _text("decision"),
    _reference("consent_id", nullable=True),
    _text("client"),
    Column("state", String(24), nullable=False),
    _instant("finished_at", nullable=True),
    _instant("duration_us", nullable=True),
    Column("status_code", Integer, nullable=True),
    Column("error_class", String(32), nullable=True),
    Column("error_code", String(64), nullable=True),
    Column("fault", String(16), nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("input_total", BigInteger, nullable=True),
    Column("output_total", BigInteger, nullable=True),
    Column("usage_source", String(24), nullable=True),
    Column("cost_state", String(16), nullable=True),
    _instant("cost_pico", nullable=True),
    Column("currency", String(3), nullable=True),
    Index("ix_requests_organization_id_started_at", "organization_id", "started_at"),
    Index(
        "ix_requests_open",
        "instance_id",
        sqlite_where=Column("state") == "intent",
        postgresql_where=Column("state") == "intent",
    ),
    postgresql_partition_by="RANGE (started_at)",
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("request_started_at", BigInteger, primary_key=True, autoincrement=False),
    _reference("organization_id"),
    _instant("started_at"),
    _reference("credential_id"),
    Column("credential_version", Integer, nullable=False),
    Column("owner", String(16), nullable=False),
    Column("provider", String(32), nullable=False),
    _text("model_sent"),
    _text("destination"),
    _text("region"),
    Column("state", String(24), nullable=False),
    _instant("finished_at", nullable=True),
    _instant("duration_us", nullable=True),
    _instant("first_byte_us", nullable=True),
    Column("upstream_status", Integer, nullable=True),
    Column("error_class", String(32), nullable=True),
    Column("error_code", String(64), nullable=True),
    Column("fault", String(16), nullable=True),
    _text("upstream_request_id", nullable=True),
    _text("response_id", nullable=True),
    _text("model_served", nullable=True),
    _text("service_tier", nullable=True),
    _text("speed", nullable=True),
    Column("usage_source", String(24), nullable=True),
    *[Column(name, BigInteger, nullable=True) for name in COUNTS],
    _text("units", nullable=True),  # JSON
    _text("usage_raw", nullable=True),  # the provider's own JSON, verbatim
    _text("anomalies", nullable=True),  # JSON list
    Column("cost_state", String(16), nullable=True),
    _instant("cost_pico", nullable=True),
    _instant("computed_pico", nullable=True),
    Column("currency", String(3), nullable=True),
    _text("price_version", nullable=True),
    _text("cost_lines", nullable=True),  # JSON arithmetic
    Column("on_disconnect", String(16), nullable=True),
    _instant("bytes_received", nullable=True),
    _instant("bytes_sent", nullable=True),
    Index("ix_attempts_credential_id", "organization_id", "credential_id", "request_started_at"),
    Index(
        "ix_attempts_response_id",
        "organization_id",
        "response_id",
        sqlite_where=Column("response_id").is_not(None),
        postgresql_where=Column("response_id").is_not(None),
    ),
    postgresql_partition_by="RANGE (request_started_at)",
)

ROLLUP_DIMENSIONS = (
    "hour_at",
    "organization_id",
    "team_id",
    "principal_id",
    "virtual_key_id",
    "credential_id",
    "provider",
    "model",
    "owner",
    "outcome",
    "currency",
)
"""What a roll-up row is keyed by. `hour_at` is the hour in which the request began. `model` is the model served, else
the one sent, else the one asked. `credential_id`, `provider` and `owner` are empty for a request that ended without an
attempt of its own."""

ROLLUP_SUMS = (
    "requests",
    "attempts",
    *COUNTS,
    "cost_pico",
    "priced",
    "estimated",
    "unpriced",
    "unknown",
    "duration_us",
)
"""What is added up. `requests` counts ended requests, in the row of the attempt that ended them; `duration_us` is the
attempts' own. `priced` … `unknown` count attempts by cost state (`priced` includes reported and free)."""

rollups = Table(
    "rollups",
    metadata,
    Column("hour_at", BigInteger, primary_key=True, autoincrement=False),
    *[Column(name, Text, primary_key=True) for name in ROLLUP_DIMENSIONS[1:]],
    *[Column(name, BigInteger, nullable=False) for name in ROLLUP_SUMS],
    Index("ix_rollups_organization_id_hour_at", "organization_id", "hour_at"),
    sqlite_with_rowid=False,
)
