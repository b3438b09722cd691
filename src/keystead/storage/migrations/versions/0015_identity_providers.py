"""Signing in at an organization's own identity provider (OpenID Connect)."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from keystead.storage.migrations.protection import protect

revision: Final = "0015"
down_revision: Final = "0014"


def upgrade() -> None:
    """Make the tables, and on PostgreSQL their policies (see `keystead.storage.row_security`)."""
    op.add_column(
        "sessions",
        sa.Column("second_factor_elsewhere", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "identity_providers",
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("domains", sa.Text, nullable=False),
        sa.Column("team_id", sa.String(64)),
        sa.Column("trusts_mfa", sa.Boolean, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_identity_providers"),
        sa.UniqueConstraint("link", name="uq_identity_providers_link"),
    )
    op.create_table(
        "external_identities",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_external_identities"),
        sa.UniqueConstraint(
            "organization_id", "issuer", "subject", name="uq_external_identities_organization_id_issuer_subject"
        ),
        sa.UniqueConstraint(
            "organization_id", "issuer", "member_id", name="uq_external_identities_organization_id_issuer_member_id"
        ),
    )
    op.create_table(
        "provider_sign_ins",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("return_address", sa.Text, nullable=False),
        sa.Column("wanted", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_provider_sign_ins"),
    )
    op.create_index("ix_provider_sign_ins_digest", "provider_sign_ins", ["digest"], unique=True)
    protect("identity_providers", "external_identities", "provider_sign_ins")
