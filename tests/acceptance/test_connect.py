"""What `keystead connect` prints is copied and run, as it is, against a real gateway; and `launch` runs a program."""

import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from keystead.connect.clients import CLIENTS, LAUNCHED
from tests.acceptance import javascript
from tests.fakes.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = "You said: Say hello."
RUN_S = 60
PYTHON = {
    "openai-python": "openai",
    "anthropic-python": "anthropic",
    "google-genai": "google.genai",
    # Not installed by the suite: `pip install langchain-openai llama-index-llms-openai-like`.
    "langchain": "langchain_openai",
    "llamaindex": "llama_index.llms.openai_like",
}
JAVASCRIPT = ("openai-js", "anthropic-js", "vercel-ai")


class Ran(msgspec.Struct, frozen=True):
    status: int
    out: str
    err: str


async def ran(*command: str, environment: Mapping[str, str], given: str = "") -> Ran:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RUN_S):
            out, err = await process.communicate(given.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


class House(msgspec.Struct, frozen=True):
    """A gateway, and a user's home beside it."""

    gateway: Gateway
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KEYSTEAD_URL": self.gateway.url,
            "KEYSTEAD_ADMIN_TOKEN": self.gateway.admin_token,
            "KEYSTEAD_KEY": self.gateway.virtual_key,
        }

    async def keystead(self, *arguments: str, **environment: str) -> Ran:
        program = (sys.executable, "-c", "from keystead.cli import main; main()")
        return await ran(*program, *arguments, environment=self.environment | environment)

    async def connect(self, client: str, *options: str) -> str:
        printed = await self.keystead("connect", client, *options)
        assert printed.status == 0, printed.err
        return printed.out


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("connect")
    (folder / "user").mkdir()
    async with Gateway.running(folder / "home") as gateway:
        yield House(gateway, folder / "user")


@pytest.mark.parametrize("client", PYTHON)
async def test_python_is_copied_and_run(house: House, client: str) -> None:
    try:
        found = importlib.util.find_spec(PYTHON[client])
    except ModuleNotFoundError:
        found = None
    if found is None:
        pytest.skip(f"not installed: {PYTHON[client]}")
    program = await house.connect(client)
    done = await ran(sys.executable, "-", environment=house.environment, given=program)
    assert HELLO in done.out, done.err


@pytest.mark.parametrize("client", JAVASCRIPT)
async def test_javascript_is_copied_and_run(house: House, client: str, node: str) -> None:
    program = await house.connect(client)
    out = await javascript.run(node, "--input-type=module", "--eval", program, KEYSTEAD_KEY=house.gateway.virtual_key)
    assert HELLO in out


async def test_curl_is_copied_and_run(house: House) -> None:
    text = await house.connect("curl", "--key-from-env")
    done = await ran("sh", "-eu", environment=house.environment, given=text)
    assert done.status == 0, done.err
    assert HELLO in json.loads(done.out)["choices"][0]["message"]["content"]
    placeholder = await house.connect("curl")
    refused = await ran("sh", "-eu", environment=house.environment, given=placeholder)
    assert json.loads(refused.out)["error"]["code"] == "invalid_key"


async def test_variables_are_set_by_the_shell(house: House) -> None:
    printed = await house.connect("claude-code", "--key-from-env", "--model", "sandbox/echo")
    shown = await ran("sh", "-eu", environment=house.environment | {"ANTHROPIC_API_KEY": "x"}, given=f"{printed}\nenv")
    variables = dict(line.partition("=")[::2] for line in shown.out.splitlines())
    assert variables["ANTHROPIC_BASE_URL"] == house.gateway.url
    assert variables["ANTHROPIC_AUTH_TOKEN"] == house.gateway.virtual_key
    assert variables["ANTHROPIC_MODEL"] == "sandbox/echo"
    assert "ANTHROPIC_API_KEY" not in variables


async def test_a_file_is_written_where_the_client_looks_for_it_and_holds_no_key(house: House, tmp_path: Path) -> None:
    printed = json.loads(await house.connect("codex", "--write", "--output", "json"))
    assert printed["written"] == [str(house.home / ".codex" / "config.toml")]
    moved = await house.keystead("connect", "codex", "--write", CODEX_HOME=str(tmp_path))
    assert f"{tmp_path / 'config.toml'} is written" in moved.err
    for path in (tmp_path / "config.toml", house.home / ".codex" / "config.toml"):
        assert house.gateway.url in path.read_text()
        assert "ks_" not in path.read_text()
    assert (await house.keystead("connect", "cursor", "--write")).status == 2
    assert (await house.keystead("connect", "curl", "--model", "a b")).status == 1


