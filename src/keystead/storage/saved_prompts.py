"""The table of what members keep of the playground. For both engines (see `schema`)."""

from sqlalchemy import Column, Index, LargeBinary, Table

from keystead.storage.columns import identifier, instant, metadata, reference

saved_prompts = Table(
    "saved_prompts",
    metadata,
    identifier(),
    reference("organization_id"),
    reference("member_id"),
    Column("name", LargeBinary, nullable=False),  # sealed by the vault, to the member
    Column("content", LargeBinary, nullable=False),  # likewise
    instant("created_at"),
    instant("changed_at"),
    Index(None, "organization_id", "member_id", "id"),
)
