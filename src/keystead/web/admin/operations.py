"""The deployment's health, for those who run it."""

from keystead.web.admin.rooms import Health
from keystead.web.admin.route import Call
from keystead.web.admin.values import Nothing


async def doctor(call: Call[Nothing, Nothing]) -> Health:
    """Look at the database, the vault, the settings and the clocks, and say what is wrong."""
    return await call.rooms.health()
