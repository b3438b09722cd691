"""`keystead demo …`: a made-up organization with a past, to look at the product with."""

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from keystead.cli.inputs import confirm
from keystead.cli.problem import CommandError
from keystead.cli.session import settings

_NAME = "Northwind Demo"


@click.group("demo")
def command() -> None:
    """A made-up organization with months of requests: make it, take it away.

    Works on this machine's data folder or database (KEYSTEAD_HOME, KEYSTEAD_DATABASE_URL), also while a gateway runs.
    """


@command.command("seed")
@click.option("--organization", default=_NAME, show_default=True, help="What to call it; the name must be free.")
@click.option(
    "--requests",
    type=click.IntRange(0, 100_000_000),
    default=50_000,
    show_default=True,
    help="How many by the end of its last day.",
)
@click.option("--months", type=click.IntRange(1, 24), default=3, show_default=True, help="How long its past is.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another one makes another past.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day of its past, in UTC.  [default: today]")
@click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True)
def seed(*, organization: str, requests: int, months: int, seed: int, until: datetime | None, output: str) -> None:
    """Make an organization with teams, people, keys, budgets, credits and a past.

    Its provider keys are none, and point at names that no resolver knows: nothing can leave. What is there already is
    not touched. The same seed and last day make the same past but for ids, cut off at the present. Stopped with Ctrl-C,
    what was made until then is whole.
    """
    from keystead.app.demo.seed import Wish  # noqa: PLC0415 - the server's libraries take a second to import
    from keystead.app.demo.seed import seed as make  # noqa: PLC0415 - as above
    from keystead.domain.clock import SystemClock  # noqa: PLC0415 - as above

    last = None if until is None else int(until.replace(tzinfo=UTC).timestamp()) * 1_000_000
    wish = Wish(name=organization, requests=requests, months=months, seed=seed, until=last)
    here = settings()
    with _bar("Requests", requests) as advance:
        made = _run(lambda: make(here, SystemClock(), wish, lambda done: advance(done, requests)), organization)
    path = f"/console/link/{made.console_link.reveal()}"
    answer = {
        "organization_id": made.organization_id,
        "organization": made.name,
        "requests": made.requests,
        "sign_in_path": path,
        "admin_token": made.admin_token.reveal(),
    }
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
        return
    click.echo(f"{made.name} is there, with {made.requests:,} requests.")
    click.echo(f"Sign in as its owner (once, within a day): http://127.0.0.1:{here.port}{path}")
    click.echo(f"Its owner's admin token: {made.admin_token.reveal()}")
    click.echo(f"Take it away again with `{_removal(organization)}`.")


@command.command("remove")
@click.option("--organization", default=_NAME, show_default=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove(organization: str, *, yes: bool) -> None:
    """Take away what `demo seed` made, every row of it. Other organizations are not touched."""
    from keystead.app.demo.remove import remove as take_away  # noqa: PLC0415 - as above
    from keystead.domain.clock import SystemClock  # noqa: PLC0415 - as above

    confirm(f"Delete the organization {organization!r} with all its requests?", yes=yes)
    here = settings()
    with _bar("Requests", None) as advance:
        count = _run(lambda: take_away(here, SystemClock(), organization, advance), organization)
    click.echo(f"{organization} is gone, with {count:,} requests.")


def _removal(organization: str) -> str:
    named = "" if organization == _NAME else f" --organization {shlex.quote(organization)}"
    return f"keystead demo remove{named}"


def _run(work: Callable[[], Any], organization: str) -> Any:
    from keystead.domain.errors import KeysteadError  # noqa: PLC0415 - as above
    from keystead.telemetry import configure_logging  # noqa: PLC0415 - as above

    configure_logging("warning")  # to stderr: what is written to stdout is the answer
    try:
        return asyncio.run(work())
    except KeysteadError as error:
        raise CommandError(
            error.message, fault=error.fault.value, next_step=error.next_step, code=error.code
        ) from error
    except KeyboardInterrupt:
        raise CommandError(
            "Stopped. What was written until then is whole.",
            fault="caller",
            next_step=f"Take it away with `{_removal(organization)}`.",
        ) from None


@contextmanager
def _bar(what: str, whole: int | None) -> Iterator[Callable[[int, int], None]]:
    """Show how far it is, if a person watches."""
    if not sys.stderr.isatty():
        yield lambda _done, _whole: None
        return
    from rich.console import Console  # noqa: PLC0415 - rich takes a tenth of a second to import
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=whole)
        yield lambda done, of: progress.update(task, completed=done, total=of)
