"""The vault: provider keys, never their text. Their state, their versions as a timeline, and what may be done to them."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.clock import DAY_US, utc
from keystead.domain.credential import VersionState
from keystead.domain.errors import KeysteadError, NotFoundError
from keystead.identity.authority import teams_where
from keystead.metering.usage_views import UsageLine
from keystead.providers.table import PROVIDERS
from keystead.web.admin import (
    credential_uses,
    credential_versions,
    credentials,
    grants,
    service_accounts,
    usage,
)
from keystead.web.admin.credential_shapes import CredentialShown
from keystead.web.console.matrix import Column, is_about
from keystead.web.console.pages.pairs import pairs_in
from keystead.web.console.pages.permissions import ending, grants_in_force
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_GRANTS_SHOWN: Final = 200
_USERS_SHOWN: Final = 20
_NAMES_SHOWN: Final = 5
_RADIUS_DAYS: Final = 7


class Radius(msgspec.Struct, frozen=True, kw_only=True):
    """Who used a credential lately, and for what."""

    days: int
    lines: tuple[tuple[UsageLine, str | None], ...]
    """Each with its cost; None if nothing of it is known."""
    more: int
    """Lines that are not shown."""
    teams: int
    keys: int
    names: tuple[str, ...]
    """Of some virtual keys."""
    requests: int
    whole: bool
    """Of every team, and not only of those that the reader sees."""


async def list_all(visit: Visit) -> Answer:
    """Show every credential."""
    found = await visit.desk.ask(credentials.list_all)
    alive = [one for one in found.items if one.revoked_at is None]
    gone = [one for one in found.items if one.revoked_at is not None]
    sees_use = visit.desk.may(credential_uses.list_all) and bool(alive)
    uses = (await visit.desk.ask(credential_uses.list_all)).items if sees_use else ()
    return Shown(
        template="vault.html",
        values={
            "alive": alive,
            "gone": gone,
            "can_add": visit.desk.may(credentials.add),
            "sees_use": sees_use,
            "uses": {use.credential_id: use for use in uses},
        },
    )


async def show(visit: Visit) -> Answer:
    """Show one credential."""
    return await _shown(visit)


async def new(visit: Visit) -> Answer:
    """Ask for a new credential."""
    visit.desk.require(credentials.add)
    return _asked({"provider": visit.query.get("provider", "openai")}, None)


async def add(visit: Visit) -> Answer:
    """Probe a key and keep it. Whatever goes wrong, the key is not sent back to the browser."""
    form = {name: value for name, value in visit.form.items() if value != ""}
    body: dict[str, Any] = {name: form[name] for name in ("name", "provider", "key", "origin") if name in form}
    if "models" in form:
        body["models"] = form["models"].split()
    if "anyway" in form:
        body["keep"] = True
    try:
        body["settings"] = pairs_in(
            form.get("settings", ""), param="settings", one="setting", example="project=my-project"
        )
        added = await visit.desk.act(credentials.add, body)
    except KeysteadError as error:
        return _asked(visit.form, error)
    return Moved(to=f"/console/vault/{added.credential.id}")


async def rotate(visit: Visit) -> Answer:
    """Probe the next version's key, and hand over to it."""
    body = {"key": visit.form.get("key", ""), "activate": "stage" not in visit.form}
    return await _done(visit, credential_versions.rotate, body)


async def activate(visit: Visit) -> Answer:
    """Hand over to a staged version."""
    return await _done(visit, credential_versions.activate, {"version": visit.form.get("version", "")})


async def rollback(visit: Visit) -> Answer:
    """Hand over to the version before."""
    return await _done(visit, credential_versions.rollback, {})


async def revoke(visit: Visit) -> Answer:
    """Destroy the credential's keys, if its name was typed to say so."""
    before = await visit.desk.ask(credentials.show, credential=visit.path["credential"])
    if visit.form.get("name", "") != before.name:
        return await _shown(visit, "The name does not match: nothing was revoked.")
    return await _done(visit, credentials.revoke, {})


