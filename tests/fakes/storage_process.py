"""A process of its own that uses the storage: for tests of several processes, and of one that is killed.

    python -m tests.fakes.storage_process migrate URL
    python -m tests.fakes.storage_process write URL COUNT

`write` makes COUNT requests, 16 at a time, and prints one line when an intent (`intent ID`) and when a settlement
(`settled ID`) has been acknowledged.
"""

import asyncio
import os
import sys

from keystead.domain.clock import SystemClock
from keystead.domain.ids import new_id
from keystead.storage.database import Database
from tests.conftest import open_url
from tests.fakes.records import attempt_intent, request_intent, settlement

WIDTH = 16


def say(line: str) -> None:
    os.write(sys.stdout.fileno(), f"{line}\n".encode())  # at once, and whole


async def write(database: Database, count: int) -> None:
    clock = SystemClock()
    instance_id = new_id("ins", clock.now_us())
    await database.heartbeat(instance_id)
    left = iter(range(count))

    async def trips() -> None:
        for _ in left:
            request = request_intent(clock, instance_id=instance_id)
            attempt = attempt_intent(clock)
            await database.journal.intend(request, attempt)
            say(f"intent {request.id}")
            if await database.journal.settle(settlement(clock, request, attempt)):
                say(f"settled {request.id}")

    async with asyncio.TaskGroup() as group:
        for _ in range(WIDTH):
            group.create_task(trips())
    await database.remove_instance(instance_id)


async def main(command: str, url: str, *rest: str) -> None:
    database = await open_url(url, SystemClock())
    if command == "migrate":
        await database.migrate()
    else:
        await write(database, int(rest[0]))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
