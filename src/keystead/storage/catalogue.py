"""The tables of what models there are, and what they cost by list. For both engines (see `schema`)."""

from sqlalchemy import Column, Integer, String, Table

from keystead.storage.columns import identifier, instant, metadata, reference, text

offered_models = Table(
    "offered_models",
    metadata,
    identifier("credential_id"),
    reference("organization_id"),
    Column("version", Integer, nullable=False),  # of the key with which the list was last asked for
    instant("due_at"),  # when it is to be asked for again
    instant("checked_at", nullable=True),
    instant("changed_at", nullable=True),
    text("error"),
    text("models"),  # JSON list
)
"""The models that a credential's provider says it serves."""

catalogue_updates = Table(
    "catalogue_updates",
    metadata,
    identifier(),
    instant("applied_at"),
    reference("applied_by"),
    reference("key_id"),
    Column("sha256", String(64), nullable=False),
    text("prices_version"),
    text("models_version"),
    text("document"),  # what was signed
)
"""Signed updates of the catalogue and the price list, of the whole installation."""
