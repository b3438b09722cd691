"""The time zone in which the organization's days and months begin."""

from zoneinfo import ZoneInfo

from keystead.web.admin import organization
from keystead.web.console.desk import Desk


async def zone_of(desk: Desk) -> ZoneInfo:
    """Return the organization's time zone; UTC for whoever may not read the organization."""
    if not desk.may(organization.show):
        return ZoneInfo("UTC")
    return ZoneInfo((await desk.ask(organization.show)).time_zone)
