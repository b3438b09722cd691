"""kill -9 at random moments under load: nothing the provider saw is without its record.

I1: every call the provider saw has exactly one intent. I2: every intent ends in exactly one state. I5: the recorded
credential version is the one whose key the provider saw. I3: nothing stays held in a budget or of the credits, and the
books agree. And the roll-ups count every ended request once.

`make test` kills a few times on each engine; `make soak` 200 times (KILLS in the environment changes both).
"""

import asyncio
import contextlib
import os
import random
import secrets
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from sqlalchemy import select

from keystead.storage.governance import counters, ledger_transfers
from tests.conftest import ENGINES, PostgresServer, open_url
from tests.fakes.books import check_books
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProcess, FakeProvider

KEY = "sk-proj-canary-version-{:03d}"
CALLERS = 16
RECOVERY_S = 60.0


@pytest.fixture(params=ENGINES)
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    chosen = {"KEYSTEAD_EGRESS_ALLOW": "127.0.0.1", "KEYSTEAD_LOG_LEVEL": "info"}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        name = f"kill_{secrets.token_hex(6)}"
        chosen["KEYSTEAD_DATABASE_URL"] = asyncio.run(server.create_database(name))
    return chosen


async def test_a_few_kills_lose_nothing(settings: dict[str, str], tmp_path: Path) -> None:
    await _survives(settings, tmp_path, kills=int(os.environ.get("KILLS", "3")))


@pytest.mark.slow
async def test_two_hundred_kills_lose_nothing(settings: dict[str, str], tmp_path: Path) -> None:
    await _survives(settings, tmp_path, kills=int(os.environ.get("KILLS", "200")))


async def _survives(settings: dict[str, str], folder: Path, *, kills: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    async with FakeProvider.process(record=folder / "calls.jsonl") as fake:
        gateway = Gateway(folder / "home", settings)
        await gateway.start()
        await gateway.add_credential("main", "openai", KEY.format(1), origin=fake.origin)
        await _with_means(gateway, fake)
        for number in range(kills):
            rotate = gateway.admin("POST", "/credentials/main/rotate", {"key": KEY.format(number + 2), "force": True})
            await _load_until_killed(gateway, dice, rotate)
            await gateway.start()
        await _recovered(gateway)
        await gateway.stop()
        await gateway.close()
        rows = await _rows(gateway, settings)
        _check(fake, rows)
        await _check_means(gateway, settings)


async def _with_means(gateway: Gateway, fake: FakeProcess) -> None:
    """Let everything count in a budget, and a part of it be paid with credits."""
    prices = {"input_tokens": "0.000001", "output_tokens": "0.000002"}
    await gateway.admin("POST", "/price-overrides", {"provider": "openai", "model": "gpt-*", "prices": prices})
    [team, *_] = (await gateway.admin("GET", "/teams"))["items"]
    budget = {"name": "all", "team": team["id"], "limit": "100000", "period": "month"}
    await gateway.admin("POST", "/budgets", budget)
    await gateway.add_credential("pool", "openai", KEY.format(999), origin=fake.origin, platform=True, margin_ppm=1000)
    [pool] = (await gateway.admin("GET", "/platform-credentials"))["items"]
    await gateway.admin("POST", "/grants", {"everyone": True, "credentials": [pool["id"]]})
    await gateway.admin("POST", "/credit-top-ups", {"credits": "1000000", "reference": "chaos"})


async def _check_means(gateway: Gateway, settings: dict[str, str]) -> None:
    database = await open_url(
        settings.get("KEYSTEAD_DATABASE_URL", f"sqlite:{gateway.home / 'keystead.db'}"), FakeClock()
    )
    try:
        async with database.read() as conn:
            await check_books(conn)
            held = (await conn.execute(select(counters.c.held))).scalars().all()
            charges = await conn.execute(
                select(ledger_transfers.c.id).where(ledger_transfers.c.request_id.is_not(None))
            )
            charged = len(charges.all())
    finally:
        await database.close()
    assert set(held) == {0}, "I3: what the dead held has come back"
    assert charged, "credits were used"


async def _load_until_killed(gateway: Gateway, dice: random.Random, rotate: Any) -> None:
    """Call from many sides, rotate the key in the middle, kill at a random moment."""
    stop = asyncio.Event()

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

    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(caller(number))
        await asyncio.sleep(dice.uniform(0.01, 0.25))
        rotation = group.create_task(_quietly(rotate))
        await asyncio.sleep(dice.uniform(0.0, 0.25))
        stop.set()
        await gateway.kill()
        await rotation


async def _quietly(call: Any) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError, AssertionError, RuntimeError):
        await call


async def _recovered(gateway: Gateway) -> None:
    """Wait until no intent is open; a dead process's are ended after its missed heartbeats."""
    deadline = time.monotonic() + RECOVERY_S
    while (await gateway.admin("GET", "/requests?state=intent&limit=1"))["items"]:
        assert time.monotonic() < deadline, "open intents were not recovered"
        await asyncio.sleep(0.5)


async def _rows(gateway: Gateway, settings: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    statements = {
        "requests": "SELECT id, model_asked, state FROM requests",
        "attempts": "SELECT a.request_id, a.number, a.credential_id, a.credential_version, a.state, r.model_asked "
        "FROM attempts a JOIN requests r ON r.id = a.request_id",
        "rollups": "SELECT outcome, requests, attempts FROM rollups",
    }
    if "KEYSTEAD_DATABASE_URL" not in settings:
        with contextlib.closing(sqlite3.connect(gateway.home / "keystead.db")) as connection:
            connection.row_factory = sqlite3.Row
            return {name: [dict(row) for row in connection.execute(text)] for name, text in statements.items()}
    connection = await asyncpg.connect(settings["KEYSTEAD_DATABASE_URL"])
    try:
        return {name: [dict(row) for row in await connection.fetch(text)] for name, text in statements.items()}
    finally:
        await connection.close()


def _check(fake: FakeProcess, rows: dict[str, list[dict[str, Any]]]) -> None:
    calls = [call for call in fake.recorded() if call["model"].startswith("gpt-")]
    seen = Counter(call["model"] for call in calls)
    for row in rows["requests"] + rows["attempts"]:
        row["model_asked"] = row["model_asked"].rpartition("/")[2]
    recorded = Counter(row["model_asked"] for row in rows["requests"])
    print(f"{len(calls)} calls, {sum(recorded.values())} records,", Counter(row["state"] for row in rows["requests"]))
    assert calls, "the load reached the provider"
    assert set(seen) <= set(recorded), "I1: a call without a record"
    assert max(seen.values()) == 1, "a request was sent twice"
    assert max(recorded.values()) == 1, "a request was recorded twice"
    assert all(row["state"] != "intent" for row in rows["requests"] + rows["attempts"]), "I2: an open end"

    # A rotation that was killed leaves a number without a version, so the pairs are learned from what was seen.
    versions = {row["model_asked"]: (row["credential_id"], row["credential_version"]) for row in rows["attempts"]}
    pairs = {(versions[call["model"]], call["auth"]) for call in calls}
    assert len({version for version, _ in pairs}) == len(pairs), "I5: one recorded version, several keys seen"
    assert len({key for _, key in pairs}) == len(pairs), "I5: one key seen, several versions recorded"

    ended = Counter(row["state"] for row in rows["requests"])
    counted: Counter[str] = Counter()
    for row in rows["rollups"]:
        counted[row["outcome"]] += row["requests"]
    assert counted == ended, "the roll-ups count every ended request once"
