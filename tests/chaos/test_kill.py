"""kill -9 at random moments under load: nothing the provider saw is without its record.

What must hold afterwards is in `aftermath.py`; `test_named_points.py` kills at moments that are chosen.

`make test` kills a few times on each engine, and starts the last gateway with its clock ahead, so that it takes the
dead for dead at once; `make soak` kills 200 times and waits for recovery as it comes (KILLS in the environment changes
both numbers).
"""

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.chaos.aftermath import Seen, check_aftermath
from tests.chaos.doom import LONG_DEAD_US, Doom
from tests.chaos.doomed import DoomedGateway
from tests.chaos.users import KEY, give_means
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider

CALLERS = 16
RECOVERY_S = 60.0


async def test_a_few_kills_lose_nothing(settings: dict[str, str], tmp_path: Path) -> None:
    async with FakeProvider() as fake, DoomedGateway(tmp_path / "home", settings) as gateway:
        await _killed(gateway, fake, times=int(os.environ.get("KILLS", "3")))
        gateway.doom = Doom(ahead_us=LONG_DEAD_US)
        await _found_whole(gateway, fake)


@pytest.mark.slow
async def test_two_hundred_kills_lose_nothing(settings: dict[str, str], tmp_path: Path) -> None:
    async with FakeProvider() as fake, Gateway(tmp_path / "home", settings) as gateway:
        await _killed(gateway, fake, times=int(os.environ.get("KILLS", "200")))
        await _found_whole(gateway, fake)


async def _killed(gateway: Gateway, fake: FakeProvider, *, times: int) -> None:
    """Start, use and kill the gateway so many times."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    for number in range(times):
        await gateway.start()
        if number == 0:
            await gateway.add_credential("main", "openai", KEY.format(1), origin=fake.origin)
            await give_means(gateway, fake.origin, pool_key=KEY.format(9999))
        await _load_until_killed(gateway, fake, dice, key=KEY.format(number + 2))


async def _load_until_killed(gateway: Gateway, fake: FakeProvider, dice: random.Random, *, key: str) -> None:
    """Call from many sides, rotate the key in the middle, kill at a random moment once they have got through."""
    stop = asyncio.Event()
    before = len(fake.calls)

    async def caller(number: int) -> None:
        call = 0
        while not stop.is_set():
            call += 1
            body = {
                "model": f"{'pool' if (number + call) % 4 == 0 else 'main'}/gpt-{os.urandom(8).hex()}",
                "messages": [{"role": "user", "content": f"{number}-{call}"}],
                "stream": call % 3 == 0,
            }
            with contextlib.suppress(aiohttp.ClientError, OSError, asyncio.TimeoutError):
                await gateway.call("POST", "/v1/chat/completions", body)

    rotate = gateway.admin("POST", "/credentials/main/rotate", {"key": key, "force": True})
    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(caller(number))
        await fake.arrived(before + CALLERS)
        await asyncio.sleep(dice.uniform(0.0, 0.25))
        rotation = group.create_task(_quietly(rotate))
        await asyncio.sleep(dice.uniform(0.0, 0.25))
        stop.set()
        await gateway.kill()
        await rotation


async def _quietly(call: Coroutine[Any, Any, Any]) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError, AssertionError, RuntimeError):
        await call


async def _found_whole(gateway: Gateway, fake: FakeProvider) -> None:
    """Start once more, and check what is there when nothing is open any more."""
    await gateway.start()
    deadline = time.monotonic() + RECOVERY_S
    while (await gateway.admin("GET", "/requests?state=intent&limit=1"))["items"]:
        assert time.monotonic() < deadline, "open intents were not recovered"
        await asyncio.sleep(0.5)
    await gateway.stop()
    await gateway.close()
    calls = [Seen(call.model, call.auth) for call in fake.calls if call.method == "POST"]
    found = await check_aftermath(gateway, calls)
    states = Counter(row.state for row in found.requests.values())
    print(f"{len(calls)} calls, {len(found.requests)} records, {found.charges} charges,", states)
    assert calls, "the load reached the provider"
    assert found.charges, "credits were used"
