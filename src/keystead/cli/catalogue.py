"""`keystead catalogue …`: which lists of models and prices count, and signed updates of them."""

import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from keystead.catalogue.facts import Document
from keystead.cli.inputs import confirm
from keystead.cli.output import Column, fields, local, table, write
from keystead.cli.problem import CommandError
from keystead.cli.session import Session, connected
from keystead.domain.errors import KeysteadError
from keystead.domain.secret import Secret
from keystead.domain.usage import COUNTS
from keystead.gateway.editions import PAYLOAD_TYPE, Contents, read
from keystead.metering.price_list import PriceList
from keystead.vault.signatures import Envelope, sign

Json = Mapping[str, Any]

_MAX_BYTES: Final = 16 * 1024 * 1024
_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_UPDATES: Final = (
    Column("applied", lambda item: local(item["applied_at"])),
    Column("prices", lambda item: item["prices"] or "-"),
    Column("models", lambda item: item["models"] or "-"),
    Column("signed by", lambda item: item["key_id"]),
    Column("id", lambda item: item["id"]),
)
_file = click.argument("file", type=click.Path(path_type=Path))


@click.group("catalogue")
def command() -> None:
    """Which lists of models and prices count, and signed updates of them. Nothing is fetched: you bring the file."""


@command.command("show")
@connected
def show(session: Session) -> None:
    """Show which lists count now, whose signatures are taken, and what was applied."""
    answer = session.client().get("catalogue-updates")

    def human() -> None:
        fields(
            [
                ("prices", answer["prices"]),
                ("models", answer["models"]),
                ("trusted keys", ", ".join(answer["trusted_keys"]) or "none: no update is taken"),
            ]
        )
        table(answer["updates"], _UPDATES, empty="No update was ever applied: both came with this release.")

    write(session, answer, human)


@command.command("diff")
@_file
@connected
def diff(session: Session, *, file: Path) -> None:
    """Check the signature of FILE and say what applying it would change, model by model."""
    answer = session.client().post("catalogue-updates", "review", body={"update": _read(file)})
    write(session, answer, lambda: _tell(answer))


@command.command("apply")
@_file
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def apply(session: Session, *, file: Path, yes: bool) -> None:
    """Put FILE in force for what begins from now on. What is booked, or under way, stays as it is."""
    update = {"update": _read(file)}
    if not yes:
        planned = session.client().post("catalogue-updates", "review", body=update)
        _tell(planned)
        confirm("Apply it?", yes=yes)
    answer = session.client().post("catalogue-updates", body=update)
    write(session, answer, lambda: click.echo(f"In force: {_after(answer)}; {len(answer['changes'])} models changed."))


@command.command("pack")
@click.option("--prices", type=click.Path(path_type=Path), help="A price list, as tools/build_prices.py writes it.")
@click.option("--models", type=click.Path(path_type=Path), help="A catalogue, as tools/build_catalogue.py writes it.")
@click.option("--signing-key", type=click.Path(path_type=Path), required=True, help="An Ed25519 private key in PEM.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
def pack(*, prices: Path | None, models: Path | None, signing_key: Path, out: Path) -> None:
    """Check lists, put them into one file, and sign it. Needs no gateway."""
    contents = Contents(
        format=1,
        prices=_decoded(prices, PriceList) if prices else None,
        models=_decoded(models, Document) if models else None,
    )
    payload = msgspec.json.encode(contents)
    try:
        read(payload)
        envelope = sign(payload, PAYLOAD_TYPE, Secret(_bytes(signing_key).decode("ascii")))
    except KeysteadError as error:
        raise CommandError(str(error), fault="caller", next_step=error.next_step) from None
    except ValueError:
        raise CommandError(
            f"{signing_key} is not an Ed25519 private key in PEM, without a password.",
            fault="caller",
            next_step="Make one with `openssl genpkey -algorithm ed25519 -out key.pem`.",
        ) from None
    out.write_bytes(msgspec.json.format(msgspec.json.encode(envelope), indent=0))
    click.echo(f"{out}: signed by {envelope.signatures[0].keyid}, {len(payload):,} bytes.", err=True)


def _tell(review: Json) -> None:
    click.echo(f"Signed by {review['key_id']}, sha256 {review['sha256']}")
    for what in ("prices", "models"):
        if review[f"{what}_after"]:
            click.echo(f"{what}: {review[f'{what}_before']} → {review[f'{what}_after']}")
    for change in review["changes"]:
        sign_ = _SIGNS[change["change"]]
        click.echo(f"{sign_} {change['about']} {change['provider']}/{change['model']}")
        if change["change"] != "removed":
            for field in change["fields"]:
                click.echo(f"    {_line(field)}")
    counts = {kind: sum(one["change"] == kind for one in review["changes"]) for kind in _SIGNS}
    click.echo(f"{counts['added']} added, {counts['changed']} changed, {counts['removed']} removed.")


def _line(field: Json) -> str:
    unit, _, place = field["field"].partition(" ")
    name = f"{unit} {place}".rstrip()
    if unit in COUNTS:
        before, after = (f"{_per_million(field[side])}" for side in ("before", "after"))
        return f"{name}: {before} → {after} per million"
    return f"{name}: {field['before'] or '-'} → {field['after'] or '-'}"


def _per_million(text: str) -> str:
    return f"{(Decimal(text) * 1_000_000).normalize():f}" if text else "-"


def _after(review: Json) -> str:
    return " and ".join(review[name] for name in ("prices_after", "models_after") if review[name])


def _read(file: Path) -> Json:
    envelope = _decoded(file, Envelope)
    built: Json = msgspec.to_builtins(envelope)
    return built


def _decoded(file: Path, kind: Any) -> Any:
    try:
        return msgspec.json.decode(_bytes(file), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(
            f"{file} cannot be read: {error}", fault="caller", next_step="Check which file it is."
        ) from None


def _bytes(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(_MAX_BYTES)
        with file.open("rb") as stream:
            return stream.read(_MAX_BYTES)
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read ({error.strerror}).", fault="caller", next_step="Check its name and rights."
        ) from error
