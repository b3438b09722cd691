"""The tables of how people sign in to the console. For both engines (see `schema`)."""

from sqlalchemy import Column, Index, LargeBinary, Table, UniqueConstraint

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
    Index(None, "digest", unique=True),
    Index(None, "organization_id", "member_id"),
)
