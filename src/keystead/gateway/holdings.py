"""What lies at providers: found by whoever may, bound when it is made, listed from our own books.

A request that names nothing stored reads nothing here. One that does is answered from a small memory, or by one read.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.dialects import gemini_files
from keystead.dialects import stored_objects as words
from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.errors import ConflictError, GatewayError, KeysteadError, NotFoundError
from keystead.domain.ids import new_id
from keystead.domain.records import AttemptIntent, RequestIntent
from keystead.domain.stored import BROUGHT, MORTAL, WORKS, ObjectKind, Reference, StoredObject
from keystead.domain.usage import Reading
from keystead.gateway.ask import Ask
from keystead.gateway.upload_address import LASTS_US, Kept, digest, new_address
from keystead.metering import stored as responses
from keystead.storage import stored_objects as books
from keystead.storage.database import Database
from keystead.storage.row_security import OrganizationView

log = structlog.get_logger(__name__)

_MOST_REMEMBERED: Final = 10_000
CONTAINER_LASTS_US: Final = 30 * 86_400 * 1_000_000
"""How long it is known whose a container is, if its provider does not say when it ends: since it was last named.
OpenAI's end 20 minutes after their last use, but a conversation that is sent again names them for as long as it goes on."""
_Key = tuple[str, str, ObjectKind, str]


