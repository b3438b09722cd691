"""The command line: everything the admin API can do, and starting the server.

Commands are found by name and imported only when used, so that `keystead --help` is instant.
"""

import importlib
from typing import Final

import click

COMMANDS: Final = {
    "serve": "Start the gateway.",
    "credential": "Provider keys: add, probe, rotate, roll back, terms, revoke.",
    "key": "Virtual keys: create, list, revoke.",
    "connect": "What Claude Code, Codex, an SDK or another client needs to use this gateway.",
    "launch": "Run Claude Code, Codex, Gemini CLI or OpenCode through this gateway.",
    "grant": "Grants (who may use which credentials for what): create, list, show, revoke.",
    "data-class": "Data classes (how sensitive requests are): list, set, remove.",
    "recognizer": "Recognisers (what requests are searched for): add, list, remove.",
    "consent": "Consents to fall back to platform credentials: give, list, revoke.",
    "budget": "Budgets (how much may be spent): create, list, show, change, end.",
    "limit": "Rate limits (how fast, how many at once, how long): create, list, delete.",
    "route": "Routes (your own model names): create, list, show, set, delete.",
    "config": "Configuration as code: export, plan, apply, drift.",
    "simulate": "What a document of rules would have refused.",
    "import-litellm": "Turn a LiteLLM proxy's config.yaml into a document.",
    "explain": "Say what would be decided about a request, and why.",
    "request": "Recorded requests: list, show.",
    "retention": "How long requests are kept: show, set.",
    "prompt": "Your saved prompts of the playground: list, show, save, delete.",
    "object": "What lies at providers (files, batches, caches): list, delete.",
    "usage": "Tokens and cost by team, credential, model and more.",
    "alert": "Alerts (what somebody should look at): list, show, acknowledge.",
    "digest": "What work cost, fallbacks and refusals, alerts.",
    "model": "Models: list, search, show, what a credential is offered.",
    "catalogue": "Signed updates of the lists of models and prices: show, diff, apply, pack.",
    "price": "Prices: list, show, own ones.",
    "credits": "Prepaid credits: balance, statement, top-up, adjust.",
    "platform-credential": "Platform credentials, paid for with credits: list.",
    "organization": "Your organization: show, change. For the operator: list, create.",
    "team": "Teams: create, list, show, rename, move, cost-center, data-class.",
    "member": "Members: create, list, assign, unassign, disable.",
    "service-account": "Service accounts (programs): create, list, disable.",
    "role": "Roles: list, create, change, delete.",
    "token": "Admin tokens: create, list, revoke.",
    "audit": "The audit log: list.",
    "demo": "A made-up organization to look around in: seed, remove.",
    "doctor": "Look for what is wrong, here and in the server.",
    "version": "Show the version.",
}
"""Command → what it does, in the order of the help. Each is `command` in the module of its name."""


class LazyGroup(click.Group):
    """Finds its commands in this package, one module each."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"keystead.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table as it is, importing none of the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Keystead: bring your own keys, keep them yours.

    The commands talk to a running gateway (KEYSTEAD_URL, default http://127.0.0.1:5397) with the admin token in
    KEYSTEAD_ADMIN_TOKEN, or else in the file admin.token of the data folder (KEYSTEAD_HOME).
    """
