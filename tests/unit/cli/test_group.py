"""The commands: found by name, fast to list, and without a place for a secret."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from keystead import __version__
from keystead.cli import COMMANDS, main


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, (*path, name))


LEAVES = dict(leaves(main))


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    script = (
        "import sys; from keystead.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "loaded = [name for name in sys.modules if name.startswith('keystead.')]\n"
        "heavy = [name for name in ('rich', 'sqlalchemy', 'aiohttp', 'starlette') if name in sys.modules]\n"
        "print('LOADED', loaded, heavy)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    listed = " ".join(shown.split())  # long lines are wrapped
    for name, what in COMMANDS.items():
        assert f" {name} {what}" in listed
    assert "LOADED ['keystead.cli'] []" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_is_what_the_commands_say_of_themselves(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert command.help
    words = {word.strip(":.,").lower() for word in COMMANDS[name].split()[:2]}
    assert words & {word.strip(":.,").lower() for word in command.help.split()}


def test_the_commands_that_people_know_are_there() -> None:
    paths = {" ".join(path) for path in LEAVES}
    assert paths >= {
        "serve",
        "doctor",
        "version",
        "usage focus",
        *(
            f"credential {verb}"
            for verb in ("add", "list", "show", "probe", "rotate", "activate", "rollback", "revoke", "destination")
        ),
        *(f"key {verb}" for verb in ("create", "list", "revoke")),
        *(f"token {verb}" for verb in ("create", "list", "revoke")),
        *(f"organization {verb}" for verb in ("show", "change", "list", "create")),
        *(f"team {verb}" for verb in ("create", "list", "show", "rename", "move", "cost-center", "data-class")),
        *(f"member {verb}" for verb in ("create", "list", "assign", "unassign", "disable")),
        *(f"service-account {verb}" for verb in ("create", "list", "disable")),
        *(f"role {verb}" for verb in ("list", "create", "change", "delete")),
        *(f"request {verb}" for verb in ("list", "show")),
        *(f"price {verb}" for verb in ("list", "show", "override add", "override list", "override end")),
        "audit list",
    }


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_a_command_has_help_and_no_option_for_a_secret(path: tuple[str, ...]) -> None:
    command = LEAVES[path]
    assert command.help
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert not options & {"--key", "--secret", "--token", "--api-key", "--password", "--admin-token"} or (
        # Here it is the id or name of a virtual key.
        path in {("request", "list"), ("request", "export"), ("explain",), ("budget", "create"), ("limit", "create")}
        and "--key" in options
    )


def test_version_prints_it() -> None:
    assert CliRunner().invoke(main, ["version"]).output == f"keystead {__version__}\n"


def test_an_unknown_command_is_a_wrong_use() -> None:
    result = CliRunner().invoke(main, ["keys"])
    assert result.exit_code == 2
    assert "No such command 'keys'" in result.output
