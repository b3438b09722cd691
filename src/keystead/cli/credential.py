"""`keystead credential …`: provider keys. A key is piped in or asked for, and never an argument."""

from collections.abc import Mapping
from typing import Any

import click

from keystead.cli.inputs import Moment, Pair, Percent, confirm, read_secret
from keystead.cli.output import (
    Column,
    fields,
    local,
    milliseconds,
    percent,
    progress,
    say,
    table,
    words,
    write,
    write_list,
)
from keystead.cli.session import Session, connected

Json = Mapping[str, Any]


def _state(item: Json) -> str:
    if item["revoked_at"]:
        return "revoked"
    return "active" if item["active_version"] else "no active key"


def _active_mask(item: Json) -> str:
    return next((str(version["mask"]) for version in item["versions"] if version["state"] == "active"), "")


_LIST = (
    Column("name", lambda item: item["name"]),
    Column("provider", lambda item: item["provider"]),
    Column("key", _active_mask),
    Column("version", lambda item: str(item["active_version"] or ""), "right"),
    Column("state", _state),
    Column("models", lambda item: words(item["models"], none="all")),
    Column("added", lambda item: local(item["created_at"])),
    Column("id", lambda item: item["id"]),
)
_VERSIONS = (
    Column("version", lambda item: str(item["version"]), "right"),
    Column("state", lambda item: item["state"]),
    Column("key", lambda item: item["mask"]),
    Column("brought", lambda item: local(item["created_at"])),
    Column("active since", lambda item: local(item["activated_at"])),
    Column(
        "last probe", lambda item: f"{item['probe']['outcome']} {local(item['probed_at'])}" if item["probe"] else ""
    ),
)

_WORKLOAD = "workload"
_stage_only = click.option("--stage-only", is_flag=True, help="Keep the key without using it yet.")
_force = click.option("--force", is_flag=True, help="Use the key although the probe proved nothing.")
_keep = click.option("--keep", is_flag=True, help="Keep the key staged although the provider calls it wrong.")
_duplicate = click.option("--allow-duplicate", is_flag=True, help="Take a key that another credential holds too.")
_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
_name = click.argument("credential")


@click.group("credential")
def command() -> None:
    """Provider keys: add, probe, rotate, roll back, terms, revoke.

    A key is read from standard input when it is piped, and asked for otherwise.
    """


@command.command("add")
@click.argument("name")
@click.option("--provider", required=True, help="openai, anthropic, google, azure, vertex, vllm …")
@click.option("--origin", help="Where the endpoint is, if not the provider's own: https://host[:port].")
@click.option(
    "--setting",
    "settings",
    multiple=True,
    type=Pair(),
    help="Such as project=… and location=… for Vertex AI, tenant_id=… and client_id=… for Azure.",
)
@click.option("--region", help="Price region, if the origin does not tell it.")
@click.option(
    "--model", "models", multiple=True, help="A model it serves, or a pattern; may be repeated. Default: all."
)
@click.option(
    "--on-disconnect",
    type=click.Choice(["drain", "cancel"]),
    default="drain",
    show_default=True,
    help="When the client leaves: read on for the final usage, or close at once.",
)
@_stage_only
@_force
@_keep
@_duplicate
@click.option("--platform", is_flag=True, help="Sell its work to other organizations, for credits (operator).")
@click.option("--margin", type=Percent(), help="With --platform: what is added to the provider's cost, such as 20%.")
@connected
def add(
    session: Session,
    *,
    name: str,
    provider: str,
    origin: str | None,
    settings: tuple[tuple[str, str], ...],
    region: str | None,
    models: tuple[str, ...],
    on_disconnect: str,
    stage_only: bool,
    force: bool,
    keep: bool,
    allow_duplicate: bool,
    platform: bool,
    margin: int | None,
) -> None:
    """Probe a provider key and keep it as NAME."""
    if platform is (margin is None):
        raise click.UsageError("A platform credential has a --margin, and no other has one: say both or neither.")
    chosen = dict(settings)
    # The gateway's own identity has no key; the word stands for it.
    key = _WORKLOAD if chosen.get("identity") == _WORKLOAD else read_secret(f"Key of {provider}")
    client = session.client()
    body = {
        "name": name,
        "provider": provider,
        "key": key,
        "origin": origin,
        "settings": chosen,
        "region": region,
        "models": list(models) or None,
        "on_disconnect": on_disconnect,
        "activate": not stage_only,
        "force": force,
        "keep": keep,
        "allow_duplicate": allow_duplicate,
        "platform": platform,
        "margin_ppm": margin,
    }
    with progress(f"Asking {provider} about the key …"):
        answer = client.post("credentials", body=body)
    write(session, answer, lambda: _tell_probed(answer))