async def _done(visit: Visit, handler: Any, body: dict[str, Any]) -> Answer:
    try:
        await visit.desk.act(handler, body, credential=visit.path["credential"])
    except KeysteadError as error:
        return await _shown(visit, f"{error.message} {error.next_step}", error.status)
    return Moved(to=f"/console/vault/{visit.path['credential']}")


async def _shown(visit: Visit, problem: str = "", status: int = 200) -> Answer:
    one = await visit.desk.ask(credentials.show, credential=visit.path["credential"])
    provider = PROVIDERS.get(one.provider)
    column = Column(id=one.id, name=one.name, provider=one.provider, platform=one.owner == "platform")
    given = await grants_in_force(visit.desk) if visit.desk.may(grants.list_all) else []
    values = {
        "sees_grants": visit.desk.may(grants.list_all),
        "sees_people": visit.desk.may(service_accounts.list_all),
        "grants": [grant for grant in given if is_about(grant, column)][:_GRANTS_SHOWN],
        "may_grant": visit.desk.may(grants.create),
        "may_end": ending(visit.desk),
        "use": await _use(visit, one.id),
        "radius": await _radius(visit, one.id),
        "one": one,
        "provider": provider.title if provider else one.provider,
        "problem": problem,
        "can_change": visit.desk.may(credentials.add) and one.revoked_at is None,
        "can_roll_back": _goes_back(one),
    }
    return Shown(template="credential.html", values=values, status=status)


async def _use(visit: Visit, credential_id: str) -> Any:
    if not visit.desk.may(credential_uses.list_all):
        return None
    return (await visit.desk.ask(credential_uses.list_all, {"credential": credential_id})).items[0]


async def _radius(visit: Visit, credential_id: str) -> Radius | None:
    """Return who used a credential lately, and so who is struck if it goes; None if the reader may not see that."""
    if not visit.desk.may(usage.report):
        return None
    since = utc(visit.now_us - _RADIUS_DAYS * DAY_US).isoformat()
    asked = {"by": "team,principal,virtual_key,model", "credential": credential_id, "since": since}
    try:
        lines = (await visit.desk.ask(usage.report, asked)).lines
    except NotFoundError:  # a revoked one of the platform's
        return None
    keys = {line.keys[2].id: line.keys[2].name for line in lines}
    return Radius(
        days=_RADIUS_DAYS,
        lines=tuple((line, _known(line)) for line in lines[:_USERS_SHOWN]),
        more=len(lines[_USERS_SHOWN:]),
        teams=len({line.keys[0].id for line in lines}),
        keys=len(keys),
        names=tuple(keys.values())[:_NAMES_SHOWN],
        requests=sum(line.requests for line in lines),
        whole=teams_where(visit.desk.who, Permission.USAGE_READ) is None,
    )


def _known(line: UsageLine) -> str | None:
    return None if line.unpriced + line.unknown and not Decimal(line.cost) else line.cost


def _goes_back(one: CredentialShown) -> bool:
    """Return whether there is a version to roll back to."""
    return any(
        version.state in {VersionState.DRAINING, VersionState.RETIRED}
        and (one.active_version is None or version.version < one.active_version)
        for version in one.versions
    )


def _asked(given: Any, error: KeysteadError | None) -> Answer:
    at = (error.param or "").partition(".")[0] if error else ""
    rows = sorted(PROVIDERS.values(), key=lambda row: row.title.lower())
    shown = {name: given.get(name, "") for name in ("name", "provider", "origin", "models", "settings")}
    return Shown(
        template="credential_new.html",
        values={"providers": rows, "given": shown, "error": error, "more": at in {"origin", "models", "settings"}},
        status=error.status if error else 200,
    )


PAGES: Final = (
    Page(method="GET", path="/vault", handler=list_all),
    Page(method="GET", path="/vault/new", handler=new),
    Page(method="POST", path="/vault/new", handler=add),
    Page(method="GET", path="/vault/{credential}", handler=show),
    Page(method="POST", path="/vault/{credential}/rotate", handler=rotate),
    Page(method="POST", path="/vault/{credential}/activate", handler=activate),
    Page(method="POST", path="/vault/{credential}/rollback", handler=rollback),
    Page(method="POST", path="/vault/{credential}/revoke", handler=revoke),
)
