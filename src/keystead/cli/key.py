"""`keystead key …`: virtual keys."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.client import AdminClient
from keystead.cli.inputs import Moment, Stated, confirm
from keystead.cli.output import Column, fields, local, words, write, write_list
from keystead.cli.session import Session, connected
from keystead.domain.traffic import Endpoint

Json = Mapping[str, Any]

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("state", lambda item: item["state"]),
    Column("team", lambda item: item["team"]),
    Column("principal", lambda item: item["principal"]),
    Column("models", lambda item: words(item["models"], none="all")),
    Column("credentials", lambda item: words(item["credential_ids"], none="all")),
    Column("expires", lambda item: local(item["expires_at"])),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("key")
def command() -> None:
    """Virtual keys: create, list, revoke."""


@command.command("create")
@click.argument("name")
@click.option("--team", help="Id or name. Default: the only team there is; with --mine, your own.")
@click.option("--mine", is_flag=True, help="You will use it.")
@click.option("--member", help="The member who will use it (id or name).")
@click.option("--service-account", help="The program that will use it (id or name). Default: a new one, named NAME.")
@click.option("--model", "models", multiple=True, help="Narrow it to a model or pattern; may be repeated.")
@click.option(
    "--credential",
    "credentials",
    multiple=True,
    help="Narrow it to a credential; may be repeated, in order of preference.",
)
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    type=click.Choice([endpoint.value for endpoint in Endpoint]),
    help="Narrow it to an endpoint; may be repeated.",
)
@click.option("--network", "networks", multiple=True, help="Narrow it to a source network (CIDR); may be repeated.")
@click.option("--data-class", type=Stated(), help="The least sensitive class its requests may have.")
@click.option("--max-output-tokens", type=click.IntRange(min=1), help="The most a request may ask for.")
@click.option("--expires", type=Moment(ahead=True), help="When: 30d, a date, or RFC 3339. Default: never.")
@connected
def create(
    session: Session,
    *,
    name: str,
    team: str | None,
    mine: bool,
    member: str | None,
    service_account: str | None,
    models: tuple[str, ...],
    credentials: tuple[str, ...],
    endpoints: tuple[str, ...],
    networks: tuple[str, ...],
    data_class: str | None,
    max_output_tokens: int | None,
    expires: str | None,
) -> None:
    """Issue a virtual key named NAME. It is shown this once, alone on standard output."""
    if mine + (member is not None) + (service_account is not None) > 1:
        raise click.UsageError("A key is for one: --mine, --member or --service-account.")
    client = session.client()
    if mine:
        me = client.get("self")
        member, team = me["member_id"], team or me["team_id"]
    answer = client.post(
        "virtual-keys",
        body={
            "name": name,
            "team": team or _only_team(client),
            "member": member,
            "service_account": service_account,
            "models": list(models) or None,
            "credentials": list(credentials) or None,
            "endpoints": list(endpoints) or None,
            "networks": list(networks) or None,
            "data_class": data_class or "",
            "max_output_tokens": max_output_tokens,
            "expires_at": expires,
        },
    )
    write(session, answer, lambda: _tell(answer))


@command.command("list")
@click.option("--team", help="Id or name.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, newest first.")
@connected
def list_all(session: Session, *, team: str | None, limit: int | None) -> None:
    """List the virtual keys."""
    items = list(session.client().items("virtual-keys", limit=limit, team=team))
    write_list(session, items, _LIST, empty="There is no virtual key.")


@command.command("revoke")
@click.argument("key")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def revoke(session: Session, *, key: str, yes: bool) -> None:
    """Revoke the virtual key KEY (id or name) for good."""
    confirm(f"Revoke {key}? Its users are refused at once.", yes=yes)
    answer = session.client().post("virtual-keys", key, "revoke")
    write(session, answer, lambda: fields([("virtual key", answer["name"]), ("state", answer["state"])]))


def _only_team(client: AdminClient) -> str:
    teams = list(client.items("teams", limit=2))
    if len(teams) != 1:
        raise click.UsageError("There are several teams: say which with --team (`keystead team list`).")
    return str(teams[0]["id"])


def _tell(answer: Json) -> None:
    shown = answer["virtual_key"]
    click.echo(f"Virtual key {shown['name']} ({shown['id']}), shown this once:", err=True)
    click.echo(answer["key"])
