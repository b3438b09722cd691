"""Virtual keys: who has which, what they count to, made here and shown once."""

from collections.abc import Mapping
from typing import Any, Final

from keystead.connect.client import SANDBOX
from keystead.connect.render import PLACEHOLDER
from keystead.domain.clock import DAY_US, utc
from keystead.domain.errors import InvalidRequestError, KeysteadError
from keystead.web.admin import teams, usage, virtual_keys
from keystead.web.console.desk import Handler
from keystead.web.console.pages.connect import clients_for, received
from keystead.web.console.pages.pairs import pairs_in
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit
from keystead.web.console.words import whole

_LATELY_DAYS: Final = 7


async def list_all(visit: Visit) -> Answer:
    """Show a page of keys, newest first."""
    query = {"cursor": visit.query.get("cursor"), "team": visit.query.get("team")}
    found = await visit.desk.ask(virtual_keys.list_all, query)
    values = {
        "keys": found.items,
        "next_cursor": found.next_cursor,
        "can_make": visit.desk.may(virtual_keys.create),
        "may_revoke": {key.id for key in found.items if _may(visit, virtual_keys.revoke, key)},
    }
    return Shown(template="keys.html", values=values)


async def new(visit: Visit) -> Answer:
    """Ask for a new key."""
    visit.desk.require(virtual_keys.create)
    return await _asked(visit, {}, None)


async def create(visit: Visit) -> Answer:
    """Make a key, and show it: this answer is the only one that ever holds it."""
    form = visit.form
    body: dict[str, Any] = {name: form[name] for name in ("name", "team", "expires_at") if form.get(name)}
    if form.get("models", "").strip():
        body["models"] = form["models"].split()
    if "expires_at" in body:
        body["expires_at"] = f"{body['expires_at']}T00:00:00Z"
    if form.get("owner") == "me":
        body["member"] = visit.desk.who.member_id
    try:
        body["tags"] = tags_in(form.get("tags", ""))
        issued = await visit.desk.act(virtual_keys.create, body)
    except KeysteadError as error:
        return await _asked(visit, form, error)
    return await shown_once(visit, issued)


async def shown_once(visit: Visit, issued: virtual_keys.IssuedVirtualKey) -> Answer:
    """Return the page of a key that was just made, with what each client needs, the key's text in it."""
    values = {
        "issued": issued,
        "clients": sorted(await clients_for(visit), key=lambda one: one.name != "curl"),
        "placeholder": PLACEHOLDER,
        "sandbox": SANDBOX,
        **(await received(visit, issued.virtual_key.id)),
    }
    return Shown(template="key_issued.html", values=values, status=201)


async def show(visit: Visit) -> Answer:
    """Show one key, with a form for its tags."""
    return await _one(visit, None, None)


async def tag(visit: Visit) -> Answer:
    """Give a key the tags that were written, from now on."""
    written = visit.form.get("tags", "")
    try:
        await visit.desk.act(virtual_keys.change, {"tags": tags_in(written)}, virtual_key=visit.path["virtual_key"])
    except InvalidRequestError as error:
        return await _one(visit, written, error)
    return Moved(to=f"/console/keys/{visit.path['virtual_key']}")


def tags_in(text: str) -> dict[str, str]:
    """Return the tags that somebody wrote, `name=value` on a line.

    Raises:
        InvalidRequestError: a line is none, or a name is there twice.
    """
    return pairs_in(text, param="tags", one="tag", example="project=apollo")


async def _one(visit: Visit, written: str | None, error: KeysteadError | None) -> Answer:
    key = await visit.desk.ask(virtual_keys.show, virtual_key=visit.path["virtual_key"])
    values = {
        "key": key,
        "given": _written(key.tags) if written is None else written,
        "may_change": _may(visit, virtual_keys.change, key),
        "error": error,
    }
    return Shown(template="key.html", values=values, status=error.status if error else 200)


def _may(visit: Visit, handler: Handler, key: virtual_keys.VirtualKeyShown) -> bool:
    """Say whether the person may do that to the key: to their own, or to one of a team in which they may."""
    mine = (key.principal_kind, key.principal_id) == ("member", visit.desk.who.member_id)
    return visit.desk.may(handler) and (mine or visit.desk.may_in(handler, key.team_id))


def _written(tags: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in tags.items())


async def ask_revoke(visit: Visit) -> Answer:
    """Tell who stops when a key is revoked, and ask."""
    visit.desk.require(virtual_keys.revoke)
    key = await visit.desk.ask(virtual_keys.show, virtual_key=visit.path["virtual_key"])
    values = {
        "title": f"Revoke {key.name}",
        "back": ("/console/keys", "Virtual keys"),
        "says": "Whoever uses it is refused within a second. There is no way back: make another key.",
        "facts": [("For", key.principal), ("Team", key.team), *await _lately(visit, key.id)],
        "action": f"/console/keys/{key.id}/revoke",
        "button": f"Revoke {key.name}",
    }
    return Shown(template="confirm.html", values=values)


async def _lately(visit: Visit, key_id: str) -> list[tuple[str, str]]:
    """Return what a key was used for in the last days, for whoever may see that."""
    if not visit.desk.may(usage.report):
        return []
    since = utc(visit.now_us - _LATELY_DAYS * DAY_US).isoformat()
    asked = {"by": "model", "only": (f"virtual_key:{key_id}",), "since": since}
    lines = (await visit.desk.ask(usage.report, asked)).lines
    models = ", ".join(dict.fromkeys(line.keys[0].name for line in lines))
    told = f"{whole(sum(line.requests for line in lines))} of {models}" if lines else "none"
    return [(f"Requests in {_LATELY_DAYS} days", told)]


async def revoke(visit: Visit) -> Answer:
    """Revoke a key; it is unused everywhere within a second."""
    await visit.desk.act(virtual_keys.revoke, {}, virtual_key=visit.path["virtual_key"])
    return Moved(to="/console/keys")


async def _asked(visit: Visit, given: Any, error: KeysteadError | None) -> Answer:
    found = (await visit.desk.ask(teams.list_all, {"limit": "200"})).items if visit.desk.may(teams.list_all) else ()
    shown = {name: given.get(name, "") for name in ("name", "team", "models", "tags", "expires_at", "owner")}
    return Shown(
        template="key_new.html",
        values={"teams": found, "given": shown, "error": error},
        status=error.status if error else 200,
    )


PAGES: Final = (
    Page(method="GET", path="/keys", handler=list_all),
    Page(method="GET", path="/keys/new", handler=new),
    Page(method="POST", path="/keys/new", handler=create),
    Page(method="GET", path="/keys/{virtual_key}", handler=show),
    Page(method="POST", path="/keys/{virtual_key}/tags", handler=tag),
    Page(method="GET", path="/keys/{virtual_key}/revoke", handler=ask_revoke),
    Page(method="POST", path="/keys/{virtual_key}/revoke", handler=revoke),
)
