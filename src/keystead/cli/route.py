"""`keystead route …`: your own model names, and what is tried behind them."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import Column, fields, local, table, write, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]

_PARTS = ("credential", "provider", "model", "weight", "first-byte")
_UNSUPPORTED = click.Choice(["refuse", "drop"])
_UNSUPPORTED_HELP = "What becomes of what a provider has no word for: refused, or dropped and named in a header."
_STRATEGIES = click.Choice(["ordered", "weighted", "cheapest", "fastest"])


class AttemptParam(click.ParamType[dict[str, Any]]):
    """`credential=NAME,model=MODEL`, with `provider=` for a provider and optionally `weight=` and `first-byte=`."""

    name = "attempt"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the attempt as the admin API takes it."""
        if isinstance(value, dict):
            return value
        found: dict[str, str] = {}
        for part in value.split(","):
            name, equals, text = part.partition("=")
            if not equals or not text or name not in _PARTS or name in found:
                self.fail(f"{part!r} is not one of {', '.join(f'{name}=…' for name in _PARTS)}.", param, ctx)
            found[name] = text
        if "model" not in found or ("credential" in found) is ("provider" in found):
            self.fail(f"{value!r} needs model=… and one of credential=… and provider=….", param, ctx)
        attempt: dict[str, Any] = {name: found[name] for name in ("credential", "provider", "model") if name in found}
        try:
            if "weight" in found:
                attempt["weight"] = int(found["weight"])
            if "first-byte" in found:
                attempt["first_byte_timeout_s"] = float(found["first-byte"].removesuffix("s"))
        except ValueError:
            self.fail(f"weight= and first-byte= of {value!r} are numbers.", param, ctx)
        return attempt


_LIST = (
    Column("name", lambda item: item["name"]),
    Column("strategy", lambda item: item["strategy"] + (", sticky" if item["sticky"] else "")),
    Column("attempts", lambda item: ", ".join(map(_short, item["attempts"]))),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)
_ATTEMPTS = (
    Column("credential", lambda item: item["credential"] or item["credential_id"] or f"any of {item['provider']}"),
    Column("model", lambda item: item["model"]),
    Column("weight", lambda item: str(item["weight"]), "right"),
    Column("first byte", lambda item: f"{item['first_byte_timeout_s']:g} s" if item["first_byte_timeout_s"] else ""),
)
_ATTEMPT_HELP = (
    "credential=NAME,model=MODEL or provider=NAME,model=MODEL, and optionally weight=N and first-byte=SECONDS; "
    "may be repeated, in the order to try."
)


@click.group("route")
def command() -> None:
    """Routes (your own model names): create, list, show, set, delete."""


@command.command("create")
@click.argument("name")
@click.option("--attempt", "attempts", multiple=True, required=True, type=AttemptParam(), help=_ATTEMPT_HELP)
@click.option("--strategy", type=_STRATEGIES, default="ordered", show_default=True, help="Which attempt comes first.")
@click.option("--sticky", is_flag=True, help="Keep each virtual key on the same attempt (weighted routes).")
@click.option("--unsupported", type=_UNSUPPORTED, default="refuse", show_default=True, help=_UNSUPPORTED_HELP)
@connected
def create(session: Session, /, **body: Any) -> None:
    """Create the route NAME: callers then write NAME where they write a model."""
    answer = session.client().post("model-routes", body=body)
    write(session, answer, lambda: _show(answer))


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the routes."""
    write_list(session, list(session.client().items("model-routes")), _LIST, empty="There is no route.")


@command.command("show")
@click.argument("route")
@connected
def show(session: Session, *, route: str) -> None:
    """Show the route ROUTE (id or name)."""
    answer = session.client().get("model-routes", route)
    write(session, answer, lambda: _show(answer))


@command.command("set")
@click.argument("route")
@click.option(
    "--attempt", "attempts", multiple=True, type=AttemptParam(), help=f"Instead of those it has: {_ATTEMPT_HELP}"
)
@click.option("--strategy", type=_STRATEGIES, help="Which attempt comes first.")
@click.option("--sticky/--no-sticky", default=None, help="Keep each virtual key on the same attempt.")
@click.option("--unsupported", type=_UNSUPPORTED, help=_UNSUPPORTED_HELP)
@connected
def set_(session: Session, /, *, route: str, attempts: tuple[dict[str, Any], ...], **said: Any) -> None:
    """Change the route ROUTE (id or name); what is not said stays."""
    body = {"attempts": attempts or None, **said}
    if all(value is None for value in body.values()):
        raise click.UsageError("Say what to change: --attempt, --strategy, --sticky, --unsupported.")
    answer = session.client().post("model-routes", route, "change", body=body)
    write(session, answer, lambda: _show(answer))


@command.command("delete")
@click.argument("route")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def delete(session: Session, *, route: str, yes: bool) -> None:
    """Delete the route ROUTE (id or name)."""
    confirm(f"Delete {route}? Callers who name it are refused, or get the model of that name.", yes=yes)
    answer = session.client().post("model-routes", route, "delete")
    write(session, answer, lambda: fields([("route", answer["name"]), ("state", "deleted")]))


def _show(answer: Json) -> None:
    strategy = answer["strategy"] + (", sticky" if answer["sticky"] else "")
    route = f"{answer['name']}  {answer['id']}"
    fields([("route", route), ("strategy", strategy), ("unsupported", answer["unsupported"])])
    table(answer["attempts"], _ATTEMPTS, empty="")


def _short(attempt: Json) -> str:
    return f"{attempt['credential'] or attempt['credential_id'] or attempt['provider']}/{attempt['model']}"
