"""How an attempt is written on the command line."""

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner

from keystead.cli.route import AttemptParam


@click.command()
@click.option("--attempt", type=AttemptParam())
def taking(attempt: dict[str, Any]) -> None:
    click.echo(json.dumps(attempt))


@pytest.mark.parametrize(
    ("text", "attempt"),
    [
        ("credential=my-openai,model=gpt-5-mini", {"credential": "my-openai", "model": "gpt-5-mini"}),
        ("model=claude-opus-4,provider=anthropic", {"provider": "anthropic", "model": "claude-opus-4"}),
        ("provider=openai,model=gpt-5,weight=3", {"provider": "openai", "model": "gpt-5", "weight": 3}),
        (
            "credential=main key,model=ft:gpt-4o:a=b,first-byte=2.5s",
            {"credential": "main key", "model": "ft:gpt-4o:a=b", "first_byte_timeout_s": 2.5},
        ),
    ],
)
def test_an_attempt_is_written_as_its_parts(text: str, attempt: dict[str, Any]) -> None:
    result = CliRunner().invoke(taking, ["--attempt", text])
    assert json.loads(result.stdout) == attempt


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not one of"),
        ("gpt-5", "'gpt-5' is not one of credential=…, provider=…, model=…, weight=…, first-byte=…"),
        ("model=gpt-5", "needs model=… and one of credential=… and provider=…"),
        ("credential=main", "needs model=…"),
        ("credential=a,provider=b,model=c", "one of credential=… and provider=…"),
        ("provider=openai,model=gpt-5,model=gpt-4", "'model=gpt-4' is not one of"),
        ("provider=openai,model=", "'model=' is not one of"),
        ("provider=openai,model=gpt-5,colour=red", "'colour=red' is not one of"),
        ("provider=openai,model=gpt-5,weight=heavy", "are numbers"),
        ("provider=openai,model=gpt-5,first-byte=soon", "are numbers"),
    ],
)
def test_what_is_not_an_attempt_is_refused_with_what_one_looks_like(text: str, said: str) -> None:
    result = CliRunner().invoke(taking, ["--attempt", text])
    assert result.exit_code == 2
    assert said in result.output
