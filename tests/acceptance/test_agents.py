"""Real coding agents, answered by another maker's model over ten turns with tools that they really run.

The agents are some hundred megabytes and not installed by the suite:
`npm install --prefix tests/acceptance/agents`, then `pytest -m slow tests/acceptance/test_agents.py`.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.acceptance import coding_agents, upstreams
from tests.acceptance.coding_agents import Agent
from tests.acceptance.upstreams import Said
from tests.acceptance.valid import valid
from tests.fakes.gateway import Gateway
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Call

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),  # google-genai's
]

KEYS = {
    "openai": "sk-proj-canary-OPENAI-7f3b1c9d5e2a4860",
    "anthropic": "sk-ant-api03-canary-ANTHROPIC-7f3b1c9d5e2a",
    "google": "AIzaSycanaryGOOGLE7f3b1c9d5e2a4860b1c9d",
}
TURNS = 10
RUN_S = 120
DONE = "All ten steps are done."
CODE_MODE = "gpt-6-sol"
"""A name that Codex knows, behind which a route puts another maker's model."""
CELLS = {
    "Claude Code from Gemini": (coding_agents.CLAUDE_CODE, "google/gemini-3-pro-preview", True),
    "Claude Code from OpenAI": (coding_agents.CLAUDE_CODE, "openai/gpt-5", False),
    "Codex from Anthropic": (coding_agents.CODEX, "anthropic/claude-sonnet-4-5", True),
    "Codex from Gemini": (coding_agents.CODEX, "google/gemini-3-pro-preview", True),
    "Codex in code mode from Anthropic": (coding_agents.CODEX_IN_CODE_MODE, CODE_MODE, True),
    "Gemini CLI from OpenAI": (coding_agents.GEMINI_CLI, "openai/gpt-5", False),
    "Gemini CLI from Anthropic": (coding_agents.GEMINI_CLI, "anthropic/claude-sonnet-4-5", True),
}
"""The agent, the model, and whether its maker seals thoughts."""


class Script(msgspec.Struct):
    """A model that asks for one step after another, each as soon as the one before has a result."""

    agent: Agent
    asked: int = 0

    def answer(self, call: Call) -> Answer:
        if f'"{self.agent.tool}"' not in call.body.decode():  # a title, a summary
            return upstreams.answer_to(call, Said(text="Ten steps"))
        self.asked += 1
        step = self.asked
        if step > TURNS:
            return upstreams.answer_to(call, Said(text=DONE))
        arguments = self.agent.call(f"echo said {step}. | tee -a steps.txt")
        calls = ((f"toolu_{step:02}", self.agent.tool, arguments),)
        said = Said(text=f"Now step {step}.", thought=f"Step {step} is next.", seal=seal(step), calls=calls)
        return upstreams.answer_to(call, said)


def seal(step: int) -> str:
    return f"c2VhbA{step:02}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Gateway, FakeProvider]]:
    home = tmp_path_factory.mktemp("agents") / "home"
    async with FakeProvider() as fake, Gateway.running(home, egress_allow="127.0.0.1") as gateway:
        for provider, key in KEYS.items():
            await gateway.add_credential(provider, provider, key, origin=fake.origin)
        attempts = [{"provider": "anthropic", "model": "claude-sonnet-4-5"}]
        await gateway.admin("POST", "/model-routes", {"name": CODE_MODE, "attempts": attempts})
        yield gateway, fake


@pytest.mark.parametrize("cell", CELLS)
async def test_an_agent_does_ten_steps(cell: str, stage: tuple[Gateway, FakeProvider], tmp_path: Path) -> None:
    agent, model, sealed = CELLS[cell]
    if not agent.path.exists():
        pytest.skip("not installed: npm install --prefix tests/acceptance/agents")
    gateway, fake = stage
    fake.calls.clear()
    fake.always(Script(agent=agent).answer)
    shown = await _run(agent, gateway, model, tmp_path)
    assert DONE in shown
    assert (tmp_path / "work" / "steps.txt").read_text().splitlines() == [f"said {n}." for n in range(1, TURNS + 1)]
    _sent(fake.calls, agent, sealed=sealed)
    records = (await gateway.admin("GET", f"/requests?limit={len(fake.calls)}"))["items"]
    assert {record["state"] for record in records} == {"settled"}


async def _run(agent: Agent, gateway: Gateway, model: str, folder: Path) -> str:
    """Run an agent to its end; return what it shows."""
    home, work = folder / "home", folder / "work"
    home.mkdir()
    work.mkdir()
    command, environment = agent.command(home, gateway.url, gateway.virtual_key, model)
    out, err = folder / "out", folder / "err"
    with out.open("wb") as shown, err.open("wb") as told:  # no pipes: what an agent leaves running would keep them open
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=work,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=shown,
            stderr=told,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(RUN_S):
            await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    assert process.returncode == 0, out.read_text()[-2000:] + err.read_text()[-2000:]
    return out.read_text()


def _sent(calls: list[Call], agent: Agent, *, sealed: bool) -> None:
    """See that every request is one that the provider's SDK could have sent, and the last has all that came before."""
    bodies: list[Any] = [valid(call) for call in calls]
    last = next(text for body in reversed(bodies) if agent.tool in (text := json.dumps(body)))
    places = [last.index(f"said {step}.", last.index(f"Now step {step}.")) for step in range(1, TURNS + 1)]
    assert places == sorted(places)
    assert [step for step in range(1, TURNS + 1) if seal(step) in last] == (list(range(1, TURNS + 1)) if sealed else [])
