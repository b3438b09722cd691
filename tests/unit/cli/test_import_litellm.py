"""A LiteLLM configuration becomes a document; what has no counterpart is told with its line; no key is copied."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from keystead.cli import main
from keystead.cli.document_file import read_document, write_yaml
from keystead.cli.litellm.translate import Translation, translate
from keystead.cli.yaml_tree import Tree, read_yaml
from keystead.web.admin.config.document import Document

FIXTURES = Path(__file__).parents[2] / "fixtures" / "litellm"
NAMES = ("team_proxy", "self_hosted", "careless")


def translated(name: str) -> Translation:
    return translate(read_yaml((FIXTURES / f"{name}.yaml").read_text()))


def told(found: Translation) -> dict[str, int]:
    return {finding.setting: finding.line for finding in found.findings}


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_out_is_a_document(name: str, tmp_path: Path) -> None:
    found = translated(name)
    file = tmp_path / "keystead.yaml"
    file.write_text(write_yaml(found.document))
    document = read_document(str(file)).document
    assert document.routes
    assert document.credentials is not None
    for route in document.routes.values():
        assert {attempt.credential for attempt in route.attempts} <= set(document.credentials)


def test_deployments_become_weighted_attempts_and_fallbacks_come_later() -> None:
    routes = translated("team_proxy").document["routes"]
    assert routes["gpt-4o"] == {
        "strategy": "weighted",
        "attempts": [
            {"credential": "azure-acme-eu", "model": "gpt-4o-eu", "weight": 1000},
            {"credential": "azure-acme-us", "model": "gpt-4o-us", "weight": 333},
            {"credential": "openai", "model": "gpt-4o", "weight": 1, "first_byte_timeout_s": 20.0},
            {"credential": "anthropic", "model": "claude-sonnet-4-5", "weight": 1},
        ],
    }
    assert routes["gpt-4"] == routes["gpt-4o"]
    assert routes["claude"] == {
        "strategy": "ordered",
        "attempts": [{"credential": "anthropic", "model": "claude-sonnet-4-5"}],
    }


def test_rates_become_limits_of_the_key_or_of_the_model() -> None:
    assert translated("team_proxy").document["limits"]["azure-acme-eu-tpm"] == {
        "credential": "azure-acme-eu",
        "measure": "tokens_per_minute",
        "most": 150_000,
    }
    found = translated("self_hosted")
    assert found.document["limits"] == {
        "openai-gpt-5-mini-rpm": {"model": "gpt-5-mini", "measure": "requests_per_minute", "most": 100},
        "openai-gpt-5-nano-tpm": {"model": "gpt-5-nano", "measure": "tokens_per_minute", "most": 9000},
    }
    assert told(found)["model_list[5].litellm_params.rpm"] == 33


def test_a_budget_becomes_a_budget() -> None:
    assert translated("team_proxy").document["budgets"] == {
        "litellm": {"organization": True, "period": "month", "limit": "500", "hard": True}
    }


def test_origins_are_kept_without_paths_and_variables_are_asked_for() -> None:
    found = translated("self_hosted")
    credentials = found.document["credentials"]
    assert credentials["vllm-vllm-1"]["origin"] == "http://vllm-1.internal:8000"
    assert credentials["ollama"]["origin"] == "https://change-me.invalid"
    assert told(found)["model_list[1].litellm_params.api_base"] == 12
    assert told(found)["model_list[2].litellm_params.api_base"] == 18


@pytest.mark.parametrize("api_base", ["http://[", "p://[]", "://"])
def test_an_address_that_is_none_is_an_origin_that_is_not_known(api_base: str) -> None:
    text = f"model_list: [{{model_name: b, litellm_params: {{model: openai/m, api_base: '{api_base}'}}}}]"
    credentials = translate(read_yaml(text)).document["credentials"]
    assert [one["origin"] for one in credentials.values()] == ["https://change-me.invalid"]


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_translated_or_told_with_its_line(name: str) -> None:
    """Whatever is in the file and is neither a structure nor handled must be among the findings."""
    tree = read_yaml((FIXTURES / f"{name}.yaml").read_text())
    handled = {
        "model_name", "model", "api_key", "api_base", "api_version", "rpm", "tpm", "weight", "stream_timeout",
        "litellm_params", "model_info", "model_list", "router_settings", "litellm_settings", "general_settings",
        "routing_strategy", "fallbacks", "context_window_fallbacks", "default_fallbacks", "model_group_alias",
        "max_budget", "budget_duration",
    }  # fmt: skip
    findings = translated(name).findings
    settings = {finding.setting for finding in findings}
    for path in _settings(tree):
        assert path[-1] in handled or any(_text(path).startswith(setting) for setting in settings), path
    for finding in findings:
        assert finding.message
        assert finding.line >= 1


def _settings(tree: Tree) -> list[tuple[Any, ...]]:
    deep = ("fallbacks", "model_group_alias")
    return [
        path for path in tree.lines if path and isinstance(path[-1], str) and not any(one in path[:-1] for one in deep)
    ]


def _text(path: tuple[Any, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def test_a_key_in_the_file_is_not_copied_and_gets_a_variable() -> None:
    result = CliRunner().invoke(main, ["import-litellm", str(FIXTURES / "careless.yaml")])
    assert result.exit_code == 0
    assert "canary" not in result.output
    assert "${OPENAI_KEY_1}" in result.stdout
    assert (
        "careless.yaml:6: model_list[0].litellm_params.api_key: a key is written here; it was not copied"
        in result.stderr
    )
    assert "careless.yaml:12: model_list[1].litellm_params.favourite_colour: is not known here" in result.stderr


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    there = tmp_path / "keystead.yaml"
    arguments = ["import-litellm", str(FIXTURES / "team_proxy.yaml"), "--output", str(there)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    written = there.read_text()
    assert CliRunner().invoke(main, arguments).exit_code == 1
    assert there.read_text() == written


def test_what_is_not_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("model_list:\n  - a: [\n")
    result = CliRunner().invoke(main, ["import-litellm", str(file)])
    assert result.exit_code == 1
    assert f"{file}:3: This is not YAML" in result.stderr


WORDS = st.sampled_from(
    ["model_list", "model_name", "litellm_params", "model", "api_key", "api_base", "rpm", "fallbacks", "openai/gpt-5",
     "router_settings", "litellm_settings", "max_budget", "model_group_alias", "1", "os.environ/X", "https://a:b", "azure/x"]
)  # fmt: skip
JUNK = st.recursive(
    st.one_of(st.none(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=25,
)


@given(st.dictionaries(WORDS, JUNK, max_size=4))
def test_whatever_the_file_holds_the_result_is_a_document(value: Any) -> None:
    found = translate(read_yaml(write_yaml(value)))
    msgspec.convert(found.document, Document, strict=False)
