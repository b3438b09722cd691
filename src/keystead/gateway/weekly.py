"""Each organization's digest of its last week, put down for the operator's webhook once the week is over."""

from typing import Final

from keystead.alerts import notices
from keystead.domain.clock import DAY_US, Clock
from keystead.gateway.digest import Digests
from keystead.identity import directory
from keystead.limits.periods import bucket
from keystead.storage.database import Database

EVENT: Final = "digest"
_LONGEST_WEEK_US: Final = 8 * DAY_US


async def put_down_digests(database: Database, digests: Digests, clock: Clock) -> int:
    """Put down the digest of the week that ended last, in each organization's time zone, where there is none yet.

    Returns how many. Weeks that ended while nobody looked are not made up for: only the last one is news.
    """
    now = clock.now_us()
    async with database.read() as conn:
        organizations = await directory.organization_facts(conn)
        known = await notices.put_down_since(conn, EVENT, since=now - _LONGEST_WEEK_US)
    made = 0
    for organization in organizations:
        ended_at, _ = bucket("week", 0, now, organization.time_zone)
        began_at, _ = bucket("week", 0, ended_at - 1, organization.time_zone)
        if (organization.id, str(began_at)) in known:
            continue
        async with database.read() as conn:
            digest = await digests.digest(conn, organization.id, from_at=began_at, to_at=ended_at)
        async with database.write() as conn:
            await notices.put_down(
                conn,
                organization_id=organization.id,
                event=EVENT,
                subject_id=str(began_at),
                content=digest,
                now=now,
            )
        made += 1
    return made
