"""Connect: what a client needs to be told, per virtual key, and whether its first request has come."""

from typing import Any, Final

from keystead.connect.client import SANDBOX
from keystead.connect.render import PLACEHOLDER
from keystead.domain.clock import utc
from keystead.domain.errors import InvalidRequestError
from keystead.web.admin import connect, requests, virtual_keys
from keystead.web.console.visit import Answer, Page, Shown, Visit

_FIRST: Final = "curl"
SHELLS: Final = {"sh": "bash, zsh", "fish": "fish", "powershell": "PowerShell"}
_SHOWN: Final = "5"


async def show(visit: Visit) -> Answer:
    """Show what one client needs."""
    found = await visit.desk.ask(virtual_keys.list_all, {"limit": "200"})
    keys = [key for key in found.items if key.state == "active"]
    chosen = next((key for key in keys if key.id == visit.query.get("key")), keys[0] if keys else None)
    problem, model = None, visit.query.get("model", "").strip()
    try:
        clients = await clients_for(visit, model=model)
    except InvalidRequestError as error:
        problem, clients = error, await clients_for(visit)
    name = visit.query.get("client", _FIRST)
    values = {
        "keys": keys,
        "chosen": chosen,
        "clients": clients,
        "client": next((one for one in clients if one.name == name), clients[0]),
        "shells": SHELLS,
        "shell": _shell(visit),
        "model": model,
        "problem": problem,
        "placeholder": PLACEHOLDER,
        "sandbox": SANDBOX,
        "can_make": visit.desk.may(virtual_keys.create),
        **(await received(visit, chosen.id if chosen else "")),
    }
    return Shown(template="connect.html", values=values, status=problem.status if problem else 200)


async def fragment(visit: Visit) -> Answer:
    """Show the part that tells whether a request has come."""
    return Shown(template="received.html", values=await received(visit, visit.query.get("key", "")))


async def clients_for(visit: Visit, *, model: str = "") -> Any:
    """Return what every client needs."""
    asked = {"url": visit.origin, "model": model, "shell": _shell(visit)}
    return (await visit.desk.ask(connect.show, asked)).clients


async def received(visit: Visit, key: str) -> dict[str, Any]:
    """Return the newest requests of a key since the page was opened; None where the person may see none.

    Whether it had been used before is looked up as the page is opened, and then told by its own address.
    """
    since = visit.query.get("since") or utc(visit.now_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    rows, used = None, visit.query.get("used", "")
    if key and visit.desk.may(requests.list_all):
        rows = (await visit.desk.ask(requests.list_all, {"virtual_key": key, "since": since, "limit": _SHOWN})).items
        if not used:
            used = (
                "yes" if (await visit.desk.ask(requests.list_all, {"virtual_key": key, "limit": "1"})).items else "no"
            )
    return {"rows": rows, "since": since, "key_id": key, "used": used}


def _shell(visit: Visit) -> str:
    asked = visit.query.get("shell", "")
    return asked if asked in SHELLS else "sh"


PAGES: Final = (
    Page(method="GET", path="/connect", handler=show),
    Page(method="GET", path="/connect/received", handler=fragment),
)
