"""Make a SQLite log of requests many times as long: each request again, later within its hour.

To have ten million of them for the measurements of pages takes hours if each is made up anew (`keystead demo seed`),
and a quarter of one so. Sums are multiplied with the requests, so that reports stay true.

    python -m tests.benchmarks.multiply PATH TIMES
"""

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from keystead.domain.clock import HOUR_US
from keystead.domain.ids import new_id
from keystead.storage.usage_tables import ROLLUP_SUMS, ROLLUP_TIMES

_STEP_US = 41_000_003
"""Between a request and its copy: a prime number of milliseconds, so that they fall anywhere in the hour."""


def multiply(path: Path, times: int) -> None:
    """Write each request of the file `times - 1` times more."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -1000000")
    connection.create_function("new_request_id", 1, lambda at: new_id("req", at))
    request = _columns(connection, "requests")
    attempt = _columns(connection, "attempts")
    connection.execute("CREATE TEMP TABLE copies (old TEXT, n INTEGER, id TEXT, began INTEGER, moved INTEGER)")
    for hour_at in _hours(connection):
        _hour(connection, hour_at, times, request, attempt)
    sums = ", ".join(f"{name} = {name} * {times}" for name in ROLLUP_SUMS + ROLLUP_TIMES)
    for table in ("rollups", "daily_usage"):
        connection.execute(f"UPDATE {table} SET {sums}")
    connection.execute("UPDATE counters SET spent = spent * ? WHERE bucket_at > 0", (times,))
    connection.close()


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _hours(connection: sqlite3.Connection) -> Iterator[int]:
    first, last = connection.execute("SELECT min(hour_at), max(hour_at) FROM rollups").fetchone()
    yield from range(first, last + 1, HOUR_US)


def _hour(connection: sqlite3.Connection, hour_at: int, times: int, request: list[str], attempt: list[str]) -> None:
    connection.execute("BEGIN")
    connection.execute("DELETE FROM copies")
    connection.execute(
        "INSERT INTO copies SELECT id, n, new_request_id(began), began, began - started_at FROM ("
        " WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < ?1 - 1)"
        " SELECT id, started_at, n, ?2 + (started_at - ?2 + n * ?3) % ?4 AS began FROM requests, k"
        " WHERE organization_id IN (SELECT id FROM organizations)"
        " AND started_at >= ?2 AND started_at < ?2 + ?4 ORDER BY began)",
        (times, hour_at, _STEP_US, HOUR_US),
    )
    moved = {"id": "c.id", "request_id": "c.id"}
    shifted = ("started_at", "finished_at", "request_started_at")
    for table, key, columns in (("requests", "id", request), ("attempts", "request_id", attempt)):
        values = [moved.get(name) or (f"t.{name} + c.moved" if name in shifted else f"t.{name}") for name in columns]
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"
            f" FROM copies c CROSS JOIN {table} t ON t.{key} = c.old ORDER BY c.rowid"
        )
    connection.execute("COMMIT")


if __name__ == "__main__":
    multiply(Path(sys.argv[1]), int(sys.argv[2]))