async def test_the_help_names_every_client(house: House) -> None:
    shown = "".join((await house.keystead("connect", "--help")).out.split())  # it breaks lines at hyphens
    assert {*shown.partition("oneof:")[2].partition(".")[0].split(",")} == {*CLIENTS}


AGENT = """#!/bin/sh
env > "$HOME/agent.env"
for each in "$@"; do printf '%s\\n' "$each"; done > "$HOME/agent.arguments"
exit 7
"""


def seen(home: Path) -> tuple[dict[str, Any], list[str]]:
    variables = dict(line.partition("=")[::2] for line in (home / "agent.env").read_text().splitlines())
    return variables, (home / "agent.arguments").read_text().splitlines()


@pytest.mark.parametrize("agent", LAUNCHED)
async def test_an_agent_is_launched_with_its_variables_and_its_exit_code_passed(
    house: House, agent: str, tmp_path: Path
) -> None:
    (tmp_path / agent).write_text(AGENT)
    (tmp_path / agent).chmod(0o700)
    there = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "ANTHROPIC_API_KEY": "sk-ant-mine"}
    launch = LAUNCHED[agent].launch
    if launch is not None and launch.needs_files:
        refused = await house.keystead("launch", agent, **there)
        assert (refused.status, "--write" in refused.err) == (1, True)
        assert (await house.keystead("connect", LAUNCHED[agent].name, "--write", **there)).status == 0
    done = await house.keystead("launch", agent, "--model", "sandbox/echo", "--", "-p", "two words", **there)
    assert done.status == 7, done.err
    variables, arguments = seen(tmp_path)
    assert arguments[-2:] == ["-p", "two words"]
    assert variables["KEYSTEAD_KEY"] == house.gateway.virtual_key
    assert "KEYSTEAD_ADMIN_TOKEN" not in variables
    told = " ".join([*variables.values(), *arguments])
    assert house.gateway.url in told
    assert "sandbox/echo" in told
    assert house.gateway.virtual_key not in " ".join(arguments)
    assert ("ANTHROPIC_API_KEY" in variables) is (agent != "claude")


async def test_a_key_is_minted_for_a_launch_and_ends_by_itself(house: House, tmp_path: Path) -> None:
    (tmp_path / "claude").write_text(AGENT)
    (tmp_path / "claude").chmod(0o700)
    there = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "KEYSTEAD_KEY": ""}
    assert (await house.keystead("launch", "claude", **there)).status == 1
    assert (await house.keystead("launch", "claude", "--mint", "--expires", "1h", **there)).status == 7
    key = seen(tmp_path)[0]["ANTHROPIC_AUTH_TOKEN"]
    assert key != house.gateway.virtual_key
    assert (await house.gateway.chat("sandbox/echo", key=key)).status == 200
    newest = (await house.gateway.admin("GET", "/virtual-keys?limit=1"))["items"][0]
    assert newest["name"].startswith("launch-claude-")
    assert newest["expires_at"] is not None


async def test_an_agent_that_is_not_there_is_told(house: House, tmp_path: Path) -> None:
    done = await house.keystead("launch", "claude", PATH=str(tmp_path))
    assert done.status == 1
    assert "npm install -g @anthropic-ai/claude-code" in done.err


async def test_the_admin_api_tells_the_same(house: House) -> None:
    answer = await house.gateway.admin("GET", f"/connect?url={house.gateway.url}&model=sandbox/echo&shell=fish")
    by_name = {client["name"]: client for client in answer["clients"]}
    assert list(by_name) == list(CLIENTS)
    assert by_name["openai-python"]["code"] == await house.connect("openai-python", "--model", "sandbox/echo")
    assert "set -gx ANTHROPIC_BASE_URL" in by_name["claude-code"]["environment"]
    refused = await house.gateway.call("GET", "/admin/v1/connect?url=https://x/y", key=house.gateway.admin_token)
    assert (refused.status, refused.json()["param"]) == (400, "url")
