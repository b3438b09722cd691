"""Turns at writing one file."""

import asyncio
import threading
from pathlib import Path

import pytest

from keystead.storage.turn import AsyncTurn, turn


async def test_tasks_have_one_turn_at_a_time(tmp_path: Path) -> None:
    take = AsyncTurn(tmp_path / "file", timeout_s=5)
    inside: list[int] = []
    most: list[int] = []

    async def write(number: int) -> None:
        async with take():
            inside.append(number)
            most.append(len(inside))
            await asyncio.sleep(0)
            inside.remove(number)

    await asyncio.gather(*[write(number) for number in range(20)])
    assert most == [1] * 20


async def test_a_thread_and_a_task_exclude_each_other(tmp_path: Path) -> None:
    database = tmp_path / "file"
    taken, give_back = threading.Event(), threading.Event()

    def hold() -> None:
        with turn(database):
            taken.set()
            give_back.wait()

    holding = asyncio.get_running_loop().run_in_executor(None, hold)
    await asyncio.to_thread(taken.wait)
    take = AsyncTurn(database, timeout_s=0.02)
    with pytest.raises(TimeoutError):
        await take().__aenter__()
    give_back.set()
    await holding
    async with take():
        pass


async def test_a_wait_that_was_given_up_does_not_keep_the_turn(tmp_path: Path) -> None:
    database = tmp_path / "file"
    take = AsyncTurn(database, timeout_s=5)
    with turn(database):
        waiting = asyncio.get_running_loop().create_task(take().__aenter__())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(5), AsyncTurn(database, timeout_s=5)():
        pass


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with turn(tmp_path / "file"):
        assert (tmp_path / "file-turn").stat().st_mode & 0o777 == 0o600
