"""Names of data classes in what people send."""

from typing import Annotated, Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import InvalidRequestError
from keystead.policy.class_store import classes_of
from keystead.web.admin.route import Call
from keystead.web.admin.values import LINE

DataClassName = Annotated[
    str, msgspec.Meta(max_length=100, pattern=rf"^$|{LINE}", description="A data class, or empty for none.")
]


async def require_data_class(call: Call[Any, Any], conn: AsyncConnection, name: str) -> None:
    """Refuse what is not the name of one of the organization's data classes; empty names none.

    Raises:
        InvalidRequestError: `data_class_unknown`.
    """
    if not name:
        return
    if (await classes_of(conn, call.who.organization_id)).get(name) is None:
        raise InvalidRequestError(
            f"There is no data class {name!r}.",
            code="data_class_unknown",
            param="data_class",
            next_step="Use public, internal, confidential, restricted or one of your own.",
        )
