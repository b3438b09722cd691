"""What a person sees who starts Keystead: the first words, and what is wrong when it does not start."""

import asyncio
import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PostgresServer

FIRST_KEY = "Your first virtual key, shown this once:"


async def start(home: Path, **settings: str) -> tuple[int, str]:
    """Start, stop once it listens, and return the exit code and everything it said."""
    named = {f"KEYSTEAD_{name.upper()}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from keystead.cli import main; main()",
        "serve",
        env={"PATH": os.environ["PATH"], "KEYSTEAD_HOME": str(home), "KEYSTEAD_PORT": "0", **named},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(30):
        while line := await process.stdout.readline():
            said += line.decode()
            if line.startswith(b"Keystead "):
                process.send_signal(signal.SIGTERM)
        return await process.wait(), said


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


async def test_the_first_words_name_what_is_not_as_usual(tmp_path: Path) -> None:
    home = tmp_path / "my data"
    code, said = await start(home)
    port = said.partition("at http://127.0.0.1:")[2].partition(" ")[0]
    assert FIRST_KEY in said
    command = f"KEYSTEAD_HOME={shlex.quote(str(home))} KEYSTEAD_PORT={port} "
    assert f"  {command}" in said
    assert said.count("KEYSTEAD_") == 2
    assert code == -signal.SIGTERM


async def test_a_key_that_is_shown_once_is_not_lost_to_a_taken_port(tmp_path: Path, taken_port: int) -> None:
    code, said = await start(tmp_path / "home", port=str(taken_port))
    assert code == 1
    assert f"Error: Keystead cannot listen on 127.0.0.1:{taken_port}: Address already in use." in said
    assert "set KEYSTEAD_PORT" in said
    assert not (tmp_path / "home").exists()
    _, said = await start(tmp_path / "home")
    assert FIRST_KEY in said


async def test_every_address_is_told_as_one_that_answers(tmp_path: Path) -> None:
    _, said = await start(tmp_path / "home", host="0.0.0.0")
    assert "at http://127.0.0.1:" in said


async def test_a_database_that_cannot_be_reached_is_told_with_its_reason(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    code, said = await start(tmp_path / "home", database_url=postgres_server.url_of("not_there"))
    assert code == 1
    assert 'It says: database "not_there" does not exist' in said
    code, said = await start(tmp_path / "home", database_url="postgresql://me:canary-word@127.0.0.1:1/keystead")
    assert code == 1
    assert "Connect call failed" in said
    assert "canary-word" not in said


async def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = await start(tmp_path / "file" / "home")
    assert code == 1
    assert f"Error: The data folder {tmp_path / 'file' / 'home'} cannot be made: Not a directory." in said
    assert "Set KEYSTEAD_HOME" in said
    assert "Traceback" not in said
