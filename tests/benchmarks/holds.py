"""How many attempts a second one hot counter takes: every one holds of the same prepaid account, and lets go again.

    python -m tests.benchmarks.holds [--seconds 5] [--waiting 64]

Each worker is a process with a journal of its own and that many callers, each of which makes an intent durable and
then its settlement, over and over. Every commit is synced to disk, on both engines. "None" is the same without holds,
and "budgets" with three budgets instead, one of them rolling.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvloop

from keystead.domain.clock import SystemClock, hour_of
from keystead.domain.means import Hold
from keystead.storage.database import Database
from tests.benchmarks.targets import postgresql
from tests.fakes.books import check_books, pay_in
from tests.fakes.databases import open_url
from tests.fakes.records import attempt_intent, budget_hold, credit_hold, request_intent, settlement

KINDS: Final = ("none", "account", "budgets")
WORKERS: Final = (1, 4)
DAY_US: Final = 24 * 3_600_000_000


def holds_of(kind: str, clock: SystemClock) -> tuple[Hold, ...]:
    """Return what each attempt of a run holds."""
    if kind == "none":
        return ()
    if kind == "account":
        return (credit_hold(),)
    hour = hour_of(clock.now_us())
    return (
        budget_hold(counter_id="bud_organization", limit=10**15),
        budget_hold(counter_id="bud_team", limit=None),
        budget_hold(counter_id="bud_rolling", bucket_at=hour, since_at=hour - DAY_US, limit=10**15),
    )


async def work(url: str, kind: str, waiting: int, seconds: float) -> None:
    """Be one worker: say `ready`, wait for a line, then say how many attempts were held and let go."""
    clock = SystemClock()
    database = await open_url(url, clock)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    stop_at = time.monotonic() + seconds
    done = 0

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < stop_at:
            holds = holds_of(kind, clock)
            request, attempt = request_intent(clock), attempt_intent(clock, holds=holds)
            await database.journal.intend(request, attempt)
            end = settlement(clock, request, attempt, posts=(7,) * len(holds))
            settled = await database.journal.settle(end)
            done += settled

    async with asyncio.TaskGroup() as group:
        for _ in range(waiting):
            group.create_task(caller())
    await database.close()
    print(done, flush=True)


def run(url: str, kind: str, workers: int, waiting: int, seconds: float) -> float:
    """Return attempts a second."""
    command = [sys.executable, "-m", "tests.benchmarks.holds", "--work", url, kind, str(waiting), str(seconds)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(workers)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * workers
    return sum(int(output) for output in outputs) / seconds


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Lend an empty database on each engine."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as server,
        postgresql(Path(server) / "postgresql") as (url, _),
    ):
        yield {"SQLite": f"sqlite:{folder}/keystead.db", "PostgreSQL": url}


async def prepare(url: str) -> None:
    """Make the tables, and pay into the account."""
    database = await open_url(url, SystemClock())
    await database.migrate()
    await pay_in(database, 10**18)
    await database.close()


async def check(url: str) -> None:
    """See that the books are right after all that."""
    database: Database = await open_url(url, SystemClock())
    async with database.read() as connection:
        await check_books(connection)
    await database.close()


def main() -> None:
    """Measure each engine, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.holds", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--waiting", type=int, default=64, help="callers of each worker")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        url, kind, waiting, seconds = asked.work
        uvloop.run(work(url, kind, int(waiting), float(seconds)))
        return
    print(f"| engine | workers | {' | '.join(KINDS)} |\n| --- | --- |{' --- |' * len(KINDS)}")
    with databases() as urls:
        for engine, url in urls.items():
            uvloop.run(prepare(url))
            for workers in WORKERS:
                rates = [run(url, kind, workers, asked.waiting, asked.seconds) for kind in KINDS]
                print(f"| {engine} | {workers} | {' | '.join(f'{rate:,.0f}' for rate in rates)} |", flush=True)
            uvloop.run(check(url))


if __name__ == "__main__":
    main()
