"""The deployment's health, for those who run it."""

from typing import Final

from keystead.domain.access import Permission
from keystead.web.admin.rooms import Health
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Nothing


async def doctor(call: Call[Nothing, Nothing]) -> Health:
    """Look at the database, the vault, the settings and the clocks, and say what is wrong."""
    return await call.rooms.health()


ROUTES: Final = (
    Route(
        method="GET",
        path="/doctor",
        permission=Permission.OPERATIONS_READ,
        handler=doctor,
        summary="The deployment's health, check by check.",
        answer=Health,
    ),
)
