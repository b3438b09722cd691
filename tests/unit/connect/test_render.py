"""Each row of clients, filled in: what is copied is whole, valid in its language, and holds no key."""

import ast
import json
import shlex
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from keystead.connect.client import KEY_VARIABLE, Client
from keystead.connect.clients import CLIENTS, LAUNCHED
from keystead.connect.render import PLACEHOLDER, Rendered, Shell, arguments, environment, rendered, target
from keystead.domain.errors import InvalidRequestError

URL = "https://keystead.example:8443"
MODEL = "google/gemini-3-pro"
each_client = pytest.mark.parametrize("client", CLIENTS.values(), ids=list(CLIENTS))


def read(file_format: str, text: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}
    return readers[file_format](text)


def everything(found: Rendered) -> str:
    return "\n".join([found.environment, found.code, *found.steps, *(file.text for file in found.files)])


@each_client
@pytest.mark.parametrize("model", [MODEL, ""])
@pytest.mark.parametrize("shell", ["sh", "fish", "powershell"])
def test_what_is_copied_is_filled_in_and_valid(client: Client, model: str, shell: Shell) -> None:
    found = rendered(client, target(client, url=URL + "/", model=model), shell=shell, key_is_set=True)
    text = everything(found)
    assert URL in text
    assert not any(mark in text for mark in ("{{url}}", "{{model}}", "{{key}}", "{{foreign}}", PLACEHOLDER, "ks_"))
    if model:
        assert model in text
    for file in found.files:
        assert read(file.format, file.text)
    if found.language == "python":
        ast.parse(found.code)
    if shell == "sh":
        assert shlex.split(found.environment) is not None


@each_client
def test_the_key_comes_from_its_variable_which_is_set_first(client: Client) -> None:
    found = rendered(client, target(client, url=URL))
    text = everything(found)
    assert KEY_VARIABLE in text or client.name in {"cursor", "cline"}
    assert text.count("ks_") == bool(found.environment)
    if found.environment:
        assert found.environment.startswith(f"export {KEY_VARIABLE}='{PLACEHOLDER}'\n")


def test_each_shell_has_its_words() -> None:
    client = CLIENTS["aider"]
    to = target(client, url=URL, model=MODEL)
    assert rendered(client, to, shell="sh").environment.splitlines()[1:] == [
        f"export OPENAI_API_BASE='{URL}/v1'",
        'export OPENAI_API_KEY="$KEYSTEAD_KEY"',
        f"export AIDER_MODEL='openai/{MODEL}'",
    ]
    assert rendered(client, to, shell="fish").environment.splitlines()[:3] == [
        f"set -gx KEYSTEAD_KEY '{PLACEHOLDER}'",
        f"set -gx OPENAI_API_BASE '{URL}/v1'",
        'set -gx OPENAI_API_KEY "$KEYSTEAD_KEY"',
    ]
    assert rendered(client, to, shell="powershell").environment.splitlines()[:3] == [
        f"$env:KEYSTEAD_KEY = '{PLACEHOLDER}'",
        f"$env:OPENAI_API_BASE = '{URL}/v1'",
        '$env:OPENAI_API_KEY = "$env:KEYSTEAD_KEY"',
    ]


def test_variables_that_lead_elsewhere_are_unset() -> None:
    client = CLIENTS["claude-code"]
    found = rendered(client, target(client, url=URL))
    assert "unset ANTHROPIC_API_KEY\n" in found.environment
    assert "ANTHROPIC_MODEL" not in found.environment, "its own models, where none is named"


@pytest.mark.parametrize(
    "url",
    ["keystead.example", "ftp://x", "https://a b", "https://x/v1", "https://u:p@x", "https://x'; rm", "https://x\n"],
)
def test_an_address_that_would_need_quoting_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        target(CLIENTS["curl"], url=url)
    assert refused.value.param == "url"


@pytest.mark.parametrize("model", ['a"b', "a'b", "a b", "$(id)", "a\\b", "{{url}}", "a\nb", "x" * 300])
def test_a_model_that_would_need_quoting_is_refused(model: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        target(CLIENTS["curl"], url=URL, model=model)
    assert refused.value.param == "model"


@pytest.mark.parametrize(("model", "search"), [("gpt-6-sol", True), ("openai/gpt-5", True), (MODEL, False), ("", True)])
def test_codex_searches_the_web_only_with_its_makers_models(model: str, search: bool) -> None:
    client = LAUNCHED["codex"]
    to = target(client, url=URL, model=model)
    settings = tomllib.loads(rendered(client, to).files[0].text)
    assert ("web_search" not in settings) is search
    assert settings["model_providers"]["keystead"]["base_url"] == f"{URL}/v1"
    assert settings.get("model", "") == model
    told = arguments(client, to)
    assert ('web_search="disabled"' not in told) is search
    assert set(told[::2]) == {"-c"}
    assert tomllib.loads("\n".join(told[1::2])) == settings, "what is launched is what the file says"


def test_a_launched_agent_has_the_key_in_its_variables_alone() -> None:
    for client in LAUNCHED.values():
        to = target(client, url=URL, model=MODEL)
        told = environment(client, to, key="ks_secret")
        assert told[KEY_VARIABLE] == "ks_secret"
        assert "{{" not in "".join(told.values())
        assert "ks_secret" not in "".join(arguments(client, to))
