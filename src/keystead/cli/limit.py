"""`keystead limit …`: how fast, how many at once, how long."""

from typing import Any, Final

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import Column, fields, local, number, table, write, write_list
from keystead.cli.scope_options import scope_body, scope_options, scope_text
from keystead.cli.session import Session, connected

_MEASURES: Final = ("requests_per_minute", "tokens_per_minute", "concurrent_requests", "max_output_tokens")

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("for", scope_text),
    Column("most", lambda item: number(item["most"]), "right"),
    Column("of", lambda item: item["measure"].replace("_", " ")),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("limit")
def command() -> None:
    """Rate limits (how fast, how many at once, how long): create, list, delete."""


@command.command("create")
@click.argument("name")
@click.option("--requests-per-minute", type=int, help="Requests in any minute.")
@click.option("--tokens-per-minute", type=int, help="Tokens, in and out, in any minute.")
@click.option("--concurrent", "concurrent_requests", type=int, help="Requests at once, streams included.")
@click.option("--max-output-tokens", type=int, help="Tokens that one request may ask for.")
@scope_options
@connected
def create(session: Session, /, *, name: str, **options: Any) -> None:
    """Create the rate limit NAME: exactly one measure, for exactly one of the things that can be counted."""
    measures = {measure: options[measure] for measure in _MEASURES if options[measure] is not None}
    if len(measures) != 1:
        raise click.UsageError(
            "Say exactly one of --requests-per-minute, --tokens-per-minute, --concurrent and --max-output-tokens."
        )
    [(measure, most)] = measures.items()
    body = scope_body(options) | {"name": name, "measure": measure, "most": most}
    answer = session.client().post("rate-limits", body=body)
    write(session, answer, lambda: table([answer], _LIST, empty=""))


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List rate limits, newest first."""
    write_list(session, list(session.client().items("rate-limits")), _LIST, empty="There is no rate limit.")


@command.command("delete")
@click.argument("limit")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def delete(session: Session, *, limit: str, yes: bool) -> None:
    """Delete the rate limit LIMIT (id or name)."""
    confirm(f"Delete the rate limit {limit}?", yes=yes)
    answer = session.client().post("rate-limits", limit, "delete")
    write(session, answer, lambda: fields([("limit", answer["name"]), ("state", "deleted")]))
