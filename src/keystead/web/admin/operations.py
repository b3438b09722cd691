"""The installation's health, for those who run it: paths, ports and the database are no tenant's business."""

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
        permission=Permission.PLATFORM_OPERATIONS,
        handler=doctor,
        summary="The installation's health, check by check.",
        answer=Health,
    ),
)
