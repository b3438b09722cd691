"""The options that say what a budget or a rate limit is about."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option("--organization", is_flag=True, help="Everything."),
    click.option("--team", help="A team and the teams below it (id or name)."),
    click.option("--member", help="A member (id or name)."),
    click.option("--service-account", help="A service account (id or name)."),
    click.option("--key", "virtual_key", help="A virtual key (id or name)."),
    click.option("--credential", help="A credential, own or the platform's (id or name)."),
    click.option("--model", help="A model, or a pattern: gpt-5*."),
)
_NAMES: Final = ("organization", "team", "member", "service_account", "virtual_key", "credential", "model")


def scope_options(command: F) -> F:
    """Give `command` the options; it takes them together as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def scope_body(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scope as the admin API takes it."""
    given = {name: scope[name] for name in _NAMES if scope[name]}
    if len(given) != 1:
        raise click.UsageError(
            "Say about exactly one thing what is counted: --team, --member, --service-account, --key, --credential, "
            "--model or --organization."
        )
    return given


def scope_text(item: Mapping[str, Any]) -> str:
    """Return the scope of a rule for people."""
    kind = item["scope_kind"]
    return "everything" if kind == "organization" else f"{kind.replace('_', ' ')} {item['scope'] or item['scope_id']}"
