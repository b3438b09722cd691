"""Coding agents as their users start them, but without a screen: the settings are those of the how-to."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

FOLDER: Final = Path(__file__).parent / "agents"
PROMPT: Final = "Do the ten steps, one after another, with the shell, and say when all are done."
_NOWHERE: Final = "http://127.0.0.1:9"
"""A proxy that is not there: whoever calls anybody but the gateway is refused at once."""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent: how it is started, and how a model calls its shell."""

    program: Path
    """Below `node_modules`."""
    tool: str
    call: Callable[[str], dict[str, Any]]
    """The arguments that run a command."""
    arguments: Callable[[str], list[str]]
    environment: Callable[[str, str], Mapping[str, str]]
    """For a gateway's address and a key."""
    write_settings: Callable[[Path, str, str], None]
    """Into a home, for a gateway's address and a model."""

    @property
    def path(self) -> Path:
        return FOLDER / "node_modules" / self.program

    def command(self, home: Path, url: str, key: str, model: str) -> tuple[list[str], dict[str, str]]:
        """Return what starts it, and its environment."""
        self.write_settings(home, url, model)
        here = {"PATH": os.environ["PATH"], "HOME": str(home), "SHELL": "/bin/bash", "LANG": "C.UTF-8", "TERM": "dumb"}
        nowhere = {"HTTPS_PROXY": _NOWHERE, "https_proxy": _NOWHERE, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return [str(self.path), *self.arguments(model)], {**here, **nowhere, **self.environment(url, key)}


def _nothing(_home: Path, _url: str, _model: str) -> None:
    pass


def _codex_settings(home: Path, url: str, model: str) -> None:
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        f'model = "{model}"\n'
        'model_provider = "keystead"\n'
        'web_search = "disabled"\n'
        "check_for_update_on_startup = false\n"
        f'[model_providers.keystead]\nname = "Keystead"\nbase_url = "{url}/v1"\n'
        'env_key = "AI_GATEWAY_KEY"\nwire_api = "responses"\n'
        "[analytics]\nenabled = false\n[features]\nplugins = false\n"
    )


def _gemini_settings(home: Path, _url: str, _model: str) -> None:
    (home / ".gemini").mkdir()
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"disableAutoUpdate": True},
    }
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings))


CLAUDE_CODE: Final = Agent(
    program=Path("@anthropic-ai/claude-code-linux-x64/claude"),
    tool="Bash",
    call=lambda command: {"command": command, "description": "Do the step"},
    arguments=lambda model: [
        *("-p", PROMPT, "--model", model, "--allowedTools", "Bash"),
        *("--output-format", "stream-json", "--verbose"),
    ],
    environment=lambda url, key: {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    },
    write_settings=_nothing,
)
CODEX: Final = Agent(
    program=Path(".bin/codex"),
    tool="exec_command",
    call=lambda command: {"cmd": command},
    arguments=lambda _: [
        "exec",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "--json",
        PROMPT,
    ],
    environment=lambda _, key: {"AI_GATEWAY_KEY": key},
    write_settings=_codex_settings,
)
CODEX_IN_CODE_MODE: Final = msgspec.structs.replace(
    CODEX,
    tool="functions__exec",
    call=lambda command: {"input": f"text(await tools.exec_command({{cmd: {json.dumps(command)}}}))"},
)
"""As Codex speaks to models whose names it knows: one free-text tool for JavaScript, which calls the others."""
GEMINI_CLI: Final = Agent(
    program=Path(".bin/gemini"),
    tool="run_shell_command",
    call=lambda command: {"command": command, "description": "Do the step"},
    arguments=lambda model: ["-p", PROMPT, "--yolo", "--skip-trust", "-m", model, "--output-format", "json"],
    environment=lambda url, key: {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": key},
    write_settings=_gemini_settings,
)
