"""The counters that all processes share, as they are configured."""

from pathlib import Path

import pytest

from keystead.app.wiring import shared_counters
from keystead.coordination import Demand
from keystead.coordination.redis import RedisCounters
from keystead.domain.errors import KeysteadError
from keystead.settings import Settings, load
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import Valkey

PASSWORD = "correct horse ⚡"


def settings(url: str, password_file: str = "") -> Settings:
    return load({"KEYSTEAD_REDIS_URL": url, "KEYSTEAD_REDIS_PASSWORD_FILE": password_file})


def written(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "redis.password"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_without_an_address_there_are_none(tmp_path: Path) -> None:
    assert shared_counters(settings(""), FakeClock()) is None


async def test_they_sign_in_with_the_password_in_the_file(tmp_path: Path) -> None:
    server, clock = Valkey(password=PASSWORD), FakeClock()
    await server.start()
    counters = shared_counters(settings(server.url, written(tmp_path, f"{PASSWORD}\n".encode())), clock)
    assert isinstance(counters, RedisCounters)
    try:
        demand = Demand(kind="window", key="k", most=2)
        [room] = await counters.take([demand], lease="l", now_us=clock.now_us())
        assert (room.left, room.wait_us) == (1, 0)
    finally:
        await counters.close()
        server.close()


@pytest.mark.parametrize("url", ["localhost:6379", "http://user:hunter2@host", "redis://:hunter2@host:port"])
def test_an_address_that_cannot_be_read_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(KeysteadError) as refused:
        shared_counters(settings(url), FakeClock())
    assert "KEYSTEAD_REDIS_URL" in refused.value.message
    assert "hunter2" not in refused.value.message + refused.value.next_step


@pytest.mark.parametrize(("content", "mode"), [(b"", 0o600), (b"\n", 0o600), (b"\xff", 0o600), (b"secret", 0o644)])
def test_a_file_that_holds_no_password_or_that_others_can_read_is_refused(
    tmp_path: Path, content: bytes, mode: int
) -> None:
    with pytest.raises(KeysteadError) as refused:
        shared_counters(settings("redis://127.0.0.1:1/0", written(tmp_path, content, mode)), FakeClock())
    assert refused.value.code == "redis_password_refused"
    assert "KEYSTEAD_REDIS_PASSWORD_FILE" in refused.value.message
