"""The tables of how people sign in to the console. For both engines (see `schema`)."""

from sqlalchemy import Boolean, Column, Index, LargeBinary, String, Table, UniqueConstraint, false

from keystead.storage.columns import identifier, instant, metadata, reference, text

passwords = Table(
    "passwords",
    metadata,
    identifier("member_id"),
    reference("organization_id"),
    text("email"),  # in lower case: what the member signs in with, one on the installation
    text("hash"),  # argon2id, in its own encoded form
    instant("changed_at"),
    UniqueConstraint("email"),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("member_id"),
    Column("digest", LargeBinary, nullable=False),
    instant("created_at"),
    reference("created_by"),
    instant("expires_at"),
    instant("used_at", nullable=True),
    Index(None, "digest", unique=True),
)
"""Links that let a member choose a password, once."""

sessions = Table(
    "sessions",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("member_id"),
    Column("digest", LargeBinary, nullable=False),
    instant("created_at"),
    instant("seen_at"),  # to the minute
    instant("expires_at"),
    instant("ended_at", nullable=True),
    text("browser"),  # as it calls itself, shortened
    Column("second_factor_elsewhere", Boolean, nullable=False, server_default=false()),  # at the identity provider
    Index(None, "digest", unique=True),
    Index(None, "organization_id", "member_id"),
)

second_factors = Table(
    "second_factors",
    metadata,
    identifier("member_id"),
    reference("organization_id"),
    Column("sealed", LargeBinary, nullable=False),  # the shared secret (RFC 6238), sealed by the vault
    instant("created_at"),
    instant("confirmed_at", nullable=True),  # from then on it is asked for
    instant("last_step"),  # the newest time step of which a code was taken: none is taken twice
    instant("failures"),  # wrong codes since the last right one
    instant("tried_at", nullable=True),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("member_id"),
    Column("digest", LargeBinary, nullable=False),
    instant("used_at", nullable=True),
    Index(None, "member_id"),
)

second_steps = Table(
    "second_steps",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("member_id"),
    Column("digest", LargeBinary, nullable=False),
    Column("how", String(32), nullable=False),  # `password`, `link` or `identity_provider`
    instant("expires_at"),
    Index(None, "digest", unique=True),
)
"""Whose password was right, and whose code is still to come."""
