"""The tables of signing in at an organization's own identity provider. For both engines (see `schema`)."""

from sqlalchemy import Boolean, Column, Index, LargeBinary, Table, UniqueConstraint

from keystead.storage.columns import identifier, instant, metadata, reference, text

identity_providers = Table(
    "identity_providers",
    metadata,
    identifier("organization_id"),
    text("link"),  # the unguessable end of the organization's own sign-in address
    text("issuer"),
    text("client_id"),
    Column("sealed", LargeBinary, nullable=False),  # the client secret, sealed to the issuer by the vault
    text("domains"),  # of e-mail addresses, in lower case, between spaces
    reference("team_id", nullable=True),  # where people unknown so far become members; null: nowhere
    Column("trusts_mfa", Boolean, nullable=False),
    instant("changed_at"),
    UniqueConstraint("link"),
)

external_identities = Table(
    "external_identities",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("member_id"),
    text("issuer"),
    text("subject"),
    instant("created_at"),
    UniqueConstraint("organization_id", "issuer", "subject"),
    UniqueConstraint("organization_id", "issuer", "member_id"),
)
"""Whom an identity provider means by whom."""

provider_sign_ins = Table(
    "provider_sign_ins",
    metadata,
    identifier(),
    reference("organization_id"),
    Column("digest", LargeBinary, nullable=False),  # of what the browser keeps meanwhile
    text("issuer"),
    text("return_address"),
    text("wanted"),  # the page of the console that was asked for
    instant("expires_at"),
    Index(None, "digest", unique=True),
)
"""Who is away at their identity provider and has yet to come back."""
