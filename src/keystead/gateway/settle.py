"""Hand the end of an attempt over to the record."""

import asyncio
from typing import Final

import structlog

from keystead.domain.errors import NotRecordedError
from keystead.domain.records import Settlement
from keystead.storage.database import Journal

log = structlog.get_logger(__name__)

SETTLE_WAIT_S: Final = 5.0
"""How long an answer waits for its record. The record itself waits for the storage as long as it takes."""

CLIENT_CLOSED_REQUEST: Final = 499
"""nginx's status for a client that left before the answer."""


async def settle(journal: Journal, settlement: Settlement) -> None:
    """Hand a settlement over, and wait a little for it to be durable.

    The record is queued before this first suspends. When the storage is away it stays queued and is written when
    the storage is back; the caller's answer is not held up for that.
    """
    try:
        async with asyncio.timeout(SETTLE_WAIT_S):
            ended = await journal.settle(settlement)
    except TimeoutError:
        log.warning("settlement_waits", request=settlement.request.id)
        return
    except NotRecordedError:
        # Only a refusal without an attempt can meet this, when the storage is away and the queue full: nothing was
        # sent, nothing is owed, and the caller's own error says more than this one would.
        log.warning("refusal_not_recorded", request=settlement.request.id, code=settlement.error_code)
        return
    if not ended:
        log.warning("settlement_superseded", request=settlement.request.id, state=settlement.state)
