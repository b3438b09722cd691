"""How an engine means to carry out the statements that some work runs."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import event

from keystead.storage.database import Database


async def plans_of(database: Database, work: Callable[[], Awaitable[object]], *, reading: str) -> list[str]:
    """Do some work and return the plans of those of its SELECTs that read the table `reading`."""
    ran: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and f"FROM {reading}" in statement:
            ran.append((statement, parameters))

    async with database.read() as connection:
        assert connection.sync_connection is not None
        engine = connection.sync_connection.engine
    event.listen(engine, "before_cursor_execute", note)
    await work()
    event.remove(engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if database.engine_name == "sqlite" else "EXPLAIN"
    plans = []
    async with database.read() as connection:
        for statement, parameters in ran:
            rows = (await connection.exec_driver_sql(f"{explain} {statement}", parameters)).all()
            plans.append("\n".join(str(row[-1]) for row in rows))
    return plans
