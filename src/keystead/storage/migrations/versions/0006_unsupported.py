"""Whether a route drops what a provider has no word for. Routes that are there already refuse it, as they did."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0006"
down_revision: Final = "0005"


def upgrade() -> None:
    """Add the column."""
    op.add_column("model_routes", sa.Column("unsupported", sa.String(8), nullable=False, server_default="refuse"))
