"""Virtual keys: who has which, made here and shown once."""

from typing import Any, Final

from keystead.connect.render import PLACEHOLDER
from keystead.domain.errors import KeysteadError
from keystead.web.admin import teams, virtual_keys
from keystead.web.console.pages.connect import clients_for, received
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit


async def list_all(visit: Visit) -> Answer:
    """Show a page of keys, newest first."""
    query = {"cursor": visit.query.get("cursor"), "team": visit.query.get("team")}
    found = await visit.desk.ask(virtual_keys.list_all, query)
    values = {"keys": found.items, "next_cursor": found.next_cursor, "can_make": visit.desk.may(virtual_keys.create)}
    return Shown(template="keys.html", values=values)


async def new(visit: Visit) -> Answer:
    """Ask for a new key."""
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
        **(await received(visit, issued.virtual_key.id)),
    }
    return Shown(template="key_issued.html", values=values, status=201)


async def revoke(visit: Visit) -> Answer:
    """Revoke a key; it is unused everywhere within a second."""
    await visit.desk.act(virtual_keys.revoke, {}, virtual_key=visit.path["virtual_key"])
    return Moved(to="/console/keys")


async def _asked(visit: Visit, given: Any, error: KeysteadError | None) -> Answer:
    found = (await visit.desk.ask(teams.list_all, {"limit": "200"})).items if visit.desk.may(teams.list_all) else ()
    shown = {name: given.get(name, "") for name in ("name", "team", "models", "expires_at", "owner")}
    return Shown(
        template="key_new.html",
        values={"teams": found, "given": shown, "error": error},
        status=error.status if error else 200,
    )


PAGES: Final = (
    Page(method="GET", path="/keys", handler=list_all),
    Page(method="GET", path="/keys/new", handler=new),
    Page(method="POST", path="/keys/new", handler=create),
    Page(method="POST", path="/keys/{virtual_key}/revoke", handler=revoke),
)
