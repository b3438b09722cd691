"""A process of its own that uses the storage: for tests of several processes, and of one that is killed.

    python -m tests.fakes.storage_process migrate URL
    python -m tests.fakes.storage_process write URL COUNT
    python -m tests.fakes.storage_process spend URL COUNT
    python -m tests.fakes.storage_process hold URL COUNT

`write` makes COUNT requests, 16 at a time, and prints one line when an intent (`intent ID`) and when a settlement
(`settled ID`) has been acknowledged. `spend` does the same with attempts that hold of two budgets and of the prepaid
account `acc_1`, and may be refused (`refused ID`). `hold` says `ready`, waits for a line, asks for COUNT holds of 10
of the budget and of the account at once, and says for each whether it was an `intent` or `refused`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keystead.domain.clock import Clock, SystemClock, hour_of
from keystead.domain.ids import new_id
from keystead.domain.means import Hold, HoldRefusedError
from keystead.storage.database import Database
from tests.fakes.databases import open_url
from tests.fakes.records import attempt_intent, budget_hold, credit_hold, request_intent, settlement

WIDTH = 16


@asynccontextmanager
async def storage_process(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command in a process, and kill that when the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.storage_process", *command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def acknowledged_by(process: asyncio.subprocess.Process, *, at_most: int | None = None) -> dict[str, set[str]]:
    """Return the ids that the process has said something about, by what it said."""
    assert process.stdout is not None
    seen: dict[str, set[str]] = {"intent": set(), "settled": set(), "refused": set()}
    count = 0
    async for line in process.stdout:
        what, _, identifier = line.decode().strip().partition(" ")
        seen[what].add(identifier)
        count += 1
        if count == at_most:
            break
    return seen


def say(line: str) -> None:
    os.write(sys.stdout.fileno(), f"{line}\n".encode())  # at once, and whole


def no_holds(_clock: Clock) -> tuple[Hold, ...]:
    return ()


def all_holds(clock: Clock) -> tuple[Hold, ...]:
    hour = hour_of(clock.now_us())
    return (
        budget_hold(limit=None),
        budget_hold(counter_id="bud_rolling", bucket_at=hour, since_at=hour - 24 * 3_600_000_000, limit=10**9),
        credit_hold(),
    )


async def write(database: Database, count: int, *, spend: bool) -> None:
    clock = SystemClock()
    instance_id = new_id("ins", clock.now_us())
    await database.heartbeat(instance_id)
    left = iter(range(count))
    holds_of = all_holds if spend else no_holds

    async def trips() -> None:
        for number in left:
            request = request_intent(clock, instance_id=instance_id)
            holds = holds_of(clock)
            attempt = attempt_intent(clock, holds=holds)
            try:
                await database.journal.intend(request, attempt)
            except HoldRefusedError:
                say(f"refused {request.id}")
                continue
            say(f"intent {request.id}")
            posts = tuple(number % (hold.amount + 1) for hold in holds)
            if await database.journal.settle(settlement(clock, request, attempt, posts=posts)):
                say(f"settled {request.id}")

    async with asyncio.TaskGroup() as group:
        for _ in range(WIDTH):
            group.create_task(trips())
    await database.remove_instance(instance_id)


async def hold(database: Database, count: int) -> None:
    clock = SystemClock()

    async def ask() -> None:
        request = request_intent(clock)
        try:
            await database.journal.intend(request, attempt_intent(clock, holds=(budget_hold(), credit_hold())))
        except HoldRefusedError:
            say(f"refused {request.id}")
        else:
            say(f"intent {request.id}")

    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(ask())


async def main(command: str, url: str, *rest: str) -> None:
    database = await open_url(url, SystemClock())
    if command == "migrate":
        await database.migrate()
    elif command == "hold":
        await hold(database, int(rest[0]))
    else:
        await write(database, int(rest[0]), spend=command == "spend")
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
