"""`keystead key …`: virtual keys."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.client import AdminClient
from keystead.cli.inputs import Moment, Stated, confirm
from keystead.cli.output import Column, fields, local, say, words, write, write_list
from keystead.cli.session import Session, connected
from keystead.domain.traffic import Endpoint

Json = Mapping[str, Any]


class _Tag(click.ParamType[tuple[str, str]]):
    """`NAME=VALUE`."""

    name = "NAME=VALUE"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return the name and the value."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals:
            self.fail(f"{value!r} is not NAME=VALUE.", param, ctx)
        return name, text


_TAG = _Tag()

_LIST = (
    Column("name", lambda item: item["name"]),
    Column("state", lambda item: item["state"]),
    Column("team", lambda item: item["team"]),
    Column("principal", lambda item: item["principal"]),
    Column("models", lambda item: words(item["models"], none="all")),
    Column("credentials", lambda item: words(item["credential_ids"], none="all")),
    Column("tags", lambda item: words(_pairs(item["tags"]), none="")),
    Column("expires", lambda item: local(item["expires_at"])),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)


@click.group("key")
def command() -> None:
    """Virtual keys: create, list, tag, revoke."""


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
@click.option("--tag", "tags", multiple=True, type=_TAG, help="What its requests count to in reports; may be repeated.")
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
    tags: tuple[tuple[str, str], ...],
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
            "tags": dict(tags),
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


@command.command("tag")
@click.argument("key")
@click.argument("tags", nargs=-1, type=_TAG)
@click.option("--remove", "removed", multiple=True, metavar="NAME", help="A tag to take away; may be repeated.")
@connected
def tag(session: Session, *, key: str, tags: tuple[tuple[str, str], ...], removed: tuple[str, ...]) -> None:
    """Give the virtual key KEY (id or name) tags, as project=apollo, from now on.

    What it used before stays where it was counted. Other tags of the key stay.
    """
    if not tags and not removed:
        raise click.UsageError("Say which tags: NAME=VALUE, or --remove NAME.")
    client = session.client()
    had = client.get("virtual-keys", key)["tags"]
    unknown = next((name for name in removed if name not in had), None)
    if unknown is not None:
        raise click.UsageError(f"The key has no tag {unknown!r}.")
    kept = {name: value for name, value in had.items() if name not in removed}
    answer = client.post("virtual-keys", key, "change", body={"tags": kept | dict(tags)})
    shown = [("virtual key", answer["name"]), ("tags", words(_pairs(answer["tags"]), none="none"))]
    write(session, answer, lambda: fields(shown))


@command.command("revoke")
@click.argument("key")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def revoke(session: Session, *, key: str, yes: bool) -> None:
    """Revoke the virtual key KEY (id or name) for good."""
    confirm(f"Revoke {key}? Its users are refused at once.", yes=yes)
    answer = session.client().post("virtual-keys", key, "revoke")
    write(session, answer, lambda: fields([("virtual key", answer["name"]), ("state", answer["state"])]))


def _pairs(tags: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in tags.items()]


def _only_team(client: AdminClient) -> str:
    teams = list(client.items("teams", limit=2))
    if len(teams) != 1:
        raise click.UsageError("There are several teams: say which with --team (`keystead team list`).")
    return str(teams[0]["id"])


def _tell(answer: Json) -> None:
    shown = answer["virtual_key"]
    say(f"Virtual key {shown['name']} ({shown['id']}), shown this once:", err=True)
    click.echo(answer["key"])
