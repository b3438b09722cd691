"""The webhook that a payment system tells top-ups to: `POST /hooks/top-ups`.

It stands outside the admin API because its caller has no admin token: a notice counts because it is signed (see
`ledger.webhook`). While no secret is configured, the path does not exist.
"""

from collections.abc import MutableMapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from keystead.domain.clock import Clock
from keystead.domain.errors import CallerError, KeysteadError, NotFoundError
from keystead.domain.ids import new_id
from keystead.domain.money import to_text
from keystead.domain.secret import Secret
from keystead.gateway.departure import ClientLeftError
from keystead.identity.audit import record_event
from keystead.ledger.credits import parse_credits
from keystead.ledger.store import Ledger
from keystead.ledger.webhook import HEADER, read_notice, verify
from keystead.storage.database import Database
from keystead.web.problem import MEDIA_TYPE, problem_of
from keystead.web.receive import Receive, Send, read_body
from keystead.web.relay import send_whole

PATH: Final = "/hooks/top-ups"
MAX_BODY_BYTES: Final = 16 * 1024
BODY_TIMEOUT_S: Final = 10.0
ACTOR: Final = "top_up_webhook"

log = structlog.get_logger(__name__)


class BookedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a notice: the same, however often it is told."""

    transfer: str
    """The id of what was booked."""
    organization: str
    credits: str
    reference: str


class Payments:
    """Books what signed notices say."""

    def __init__(self, *, database: Database, ledger: Ledger, secrets: Sequence[Secret], clock: Clock) -> None:
        """Believe what is signed with one of `secrets`; with none there is no webhook."""
        self._database = database
        self._ledger = ledger
        self._secrets = tuple(secrets)
        self._clock = clock

    async def serve(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Answer one request whose head the edge has checked."""
        request_id = new_id("op", self._clock.now_us())
        try:
            booked = await self._booked(scope, headers, receive)
        except ClientLeftError:
            return
        except KeysteadError as error:
            await self._refuse(send, error, request_id)
        except Exception:  # the last resort: a defect is logged whole, and told without its internals
            log.exception("payment_failed", request_id=request_id)
            await self._refuse(send, KeysteadError(), request_id)
        else:
            await send_whole(send, 200, _headers(b"application/json", request_id), msgspec.json.encode(booked))

    async def _booked(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], receive: Receive
    ) -> BookedPayment:
        if not self._secrets:
            raise NotFoundError("There is no such path.")
        if scope["method"] != "POST":
            raise CallerError(
                "A payment is told with POST.", code="method_not_allowed", status=405, headers={"allow": "POST"}
            )
        body = await read_body(receive, headers, limit=MAX_BODY_BYTES, timeout_s=BODY_TIMEOUT_S)
        shown = headers.get(HEADER.encode("ascii"), b"").decode("latin-1")
        verify(shown, body, secrets=self._secrets, now_us=self._clock.now_us())
        notice = read_notice(body)
        amount = parse_credits(notice.credits, param="credits")
        async with self._database.write() as conn:
            booking = await self._ledger.top_up(
                conn,
                organization_id=notice.organization,
                amount=amount,
                reference=notice.reference,
                note=notice.note,
                actor_id=ACTOR,
            )
            transfer = booking.transfer
            answer = BookedPayment(
                transfer=transfer.id,
                organization=transfer.organization_id,
                credits=to_text(transfer.change),
                reference=notice.reference,
            )
            if not booking.repeated:
                await record_event(
                    conn,
                    organization_id=transfer.organization_id,
                    at=self._clock.now_us(),
                    actor_kind="system",
                    actor_id=ACTOR,
                    action="credits.topped_up",
                    object_kind="transfer",
                    object_id=transfer.id,
                    details={"credits": answer.credits, "reference": answer.reference, "note": transfer.note},
                )
        return answer

    async def _refuse(self, send: Send, error: KeysteadError, request_id: str) -> None:
        told = [(name.encode("ascii"), value.encode("ascii")) for name, value in error.headers.items()]
        body = msgspec.json.encode(problem_of(error, request_id))
        await send_whole(send, error.status, [*_headers(MEDIA_TYPE.encode("ascii"), request_id), *told], body)


def _headers(media_type: bytes, request_id: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", media_type),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-keystead-request-id", request_id.encode("ascii")),
    ]