@command.command("list")
@connected
def list_all(session: Session) -> None:
    """List the credentials."""
    items = list(session.client().get("credentials")["items"])
    write_list(session, items, _LIST, empty="There is no credential yet: `keystead credential add`.")


@command.command("show")
@_name
@connected
def show(session: Session, *, credential: str) -> None:
    """Show CREDENTIAL (id or name) with its versions."""
    answer = session.client().get("credentials", credential)
    write(session, answer, lambda: _show(answer))


@command.command("probe")
@_name
@click.option("--version", type=int, help="Which version. Default: the active one, else the newest.")
@connected
def probe(session: Session, *, credential: str, version: int | None) -> None:
    """Ask the provider whether a key of CREDENTIAL is good."""
    client = session.client()
    with progress("Asking the provider about the key …"):
        answer = client.post("credentials", credential, "probe", body={"version": version})
    write(session, answer, lambda: _tell_probed(answer))


@command.command("rotate")
@_name
@_stage_only
@_force
@_keep
@_duplicate
@connected
def rotate(
    session: Session, *, credential: str, stage_only: bool, force: bool, keep: bool, allow_duplicate: bool
) -> None:
    """Probe a new key for CREDENTIAL and let it take over; requests under way end on the old one."""
    client = session.client()
    body = {
        "key": read_secret(f"New key of {credential}"),
        "activate": not stage_only,
        "force": force,
        "keep": keep,
        "allow_duplicate": allow_duplicate,
    }
    with progress("Asking the provider about the key …"):
        answer = client.post("credentials", credential, "rotate", body=body)
    write(session, answer, lambda: _tell_probed(answer))


@command.command("activate")
@_name
@click.argument("version", type=int)
@_force
@connected
def activate(session: Session, *, credential: str, version: int, force: bool) -> None:
    """Probe VERSION of CREDENTIAL and let it take over."""
    client = session.client()
    with progress("Asking the provider about the key …"):
        answer = client.post("credentials", credential, "activate", body={"version": version, "force": force})
    write(session, answer, lambda: _tell_probed(answer))


@command.command("rollback")
@_name
@connected
def rollback(session: Session, *, credential: str) -> None:
    """Bring the version before back, at once."""
    answer = session.client().post("credentials", credential, "rollback")
    write(session, answer, lambda: _show(answer))


@command.command("retire")
@_name
@click.argument("version", type=int)
@connected
def retire(session: Session, *, credential: str, version: int) -> None:
    """End the draining of VERSION of CREDENTIAL now. Its key is kept, sealed, for a rollback."""
    answer = session.client().post("credentials", credential, "retire", body={"version": version})
    write(session, answer, lambda: _show(answer))


@command.command("revoke")
@_name
@click.option("--version", type=int, help="Only this version. Default: the credential with all its versions.")
@_yes
@connected
def revoke(session: Session, *, credential: str, version: int | None, yes: bool) -> None:
    """Destroy the keys of CREDENTIAL. This cannot be undone."""
    what = f"version {version} of {credential}" if version else f"{credential} with all its versions"
    confirm(f"Destroy {what}? Nobody can bring the key back.", yes=yes)
    answer = session.client().post("credentials", credential, "revoke", body={"version": version})
    write(session, answer, lambda: _show(answer))


@command.command("margin")
@_name
@click.argument("margin", type=Percent())
@connected
def margin(session: Session, *, credential: str, margin: int) -> None:
    """Sell the work of the platform credential CREDENTIAL at MARGIN (20%), from the next attempt on."""
    answer = session.client().post("credentials", credential, "margin", body={"margin_ppm": margin})
    write(session, answer, lambda: _show(answer))