class Holdings:
    """Knows which credential holds what, and for whom."""

    def __init__(self, *, database: Database, clock: Clock, revision: Callable[[], int], poll_s: float) -> None:
        """`revision` is the snapshot's: what an administrator removes is forgotten with it. `poll_s`: see settings."""
        self._database = database
        self._clock = clock
        self._revision = revision
        self._poll_us = int(poll_s * 1_000_000)
        self._known: dict[_Key, StoredObject] = {}
        self._as_of = 0

    async def find(self, key: VirtualKey, references: Sequence[Reference]) -> list[StoredObject]:
        """Return the objects. One that its account may have without the gateway (see `BROUGHT`) is left out if it is nobody's.

        Raises:
            NotFoundError: one is not there, or not this principal's: nobody can tell which.
        """
        if self._as_of != self._revision() or len(self._known) > _MOST_REMEMBERED:
            self._known.clear()
            self._as_of = self._revision()
        found = []
        for reference in references:
            memo = (key.organization_id, key.principal_id, reference.kind, reference.upstream_id)
            held = self._known.get(memo)
            if held is None:
                held = await self._read(key, reference)
                if held is None:
                    continue
                self._known[memo] = held
            if held.kind in MORTAL and held.expires_at is not None and held.expires_at <= self._clock.now_us():
                raise reference.not_found()
            found.append(held)
        return found

    async def refuse_others(self, key: VirtualKey, upstream_ids: Collection[str]) -> None:
        """Refuse ids that are bound to somebody else in the organization.

        Raises:
            NotFoundError: one is: the same as for an id that never was.
        """
        if not upstream_ids:
            return
        async with OrganizationView(self._database, key.organization_id).read() as conn:
            of_others = await _is_anothers(conn, key, upstream_ids)
        if of_others:
            raise NotFoundError("There is no such object.", code="object_not_found")

    async def check_removable(self, held: StoredObject) -> None:
        """Refuse to delete what somebody still has to read for the record.

        Raises:
            ConflictError: `work_not_settled`.
        """
        if not held.request_id:
            return
        async with self._database.read() as conn:
            awaited = await books.is_awaited(conn, held.request_id)
        if awaited:
            raise ConflictError(
                "What it cost is not in the record yet.",
                code="work_not_settled",
                next_step="Try again in a minute; what has not ended must be cancelled first.",
            )

    async def keep(
        self, ask: Ask, request: RequestIntent, attempt: AttemptIntent, body: bytes, *, upload_url: str = ""
    ) -> tuple[bytes, bool]:
        """Bind what an answer says was made, or note what it says of what is bound; durable when it returns.

        Returns the answer as the caller may read it, and whether its work goes on: the attempt is then settled when
        that has ended, and not now. Where an upload begins, what the caller may read is the address for its pieces.

        Raises:
            ConflictError: the provider answers with what is bound to somebody else.
        """
        kind = ask.object_kind
        if ask.action == "begin":
            return await self._begin(ask, request, attempt, upload_url), False
        if ask.action == "upload" or (ask.action == "create" and kind is ObjectKind.GEMINI_FILE):
            await self._end_upload(ask, request, attempt, body)
            return body, False
        if ask.action == "delete":
            await self._forget(ask, request)
        if ask.action in {"content", "delete"}:
            return body, False  # of contents no id is read: whoever wrote them could have written any
        told = words.told(kind, body)
        if told is None:
            log.warning("stored_object_unreadable", request=request.id, kind=kind)
            return body, False
        shown = words.as_shown(kind, body)
        if ask.action in {"get", "cancel", "update"}:
            await self._note(request, kind, told, shown)
            return shown, False
        return shown, await self._bind(ask, request, attempt, told, shown)

    async def keep_stream(self, ask: Ask, request: RequestIntent, attempt: AttemptIntent, reading: Reading) -> bool:
        """Bind a response whose stream ended before its work, if it did; say whether the work is now awaited."""
        if reading.response_id is None or reading.finished or reading.error is not None:
            return False
        try:
            return await self._bind(ask, request, attempt, words.Told(upstream_id=reading.response_id), b"")
        except KeysteadError:
            log.exception("background_not_awaited", request=request.id)  # it ends as what is known of it
            return False

    async def keep_containers(
        self, request: RequestIntent, attempt: AttemptIntent, opened: Mapping[str, int | None]
    ) -> None:
        """Bind the containers that an answer names, by id with their end; durable when it returns.

        One that is somebody else's stays theirs, and what cannot be bound does not resolve: the answer goes on.
        """
        now = self._clock.now_us()
        try:
            async with OrganizationView(self._database, request.organization_id).write() as conn:
                for name, end in opened.items():
                    told = words.Told(upstream_id=name, expires_at=end)
                    made = _stored(request, attempt, ObjectKind.CONTAINER, told, now=now)
                    if await books.add(conn, made):
                        continue
                    held = await self._own(conn, request, ObjectKind.CONTAINER, name)
                    if held is None:
                        log.warning("container_of_another", request=request.id)
                    else:
                        await books.show(conn, held.id, shown=held.shown, expires_at=made.expires_at)
        except KeysteadError:
            log.exception("container_not_bound", request=request.id)

    async def _begin(self, ask: Ask, request: RequestIntent, attempt: AttemptIntent, upload_url: str) -> bytes:
        upload_id = gemini_files.upload_id_in(upload_url)
        if upload_id is None:
            raise GatewayError("The provider gave no place for the file.", code="upload_not_begun", status=502)
        address = new_address(request.virtual_key_id)
        ends_at = self._clock.now_us() + LASTS_US
        told = words.Told(upstream_id=digest(address), expires_at=ends_at)
        await self._bind(ask, request, attempt, told, msgspec.json.encode(Kept(upload_id=upload_id)))
        return address.encode()

    async def _end_upload(self, ask: Ask, request: RequestIntent, attempt: AttemptIntent, body: bytes) -> None:
        """Bind the file, if all of it has come."""
        file = gemini_files.uploaded(body)
        told = words.told(ObjectKind.GEMINI_FILE, file) if file is not None else None
        if file is None or told is None:
            if ask.action == "create":
                log.warning("stored_object_unreadable", request=request.id, kind=ask.object_kind)
            return
        made = msgspec.structs.replace(ask, object_kind=ObjectKind.GEMINI_FILE, action="create")
        await self._bind(made, request, attempt, told, file)
        if ask.action == "upload":
            await self._forget(ask, request)

    async def _read(self, key: VirtualKey, reference: Reference) -> StoredObject | None:
        async with OrganizationView(self._database, key.organization_id).read() as conn:
            held = await books.find(
                conn,
                organization_id=key.organization_id,
                principal_id=key.principal_id,
                kind=reference.kind,
                upstream_id=reference.upstream_id,
            )
            if (
                held is None
                and reference.kind in BROUGHT
                and not await _is_anothers(conn, key, [reference.upstream_id])
            ):
                return None
            if held is not None or reference.kind is not ObjectKind.RESPONSE:
                if held is None:
                    raise reference.not_found()
                return held
            # A response that was settled with its answer is bound by the record itself.
            credential_id = await responses.credential_of_response(
                conn,
                organization_id=key.organization_id,
                principal_id=key.principal_id,
                response_id=reference.upstream_id,
            )
        if credential_id is None:
            raise reference.not_found()
        return StoredObject(
            id="",
            organization_id=key.organization_id,
            team_id=key.team_id,
            principal_kind=key.principal_kind,
            principal_id=key.principal_id,
            virtual_key_id=key.id,
            credential_id=credential_id,
            provider="",
            kind=reference.kind,
            upstream_id=reference.upstream_id,
            created_at=0,
        )

    async def _bind(
        self, ask: Ask, request: RequestIntent, attempt: AttemptIntent, told: words.Told, shown: bytes
    ) -> bool:
        now = self._clock.now_us()
        goes_on = ask.object_kind in WORKS and not told.ended
        made = msgspec.structs.replace(
            _stored(request, attempt, ask.object_kind, told, now=now),
            shown=kept_text(ask.object_kind, told, shown),
            workload=ask.workload,
            request_id=request.id if goes_on else "",
            request_started_at=request.started_at if goes_on else 0,
            work="open" if goes_on else "",
            poll_at=now + self._poll_us if goes_on else None,
        )
        async with OrganizationView(self._database, request.organization_id).write() as conn:
            if await books.add(conn, made):
                return goes_on
            # A repeated idempotency key is answered with what was made first.
            if await self._own(conn, request, ask.object_kind, told.upstream_id) is not None:
                return False
        raise ConflictError("The provider answers with what is somebody else's.", code="object_taken")

    async def _note(self, request: RequestIntent, kind: ObjectKind, told: words.Told, shown: bytes) -> None:
        async with OrganizationView(self._database, request.organization_id).write() as conn:
            held = await self._own(conn, request, kind, told.upstream_id)
            if held is not None:
                due = self._clock.now_us() if told.ended else None
                text = kept_text(kind, told, shown)
                await books.show(conn, held.id, shown=text, expires_at=told.expires_at, poll_at=due)
                await bind_outputs(conn, held, told.outputs, now_us=self._clock.now_us())

    async def _forget(self, ask: Ask, request: RequestIntent) -> None:
        assert ask.object_id is not None, "a path that deletes names what"
        async with OrganizationView(self._database, request.organization_id).write() as conn:
            held = await self._own(conn, request, ask.object_kind, ask.object_id)
            if held is not None:
                await books.remove(conn, held.id)
        self._known.pop((request.organization_id, request.principal_id, ask.object_kind, ask.object_id), None)

    async def _own(
        self, conn: AsyncConnection, request: RequestIntent, kind: ObjectKind, upstream_id: str
    ) -> StoredObject | None:
        return await books.find(
            conn,
            organization_id=request.organization_id,
            principal_id=request.principal_id,
            kind=kind,
            upstream_id=upstream_id,
        )


