"""Limits that hold to the last cent: hundreds of requests at once, on any number of workers, with and without Redis."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select

from keystead.storage.governance import counters
from tests.acceptance import hybrid as stage
from tests.acceptance.hybrid import Hybrid
from tests.fakes.books import check_books
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url
from tests.fakes.gateway import Gateway
from tests.fakes.valkey import Valkey

REQUESTS = 300
EACH = 10
LIMIT = 1_000
NO_MATTER_HOW_LONG = {"input_tokens": "0", "output_tokens": "0"}
IN_A_ROW = 60
"""So many connections do not all miss one of four workers."""


def free_port() -> int:
    """Return a port that nobody listens on: several workers share one that is named."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _ask_at_once(gateway: Gateway, key: str, count: int, *, model: str = "gpt-fixed") -> Counter[tuple[int, str]]:
    """Ask `count` times at the same time; count the answers by status and error code."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as session:

        async def one() -> tuple[int, str]:
            async with session.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as answer:
                await answer.read()
                return answer.status, answer.headers.get("x-keystead-error", "")

        return Counter(await asyncio.gather(*(one() for _ in range(count))))


async def _books(home: Path, settings: dict[str, str]) -> dict[str, int]:
    """Check the books, and return what each counter has spent."""
    database = await open_url(settings.get("database_url", f"sqlite:{home / 'keystead.db'}"), FakeClock())
    try:
        async with database.read() as conn:
            await check_books(conn)
            rows = (await conn.execute(select(counters))).all()
    finally:
        await database.close()
    assert all(row.held == 0 for row in rows)
    return Counter({row.counter_id: row.spent for row in rows})


async def _last_key(hybrid: Hybrid) -> str:
    """Return a key of the team Research that every worker knows: with the newest key, it knows all that is older."""
    made = await hybrid.gateway.admin("POST", "/virtual-keys", {"name": "last", "team": "Research"})
    headers = {"authorization": f"Bearer {made['key']}"}
    in_a_row = 0
    async with (
        asyncio.timeout(120),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
    ):
        while in_a_row < IN_A_ROW:  # each a connection of its own, which any worker may take
            async with session.get(f"{hybrid.gateway.url}/v1/models", headers=headers) as answer:
                in_a_row = in_a_row + 1 if answer.status == 200 else 0
    hybrid.own.calls.clear()
    hybrid.platform.calls.clear()
    return str(made["key"])


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.close()


@pytest.mark.parametrize(
    ("workers", "redis"),
    [
        ("4", "no redis"),
        ("4", "redis killed half-way"),
        pytest.param("1", "no redis", marks=pytest.mark.slow),
        pytest.param("1", "redis", marks=pytest.mark.slow),
        pytest.param("4", "redis", marks=pytest.mark.slow),
        pytest.param("1", "redis killed half-way", marks=pytest.mark.slow),
    ],
)
async def test_a_hundred_of_three_hundred_fit_into_a_budget(
    own_database_settings: dict[str, str], tmp_path: Path, valkey: Valkey, workers: str, redis: str
) -> None:
    home = tmp_path / "home"
    settings = {**own_database_settings, "workers": workers, "log_level": "warning", "port": str(free_port())}
    if redis != "no redis":
        await valkey.start()
        settings["redis_url"] = valkey.url
    async with stage.hybrid(home, settings) as hybrid:
        await hybrid.price("gpt-fixed", requests=str(EACH), **NO_MATTER_HOW_LONG)
        await hybrid.gateway.admin("POST", "/teams", {"name": "Research"})
        budget = {"name": "research", "team": "Research", "limit": str(LIMIT), "period": "month"}
        made = await hybrid.gateway.admin("POST", "/budgets", budget)
        rate = {"name": "many", "team": "Research", "measure": "requests_per_minute", "most": 100_000}
        await hybrid.gateway.admin("POST", "/rate-limits", rate)
        key = await _last_key(hybrid)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(_ask_at_once(hybrid.gateway, key, REQUESTS // 2))
            second = group.create_task(_ask_at_once(hybrid.gateway, key, REQUESTS // 2))
            if redis == "redis killed half-way":
                await hybrid.own.arrived(LIMIT // EACH // 2)
                valkey.kill()
        answers = first.result() + second.result()
        assert answers == {(200, ""): LIMIT // EACH, (402, "budget_exceeded"): REQUESTS - LIMIT // EACH}
        assert len(hybrid.own.calls) == LIMIT // EACH
        standing = await hybrid.gateway.admin("GET", f"/budgets/{made['id']}")
        assert (standing["standing"]["spent"], standing["standing"]["held"]) == (str(LIMIT), "0")
    spent = await _books(home, own_database_settings)
    assert spent[made["id"]] == LIMIT * 10**12


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.slow), "4"])
async def test_credits_are_never_overdrawn(own_database_settings: dict[str, str], tmp_path: Path, workers: str) -> None:
    home = tmp_path / "home"
    settings = {**own_database_settings, "workers": workers, "log_level": "warning", "port": str(free_port())}
    async with stage.hybrid(home, settings) as hybrid:
        # A cent a request, a margin of a fifth: 1.2 credits each, and a hundred credits to begin with.
        await hybrid.price("gpt-fixed", requests="0.01", **NO_MATTER_HOW_LONG)
        await hybrid.gateway.admin("POST", "/teams", {"name": "Research"})
        pool = (await hybrid.gateway.admin("GET", "/platform-credentials"))["items"][0]["id"]
        await hybrid.gateway.admin("POST", "/grants", {"team": "Research", "credentials": [pool]})
        await hybrid.gateway.admin("POST", "/credentials/own/revoke", {})
        key = await _last_key(hybrid)
        answers = await _ask_at_once(hybrid.gateway, key, REQUESTS)
        assert answers == {(200, ""): 83, (402, "out_of_credits"): REQUESTS - 83}
        assert len(hybrid.platform.calls) == 83
        assert await hybrid.available() == "0.4"
        trial = await hybrid.gateway.admin("GET", "/trial-balance")
        assert (trial["agrees"], trial["difference"]) == (True, "0")
    await _books(home, own_database_settings)