@command.command("terms")
@_name
@click.option("--region", "regions", multiple=True, help="Where data is processed and kept: eu, de, us.")
@click.option(
    "--retention", "days", type=click.IntRange(min=0), help="Days that prompts are kept; 0 is zero retention."
)
@click.option("--no-training", is_flag=True, help="The provider does not train on the data.")
@click.option("--baa", default="", help="Where the business associate agreement (HIPAA) is kept.")
@click.option("--dpa", default="", help="Where the data processing agreement (GDPR) is kept.")
@click.option("--ends", "ends_at", type=Moment(ahead=True), help="When the contract ends: a date, or a span from now.")
@connected
def terms(
    session: Session,
    *,
    credential: str,
    regions: tuple[str, ...],
    days: int | None,
    no_training: bool,
    baa: str,
    dpa: str,
    ends_at: str | None,
) -> None:
    """Say what the contract behind CREDENTIAL promises. What is not said is not promised."""
    body = {
        "regions": regions,
        "retention_days": days,
        "no_training": no_training,
        "baa_reference": baa,
        "dpa_reference": dpa,
        "ends_at": ends_at,
    }
    answer = session.client().post("credentials", credential, "terms", body=body)
    write(session, answer, lambda: _show(answer))


@command.command("set")
@_name
@click.option("--setting", "settings", multiple=True, type=Pair(), help="All of them, in place of those it has.")
@click.option("--region", help="Price region.")
@click.option("--model", "models", multiple=True, help="A model it serves, or a pattern, in place of those it has.")
@click.option("--all-models", is_flag=True, help="Serve all that the provider has.")
@click.option("--on-disconnect", type=click.Choice(["drain", "cancel"]), help="When the client leaves.")
@connected
def set_(
    session: Session,
    *,
    credential: str,
    settings: tuple[tuple[str, str], ...],
    region: str | None,
    models: tuple[str, ...],
    all_models: bool,
    on_disconnect: str | None,
) -> None:
    """Change what no key of CREDENTIAL is bound to; what is not said stays."""
    body = {
        "settings": dict(settings) or None,
        "region": region,
        "models": models or None,
        "all_models": all_models,
        "on_disconnect": on_disconnect,
    }
    answer = session.client().post("credentials", credential, "change", body=body)
    write(session, answer, lambda: _show(answer))


@command.command("destination")
@_name
@click.argument("origin")
@_yes
@connected
def destination(session: Session, *, credential: str, origin: str, yes: bool) -> None:
    """Point CREDENTIAL to ORIGIN. Its keys are destroyed, because they were brought for where it points now."""
    confirm(f"Destroy the keys of {credential} and point it to {origin}?", yes=yes)
    answer = session.client().post("credentials", credential, "destination", body={"origin": origin})
    write(session, answer, lambda: _show(answer))


def _tell_probed(answer: Json) -> None:
    found = answer["probe"]
    _show(answer["credential"])
    click.echo()
    say(
        f"Probe of version {answer['version']}: {found['outcome'].replace('_', ' ')} "
        f"({milliseconds(found['latency_us'])} ms). {found['message']}".rstrip()
    )


def _promised(terms: Json) -> str:
    days, ends = terms["retention_days"], terms["ends_at"]
    parts = (
        f"regions {', '.join(terms['regions'])}" if terms["regions"] else "",
        "" if days is None else "zero retention" if days == 0 else f"retention of {days} days",
        "no training" if terms["no_training"] else "",
        f"DPA {terms['dpa_reference']}" if terms["dpa_reference"] else "",
        f"BAA {terms['baa_reference']}" if terms["baa_reference"] else "",
        f"until {local(ends)}" if ends else "",
    )
    return ", ".join(part for part in parts if part)


def _show(item: Json) -> None:
    fields(
        [
            ("credential", f"{item['name']}  {item['id']}"),
            ("state", _state(item)),
            ("provider", f"{item['provider']} at {item['origin']}"),
            ("settings", ", ".join(f"{name}={value}" for name, value in item["settings"].items())),
            ("region", item["region"]),
            ("models", words(item["models"], none="all")),
            ("owner", item["owner"]),
            ("terms", _promised(item["terms"])),
            ("margin", percent(item["margin_ppm"])),
            ("on disconnect", item["on_disconnect"]),
            ("added", f"{local(item['created_at'])} by {item['created_by']}"),
            ("revoked", local(item["revoked_at"])),
        ]
    )
    click.echo()
    table(item["versions"], _VERSIONS, empty="It has no versions.")