async def _is_anothers(conn: AsyncConnection, key: VirtualKey, upstream_ids: Collection[str]) -> bool:
    return await books.any_of_others(
        conn, organization_id=key.organization_id, principal_id=key.principal_id, upstream_ids=upstream_ids
    )


async def bind_outputs(conn: AsyncConnection, batch: StoredObject, outputs: Sequence[str], *, now_us: int) -> None:
    """Bind the files that a batch has brought to whom the batch is bound to."""
    for position, upstream_id in enumerate(outputs):
        shown = {"id": upstream_id, "object": "file", "purpose": "batch_output", "status": "processed"}
        file = _brought_by(batch, ObjectKind.FILE, upstream_id, at=now_us + position)
        await books.add(conn, msgspec.structs.replace(file, shown=msgspec.json.encode(shown).decode()))


async def bind_containers(
    conn: AsyncConnection, batch: StoredObject, opened: Mapping[str, int | None], *, now_us: int
) -> None:
    """Bind the containers that a batch's lines were answered in, by id with their end, to whom the batch is bound to."""
    for position, (name, end) in enumerate(opened.items()):
        container = _brought_by(batch, ObjectKind.CONTAINER, name, at=now_us + position)
        await books.add(conn, msgspec.structs.replace(container, expires_at=end or now_us + CONTAINER_LASTS_US))


def _brought_by(batch: StoredObject, kind: ObjectKind, upstream_id: str, *, at: int) -> StoredObject:
    return msgspec.structs.replace(
        batch,
        id=new_id("obj", at),
        kind=kind,
        upstream_id=upstream_id,
        created_at=at,
        expires_at=None,
        shown="{}",
        workload=None,
        work="",
        poll_at=None,
    )


def _stored(
    request: RequestIntent, attempt: AttemptIntent, kind: ObjectKind, told: words.Told, *, now: int
) -> StoredObject:
    """Return what an attempt made, as its caller's."""
    return StoredObject(
        id=new_id("obj", now),
        organization_id=request.organization_id,
        team_id=request.team_id,
        principal_kind=request.principal_kind,
        principal_id=request.principal_id,
        virtual_key_id=request.virtual_key_id,
        credential_id=attempt.credential_id,
        provider=attempt.provider,
        kind=kind,
        upstream_id=told.upstream_id,
        created_at=now,
        expires_at=told.expires_at or (now + CONTAINER_LASTS_US if kind is ObjectKind.CONTAINER else None),
    )


def kept_text(kind: ObjectKind, told: words.Told, shown: bytes) -> str:
    """Return what is kept of an object to be listed. Of a response no more than that it is: it holds the answer."""
    if kind is ObjectKind.RESPONSE or len(shown) > words.LONGEST:
        shown = msgspec.json.encode({"id": told.upstream_id, "object": kind.value, "status": told.status})
    return shown.decode("utf-8", "replace").replace("\x00", "")
