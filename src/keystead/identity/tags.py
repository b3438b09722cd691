"""Tags of virtual keys: which a key has now, and from when on it has others.

A change counts from now on. What was used before stays where it was counted: a month may be closed on it.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import and_, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import TeamId, VirtualKeyId
from keystead.storage.governance import virtual_key_tags
from keystead.storage.schema import virtual_keys

Tags = Mapping[str, str]


def check_tags(tags: Tags) -> None:
    """Refuse what cannot be read in a report. Names, lengths and how many there are is the caller's to have checked.

    Raises:
        InvalidRequestError: a value begins or ends with a space, or has something in it that is not printed.
    """
    for tag, value in tags.items():
        if not value.isprintable() or value != value.strip():
            raise InvalidRequestError(
                f"The value of the tag {tag!r} has a space at an end, or a character that is not printed.",
                code="invalid_tag",
                param="tags",
                next_step="Use printable characters only, without a space before or after them.",
            )


async def first_tags(conn: AsyncConnection, organization_id: str, virtual_key_id: VirtualKeyId, tags: Tags) -> None:
    """Write the tags that a new key begins with: it has them since there is the key."""
    await _write(conn, organization_id, virtual_key_id, tags, valid_from=0)


async def change_tags(
    conn: AsyncConnection, organization_id: str, virtual_key_id: VirtualKeyId, tags: Tags, *, now: int
) -> Tags:
    """Give a key these tags and no others from now on; return those it had."""
    # Whoever changes it at the same time waits: what each of two leaves out would otherwise stay.
    await conn.execute(select(virtual_keys.c.id).where(virtual_keys.c.id == virtual_key_id).with_for_update())
    before = (await tags_of(conn, organization_id, [virtual_key_id])).get(virtual_key_id, {})
    taken = dict.fromkeys(before, "") | dict(tags)
    changed = {tag: value for tag, value in taken.items() if before.get(tag, "") != value}
    table = virtual_key_tags
    here = table.c.virtual_key_id == virtual_key_id, table.c.tag.in_(list(changed)), table.c.valid_from >= now
    await conn.execute(delete(table).where(*here))
    await _write(conn, organization_id, virtual_key_id, changed, valid_from=now)
    return before


async def tags_of(
    conn: AsyncConnection, organization_id: str, virtual_key_ids: Collection[str]
) -> dict[str, dict[str, str]]:
    """Return the tags that virtual keys have now, by key and in the order of their names; keys without any are left out."""
    if not virtual_key_ids:
        return {}
    table = virtual_key_tags
    newest = (
        select(table.c.virtual_key_id, table.c.tag, func.max(table.c.valid_from).label("valid_from"))
        .where(table.c.organization_id == organization_id, table.c.virtual_key_id.in_(virtual_key_ids))
        .group_by(table.c.virtual_key_id, table.c.tag)
        .subquery()
    )
    same = and_(*(table.c[name] == newest.c[name] for name in ("virtual_key_id", "tag", "valid_from")))
    query = select(table).join(newest, same).where(table.c.value != "").order_by(table.c.virtual_key_id, table.c.tag)
    found: dict[str, dict[str, str]] = {}
    for row in await conn.execute(query):
        found.setdefault(row.virtual_key_id, {})[row.tag] = row.value
    return found


async def tags_in_use(
    conn: AsyncConnection, organization_id: str, *, team_ids: Collection[TeamId] | None, most: int
) -> list[str]:
    """Return the tags that any virtual key (of these teams; None: of all) has or once had, by name."""
    table = virtual_key_tags
    query = select(table.c.tag).where(table.c.organization_id == organization_id).distinct()
    if team_ids is not None:
        query = query.join(virtual_keys, virtual_keys.c.id == table.c.virtual_key_id)
        query = query.where(virtual_keys.c.team_id.in_(team_ids))
    return list((await conn.execute(query.order_by(table.c.tag).limit(most))).scalars())


async def _write(
    conn: AsyncConnection, organization_id: str, virtual_key_id: VirtualKeyId, tags: Tags, *, valid_from: int
) -> None:
    common = {"organization_id": organization_id, "virtual_key_id": virtual_key_id, "valid_from": valid_from}
    rows = [{**common, "tag": tag, "value": value} for tag, value in tags.items()]
    if rows:
        await conn.execute(insert(virtual_key_tags), rows)
