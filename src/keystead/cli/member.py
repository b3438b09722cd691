"""`keystead member …`."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import confirm
from keystead.cli.output import Column, fields, local, say, write, write_list
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]


class RoleParam(click.ParamType[dict[str, str]]):
    """`ROLE`, or `ROLE@TEAM` to hold it in that team and below it alone."""

    name = "role"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Return the role as the admin API takes it."""
        if isinstance(value, dict):
            return value
        role, at, team = value.partition("@")
        if not role or (at and not team):
            self.fail(f"{value!r} is not ROLE or ROLE@TEAM.", param, ctx)
        return {"role": role, "team": team} if at else {"role": role}


def _roles(item: Json) -> str:
    roles = [f"{role['name']}@{role['team']}" if role["team"] else role["name"] for role in item["roles"]]
    return ", ".join([*roles, *(["operator"] if item["operator"] else [])])


_LIST = (
    Column("name", lambda item: item["name"]),
    Column("roles", _roles),
    Column("state", lambda item: "disabled" if item["disabled_at"] else "active"),
    Column("team", lambda item: item["team"]),
    Column("created", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)
_ROLE_HELP = "A role in the whole organization, or ROLE@TEAM in that team and below it"


@click.group("member")
def command() -> None:
    """Members: create, list, assign, unassign, sign in, disable."""


@command.command("create")
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, type=RoleParam(), help=f"{_ROLE_HELP}; may be repeated.")
@click.option("--team", required=True, help="Id or name.")
@click.option("--operator", is_flag=True, help="They run the platform as well (an operator must say so).")
@connected
def create(session: Session, *, name: str, roles: tuple[dict[str, str], ...], team: str, operator: bool) -> None:
    """Create the member NAME, who can act once a token (`keystead token create`) or a key is issued to them."""
    body = {"name": name, "roles": roles, "team": team, "operator": operator}
    _write(session, session.client().post("members", body=body))


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the members."""
    write_list(session, list(session.client().items("members")), _LIST, empty="There is no member.")


@command.command("assign")
@click.argument("member")
@click.argument("role", type=RoleParam())
@connected
def assign(session: Session, *, member: str, role: dict[str, str]) -> None:
    """Give MEMBER (id or name) the role ROLE, or ROLE@TEAM in that team and below it alone."""
    _write(session, session.client().post("members", member, "assign", body=role))


@command.command("unassign")
@click.argument("member")
@click.argument("role", type=RoleParam())
@connected
def unassign(session: Session, *, member: str, role: dict[str, str]) -> None:
    """Take the role ROLE (or ROLE@TEAM) away from MEMBER (id or name)."""
    _write(session, session.client().post("members", member, "unassign", body=role))


@command.command("sign-in-link")
@click.argument("member")
@connected
def sign_in_link(session: Session, *, member: str) -> None:
    """Make a one-time link by which MEMBER (id or name) chooses what they sign in to the console with."""
    client = session.client()
    answer = client.post("members", member, "sign-in-link")
    write(session, answer, lambda: _tell_link(client.url, answer))


@command.command("reset-second-factor")
@click.argument("member")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def reset_second_factor(session: Session, *, member: str, yes: bool) -> None:
    """Take the second factor of MEMBER (id or name) away, who lost it; their sessions end."""
    confirm(f"Reset the second factor of {member}? Their password alone lets one in then.", yes=yes)
    answer = session.client().post("members", member, "second-factor", "reset")
    write(session, answer, lambda: click.echo(_told_reset(member, required=answer["required"])))


@command.command("disable")
@click.argument("member")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def disable(session: Session, *, member: str, yes: bool) -> None:
    """Disable MEMBER (id or name): their tokens and keys stop at once."""
    confirm(f"Disable {member}? What was issued to them stays ended, even if they come back.", yes=yes)
    _write(session, session.client().post("members", member, "disable"))


@command.command("enable")
@click.argument("member")
@connected
def enable(session: Session, *, member: str) -> None:
    """Let MEMBER (id or name) come back, with their roles, and with a new link, new tokens and keys."""
    _write(session, session.client().post("members", member, "enable"))


def _write(session: Session, answer: Json) -> None:
    write(session, answer, lambda: _tell(answer))


def _tell(answer: Json) -> None:
    fields(
        [
            ("member", f"{answer['name']}  {answer['id']}"),
            ("team", answer["team"]),
            ("roles", _roles(answer)),
            ("disabled", local(answer["disabled_at"])),
        ]
    )


def _tell_link(address: str, answer: Json) -> None:
    say(f"For {answer['member']}, once, until {local(answer['expires_at'])}:\n\n  {address}{answer['path']}\n")


def _told_reset(member: str, *, required: bool) -> str:
    if required:
        return f"{member} sets up another when they next sign in."
    return f"{member} signs in with their password alone, until they set up another."
