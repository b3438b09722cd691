"""Where the organization's people sign in: its identity provider, named, changed, removed."""

import re
from collections.abc import Mapping
from typing import Any, Final

from keystead.domain.errors import KeysteadError
from keystead.web.admin import identity_provider
from keystead.web.admin.identity_provider import IdentityProviderShown, IdentityProviderTried
from keystead.web.console.navigation import SETTINGS
from keystead.web.console.pages.people import tree_of
from keystead.web.console.pages.settings import framed
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_HERE: Final = f"{SETTINGS}/sign-in"
_PATH: Final = "/settings/sign-in"
_FIELDS: Final = ("issuer", "client_id", "domains", "team")
"""What comes back on the form when something is wrong with it: all but the secret."""
_APART: Final = re.compile(r"[\s,;]+")


async def show(visit: Visit) -> Answer:
    """Show the identity provider, or what it takes to have one."""
    return await _asked(visit)


async def change(visit: Visit) -> Answer:
    """Let people sign in there, or only try it; without a secret, the one that is kept stays."""
    form = visit.form
    secret = form.get("client_secret", "")
    body: dict[str, Any] = {
        "issuer": form.get("issuer", "").strip(),
        "client_id": form.get("client_id", "").strip(),
        "client_secret": secret or None,
        "domains": [one for one in _APART.split(form.get("domains", "").lower()) if one],
        "team": form.get("team") or None,
        "trusts_mfa": form.get("trusts_mfa") == "yes",
    }
    try:
        if form.get("do") == "try":
            tried = await visit.desk.act(identity_provider.try_out, {"issuer": body["issuer"]})
            return await _asked(visit, tried=tried)
        await visit.desk.act(identity_provider.set_identity_provider, body)
    except KeysteadError as error:
        return await _asked(visit, error)
    return Moved(to=f"{_HERE}?done=kept")


async def ask_remove(visit: Visit) -> Answer:
    """Tell what ends without the identity provider, and ask."""
    visit.desk.require(identity_provider.remove)
    found = (await visit.desk.ask(identity_provider.show)).identity_provider
    if found is None:
        return Moved(to=_HERE)
    values = {
        "title": "Remove the identity provider",
        "back": (_HERE, "Sign-in"),
        "says": "Nobody signs in there any more. Whoever has no password needs a sign-in link to choose one. "
        "Sessions in force go on, for a week at most: disable who is to go at once.",
        "facts": [("Issuer", found.issuer), ("Domains", ", ".join(found.domains))],
        "action": f"{_HERE}/remove",
        "button": "Remove it",
    }
    return Shown(template="confirm.html", values=values)


async def remove(visit: Visit) -> Answer:
    """Let nobody sign in there any more."""
    await visit.desk.act(identity_provider.remove, {})
    return Moved(to=f"{_HERE}?done=removed")


async def _asked(
    visit: Visit, error: KeysteadError | None = None, tried: IdentityProviderTried | None = None
) -> Answer:
    desk = visit.desk
    found = (await desk.ask(identity_provider.show)).identity_provider
    tree = await tree_of(desk)
    teams = [(branch.team.id, f"Becomes a developer of {branch.team.name}") for branch in tree]
    values = {
        "found": found,
        "tried": tried,
        "team": next((branch.team.name for branch in tree if found and branch.team.id == found.team_id), ""),
        "teams": [("", "Does not come in"), *teams],
        "given": _given(found, visit.form),
        "at": ((error.param if error else None) or "").partition("[")[0],
        "origin": visit.origin,
        "return_path": identity_provider.RETURN_PATH,
        "can_change": desk.may(identity_provider.set_identity_provider),
    }
    return Shown(
        template="settings_sign_in.html",
        values={**framed(visit, _HERE, error), **values},
        status=error.status if error else 200,
    )


def _given(found: IdentityProviderShown | None, form: Mapping[str, str]) -> dict[str, Any]:
    """Return what stands in the form: what was typed, else what is kept."""
    if form:
        return {**{name: form.get(name, "") for name in _FIELDS}, "trusts_mfa": form.get("trusts_mfa") == "yes"}
    if found is None:
        return {**dict.fromkeys(_FIELDS, ""), "trusts_mfa": False}
    return {
        "issuer": found.issuer,
        "client_id": found.client_id,
        "domains": ", ".join(found.domains),
        "team": found.team_id or "",
        "trusts_mfa": found.trusts_mfa,
    }


PAGES: Final = (
    Page(method="GET", path=_PATH, handler=show),
    Page(method="POST", path=_PATH, handler=change),
    Page(method="GET", path=f"{_PATH}/remove", handler=ask_remove),
    Page(method="POST", path=f"{_PATH}/remove", handler=remove),
)
