"""What an open database says of itself: its version, its schema's revision, its clock."""

import msgspec
from sqlalchemy import Float, String, cast, column, func, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

_version = table("alembic_version", column("version_num", String))


class EngineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A database, as it answers."""

    version: str
    schema: str
    """The revision that its tables have."""
    now_us: int | None
    """By its own clock, Unix microseconds; None where it has none but this machine's."""


async def engine_facts(conn: AsyncConnection, engine_name: str) -> EngineFacts:
    """Ask a database about itself; `engine_name` is `sqlite` or `postgresql`."""
    schema = (await conn.execute(select(_version.c.version_num))).scalar_one()
    if engine_name != "postgresql":
        version = (await conn.execute(select(func.sqlite_version()))).scalar_one()
        return EngineFacts(version=version, schema=schema, now_us=None)
    said = func.current_setting("server_version")
    seconds = cast(func.extract("epoch", func.clock_timestamp()), Float)
    version, now_s = (await conn.execute(select(said, seconds))).one()
    return EngineFacts(version=version.partition(" ")[0], schema=schema, now_us=round(now_s * 1_000_000))
