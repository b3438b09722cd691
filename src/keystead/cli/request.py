"""`keystead request …`: what was recorded of each request."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import click
import msgspec

from keystead.cli.inputs import Moment
from keystead.cli.output import Column, fields, local, milliseconds, money, number, progress, table, write, write_list
from keystead.cli.problem import CommandError
from keystead.cli.session import Session, connected
from keystead.domain.traffic import CostState, ErrorClass, State

Json = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


def _state(item: Json) -> str:
    return str(item["state"]).replace("_", " ")


def _cost(item: Json) -> str:
    """Return the amount, or the state that says why there is none; an estimate is called one."""
    if item["cost"] is None:
        return str(item["cost_state"] or "")
    shown = money(item["cost"], item["currency"])
    return f"{shown} estimated" if item["cost_state"] == "estimated" else shown


def _credential(item: Json) -> str:
    if item["credential_id"] is None:
        return ""
    return f"{item['credential'] or item['credential_id']} v{item['credential_version']}"


_LIST = (
    Column("started", lambda item: local(item["started_at"])),
    Column("state", _state),
    Column("status", lambda item: str(item["status_code"] or ""), "right"),
    Column("key", lambda item: item["virtual_key"] or item["virtual_key_id"]),
    Column("model", lambda item: item["model"] or item["model_asked"]),
    Column("credential", _credential),
    Column("in", lambda item: number(item["input_total"]), "right"),
    Column("out", lambda item: number(item["output_total"]), "right"),
    Column("cost", _cost, "right"),
    Column("credits", lambda item: item["charge"] or "", "right"),
    Column("ms", lambda item: milliseconds(item["duration_us"]), "right"),
    Column("id", lambda item: item["id"]),
)
_LINES = (
    Column("unit", lambda item: item["unit"]),
    Column("count", lambda item: item["count"], "right"),
    Column("price", lambda item: item["price"] or "no price", "right"),
    Column("amount", lambda item: item["amount"] or "", "right"),
)


_FILTERS: Final = (
    click.option("--since", type=Moment(), help="7d, 24h, a date, or RFC 3339."),
    click.option("--until", type=Moment(), help="As --since."),
    click.option("--team", help="Id or name."),
    click.option("--key", "virtual_key", help="A virtual key's id or name."),
    click.option("--credential", help="Id or name."),
    click.option("--principal", help="A member's or a service account's id or name."),
    click.option("--provider"),
    click.option("--model", help="As asked, sent or served."),
    click.option("--state", type=click.Choice([state.value for state in State])),
    click.option("--error-class", type=click.Choice([error.value for error in ErrorClass])),
    click.option("--cost-state", type=click.Choice([state.value for state in CostState])),
    click.option("--min-cost", help="Costing at least so much, in whichever currency."),
)


def _meant(function: F) -> F:
    """Give a command the options that say which requests."""
    for option in reversed(_FILTERS):
        function = option(function)
    return function


@click.group("request")
def command() -> None:
    """Recorded requests: list, show, export."""


@command.command("list")
@_meant
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@connected
def list_all(session: Session, /, *, limit: int, **filters: str | None) -> None:
    """List the requests, newest first."""
    found = list(session.client().items("requests", limit=limit, **filters))
    write_list(session, found, _LIST, empty="There is no such request.")


@command.command("export")
@_meant
@click.option(
    "--format",
    "written",
    type=click.Choice(["csv", "jsonl"]),
    help="[default: as the file's name ends, else csv]",
)
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="Where to.  [default: standard output]")
@connected
def export(session: Session, /, *, written: str | None, file: Path | None, **filters: str | None) -> None:
    """Write the requests as CSV or JSON lines, newest first, all of them.

    The file takes its name when it is whole: what breaks off does not look like one that is.
    """
    chosen = written or ("jsonl" if file is not None and file.suffix in {".jsonl", ".ndjson"} else "csv")
    pieces = session.client().download("requests", "export", format=chosen, **filters)
    if file is None:
        with progress("Exporting …") as say:
            _copy(pieces, sys.stdout.buffer, say)
        return
    unfinished = file.with_name(f".{file.name}.part")
    try:
        with progress("Exporting …") as say, unfinished.open("wb") as out:
            size = _copy(pieces, out, say)
        unfinished.replace(file)
    except OSError as error:
        raise CommandError(
            f"{file} cannot be written: {error.strerror}.", fault="caller", next_step="Choose another place."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    click.echo(f"{file} is there: {_megabytes(size)}.", err=True)


def _copy(pieces: Iterator[bytes], out: IO[bytes], say: Callable[[str], None]) -> int:
    """Write the pieces as they come, say how far it is, and return how many bytes there were."""
    size = 0
    for piece in pieces:
        out.write(piece)
        size += len(piece)
        say(f"Exporting … {_megabytes(size)}")
    out.flush()
    return size


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


@command.command("show")
@click.argument("request")
@connected
def show(session: Session, *, request: str) -> None:
    """Show REQUEST (`req_…`) with its attempts and the arithmetic of its cost."""
    answer = session.client().get("requests", request)
    write(session, answer, lambda: _show(answer))


def _show(answer: Json) -> None:
    item = answer["request"]
    fields(
        [
            ("request", item["id"]),
            ("state", " ".join(part for part in (_state(item), item["error_class"], item["error_code"]) if part)),
            ("fault", item["fault"] or ""),
            ("status", str(item["status_code"] or "")),
            ("started", local(item["started_at"])),
            ("took", f"{milliseconds(item['duration_us'])} ms" if item["duration_us"] is not None else ""),
            ("team", item["team"] or item["team_id"]),
            ("principal", item["principal"] or item["principal_id"]),
            ("virtual key", item["virtual_key"] or item["virtual_key_id"]),
            ("asked", f"{item['model_asked']} ({item['dialect']} {item['endpoint']}{', stream' * item['stream']})"),
            ("data class", item["data_class"] or ""),
            ("cost center", item["cost_center"] or ""),
            ("tokens", f"{number(item['input_total'])} in, {number(item['output_total'])} out" * _has_usage(item)),
            ("cost", _cost(item)),
            ("charge", f"{item['charge']} credits" if item["charge"] else ""),
            ("decision", msgspec.json.encode(answer["decision"]).decode()),
            ("client", answer["client"]),
        ]
    )
    for attempt in answer["attempts"]:
        _show_attempt(attempt)


def _show_attempt(attempt: Json) -> None:
    click.echo(f"\nAttempt {attempt['number']}")
    usage = ", ".join(f"{name} {number(count)}" for name, count in attempt["usage"].items())
    units = ", ".join(f"{name} {count}" for name, count in attempt["units"].items())
    fields(
        [
            ("  state", " ".join(part for part in (_state(attempt), attempt["error_class"]) if part)),
            ("  credential", f"{_credential(attempt)} ({attempt['owner']})"),
            ("  provider", f"{attempt['provider']} at {attempt['destination']}"),
            ("  region", attempt["region"]),
            ("  because", (attempt["reason"] or "").replace("_", " ")),
            ("  consent", attempt["consent_id"] or ""),
            ("  model", f"{attempt['model_sent']} → {attempt['model_served'] or 'not said'}"),
            ("  tier", attempt["service_tier"] or ""),
            ("  upstream", f"{attempt['upstream_status'] or ''} {attempt['upstream_request_id'] or ''}".strip()),
            ("  first byte", _after(attempt["first_byte_us"])),
            ("  first token", _after(attempt["first_token_us"])),
            ("  usage", ", ".join(part for part in (usage, units) if part)),
            ("  counted by", attempt["usage_source"] or ""),
            ("  anomalies", ", ".join(attempt["anomalies"])),
            ("  cost", _cost(attempt)),
            ("  charge", f"{attempt['charge']} credits" if attempt["charge"] else ""),
            ("  price", attempt["price_version"] or ""),
            ("  held", ", ".join(f"{one['amount']} {one['currency']} in {_hold(one)}" for one in attempt["held"])),
        ]
    )
    if attempt["lines"]:
        table(attempt["lines"], _LINES, empty="")


def _hold(item: Json) -> str:
    return f"{item['kind']} {item['name']}".rstrip()


def _has_usage(item: Json) -> bool:
    return item["input_total"] is not None


def _after(us: int | None) -> str:
    return f"{milliseconds(us)} ms" if us is not None else ""
