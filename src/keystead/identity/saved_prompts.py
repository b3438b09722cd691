"""What a member keeps of the playground: prompts that are theirs alone.

Name and content are sealed by the vault to the member and the prompt, so that who reads the database reads neither, and
who writes to it cannot hand one member's prompt to another. There is no way to share one, and none to read another's.
"""

from typing import Final

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator
from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.ids import new_id
from keystead.domain.secret import Secret
from keystead.identity.sealing import Sealer
from keystead.storage.lists import page, require_room
from keystead.storage.saved_prompts import saved_prompts

MOST: Final = 100
"""Prompts of one member."""
MOST_BYTES: Final = 40_000
"""Of one prompt, its small images included: as a form it is three times as long at most, which the console still reads."""

_T: Final = saved_prompts.c


class SavedPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt in a list. Names need not differ: the id does."""

    id: str
    name: str
    created_at: int
    changed_at: int


class SavedPrompts:
    """Keeps them, each for the member who is at work."""

    def __init__(self, clock: Clock, sealer: Sealer) -> None:
        """Take the time from `clock`, and keep what is written as `sealer` seals it."""
        self._clock = clock
        self._sealer = sealer

    async def list(
        self, conn: AsyncConnection, who: Administrator, *, before: str | None, limit: int
    ) -> list[SavedPrompt]:
        """Return up to `limit` of the actor's own, newest first; `before` is the last id of the page before."""
        rows = await page(
            conn, saved_prompts, who.organization_id, _T.member_id == who.member_id, before=before, limit=limit
        )
        return [await self._shown(conn, who, row) for row in rows]

    async def find(self, conn: AsyncConnection, who: Administrator, prompt_id: str) -> tuple[SavedPrompt, str]:
        """Return one of the actor's own, and its content.

        Raises:
            NotFoundError: the actor has none of that id.
            IntegrityError: it was written by somebody else.
        """
        row = await self._row(conn, who, prompt_id)
        content = await self._open(conn, who, prompt_id, "content", row["content"])
        return await self._shown(conn, who, row), content

    async def save(self, conn: AsyncConnection, who: Administrator, *, name: str, content: str) -> SavedPrompt:
        """Keep one more.

        Raises:
            InvalidRequestError: it is too large.
            ConflictError: the actor has as many as one may have.
        """
        _require_small(content)
        await require_room(conn, saved_prompts, who.organization_id, _T.member_id == who.member_id, most=MOST)
        now = self._clock.now_us()
        made = SavedPrompt(id=new_id("prm", now), name=name, created_at=now, changed_at=now)
        await conn.execute(
            insert(saved_prompts).values(
                id=made.id,
                organization_id=who.organization_id,
                member_id=who.member_id,
                name=await self._seal(conn, who, made.id, "name", name),
                content=await self._seal(conn, who, made.id, "content", content),
                created_at=now,
                changed_at=now,
            )
        )
        return made

    async def change(
        self, conn: AsyncConnection, who: Administrator, prompt_id: str, *, name: str | None, content: str | None
    ) -> SavedPrompt:
        """Give one of the actor's own another name or content; None leaves it.

        Raises:
            NotFoundError: the actor has none of that id.
            InvalidRequestError: it is too large.
        """
        before = await self._shown(conn, who, await self._row(conn, who, prompt_id))
        now = self._clock.now_us()
        values: dict[str, object] = {"changed_at": now}
        if name is not None:
            values["name"] = await self._seal(conn, who, prompt_id, "name", name)
        if content is not None:
            _require_small(content)
            values["content"] = await self._seal(conn, who, prompt_id, "content", content)
        await conn.execute(update(saved_prompts).where(*_mine(who, prompt_id)).values(values))
        return msgspec.structs.replace(before, name=before.name if name is None else name, changed_at=now)

    async def delete(self, conn: AsyncConnection, who: Administrator, prompt_id: str) -> None:
        """Delete one of the actor's own, even one that cannot be opened any more.

        Raises:
            NotFoundError: the actor has none of that id.
        """
        gone = await conn.execute(delete(saved_prompts).where(*_mine(who, prompt_id)))
        if gone.rowcount != 1:
            raise _not_found(prompt_id)

    async def _row(self, conn: AsyncConnection, who: Administrator, prompt_id: str) -> RowMapping:
        found = (await conn.execute(select(saved_prompts).where(*_mine(who, prompt_id)))).mappings().first()
        if found is None:
            raise _not_found(prompt_id)
        return found

    async def _shown(self, conn: AsyncConnection, who: Administrator, row: RowMapping) -> SavedPrompt:
        name = await self._open(conn, who, row["id"], "name", row["name"])
        return SavedPrompt(id=row["id"], name=name, created_at=row["created_at"], changed_at=row["changed_at"])

    async def _seal(self, conn: AsyncConnection, who: Administrator, prompt_id: str, part: str, text: str) -> bytes:
        return await self._sealer.seal(conn, Secret(text), **_place(who, prompt_id, part))

    async def _open(self, conn: AsyncConnection, who: Administrator, prompt_id: str, part: str, sealed: bytes) -> str:
        return (await self._sealer.open(conn, sealed, **_place(who, prompt_id, part))).reveal()


async def forget_prompts(conn: AsyncConnection, organization_id: str, member_id: str) -> None:
    """Delete all that a member kept: nobody else could read it, or take it away."""
    theirs = (_T.organization_id == organization_id, _T.member_id == member_id)
    await conn.execute(delete(saved_prompts).where(*theirs))


def _place(who: Administrator, prompt_id: str, part: str) -> dict[str, str]:
    return {
        "organization_id": who.organization_id,
        "table": saved_prompts.name,
        "record_id": prompt_id,
        "bound_to": f"{who.member_id}/{part}",
    }


def _mine(who: Administrator, prompt_id: str) -> tuple[ColumnElement[bool], ...]:
    return (_T.organization_id == who.organization_id, _T.member_id == who.member_id, _T.id == prompt_id)


def _require_small(content: str) -> None:
    if len(content.encode()) > MOST_BYTES:
        raise InvalidRequestError(
            f"The prompt is larger than {MOST_BYTES:,} bytes.",
            code="prompt_too_large",
            param="content",
            status=413,
            next_step="Keep less of it: attach large images anew each time.",
        )


def _not_found(prompt_id: str) -> NotFoundError:
    return NotFoundError(f"There is no saved prompt {prompt_id!r}.", code="saved_prompt_not_found")
