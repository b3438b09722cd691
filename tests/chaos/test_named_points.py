"""kill -9 at every named point: nothing is lost, nothing is twice, nothing stays held.

After each kill the gateway starts again, and then, as after `test_kill.py`'s:

- I1: every call the provider saw has exactly one attempt, and what it did not see is not recorded as done;
- I2: every intent has ended, once;
- I3: nothing is held, no account is overdrawn, the trial balance is zero, counters, ledger and records agree;
- I5: the recorded version is the one whose key the provider saw;
- the roll-ups say what the records say;
- what callers, the key custodian and the payment system were told is so.

The points are in `points.py`. `make test` kills at a few of them; `make soak` 50 times at each, on each engine (KILLS
in the environment changes it).
"""

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.points import POINTS
from tests.chaos.world import World
from tests.fakes.provider import FakeProvider

A_FEW: Final = ("intent_written", "next_held", "end_counted", "recovery_written")


async def test_a_kill_at_a_few_points_loses_nothing(settings: dict[str, str], tmp_path: Path) -> None:
    await _survives(settings, tmp_path, A_FEW)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
async def test_fifty_kills_at_a_point_lose_nothing(settings: dict[str, str], tmp_path: Path, point: str) -> None:
    await _survives(settings, tmp_path, [point] * int(os.environ.get("KILLS", "50")))


def test_there_are_at_least_twenty_points_each_a_place_of_its_own() -> None:
    assert len(POINTS) >= 20
    for engine in ("sqlite", "postgresql"):
        places = [point.on(engine) for point in POINTS.values()]
        assert len({(place.function, place.moment, place.counts) for place in places}) == len(POINTS)


async def _survives(settings: dict[str, str], folder: Path, points: Sequence[str]) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    async with FakeProvider() as fake, World.begun(folder, settings, fake, random.Random(seed)) as world:
        for point in points:
            await world.die_at(point)
        found = await world.end()
    print(f"{len(points)} kills, {len(fake.calls)} calls, {len(found.requests)} requests, {found.charges} charges")
    assert found.requests, "the gateway was used"
