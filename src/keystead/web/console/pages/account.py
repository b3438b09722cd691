"""One's own account: who one is here, what one signs in with, and in which browsers one is signed in."""

from contextlib import suppress
from typing import Final

from keystead.domain.errors import InvalidRequestError, KeysteadError, NotFoundError
from keystead.web.admin import organization, second_factor, sessions
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_HERE: Final = "/console/account"
_DONE: Final = {"password": "Your password is changed, and every other browser is signed out.", "ended": "Signed out."}


async def show(visit: Visit) -> Answer:
    """Show what the person may do and where, and what lets them in."""
    desk = visit.desk
    return Shown(
        template="account.html",
        values={
            "account": await desk.ask(organization.whoami),
            "factor": await desk.ask(second_factor.show),
            "sessions": (await desk.ask(sessions.list_own)).sessions,
            "done": _DONE.get(visit.query.get("done", "")),
        },
    )


async def ask_password(_visit: Visit) -> Answer:
    """Ask for the password, and for another."""
    return _password_form(None)


async def change_password(visit: Visit) -> Answer:
    """Change the password."""
    typed = {name: visit.form.get(name, "") for name in ("current", "new", "again")}
    try:
        if typed["new"] != typed["again"]:
            raise InvalidRequestError(
                "The new password is not the same twice.", param="again", next_step="Type it twice anew."
            )
        await visit.desk.act(sessions.change_password, {"current": typed["current"], "new": typed["new"]})
    except KeysteadError as error:
        return _password_form(error)
    return Moved(to=f"{_HERE}?done=password")


async def end(visit: Visit) -> Answer:
    """Sign out in one browser."""
    with suppress(NotFoundError):  # over already
        await visit.desk.act(sessions.end_own, {"session": visit.form.get("session", "")})
    return Moved(to=f"{_HERE}?done=ended")


async def end_others(visit: Visit) -> Answer:
    """Sign out everywhere else."""
    await visit.desk.act(sessions.end_others, {})
    return Moved(to=f"{_HERE}?done=ended")


def _password_form(error: KeysteadError | None) -> Answer:
    at = {"password": "new", None: "current"}.get(error.param, error.param) if error else ""
    return Shown(
        template="account_password.html", values={"error": error, "at": at}, status=error.status if error else 200
    )


PAGES: Final = (
    Page(method="GET", path="/account", handler=show),
    Page(method="GET", path="/account/password", handler=ask_password),
    Page(method="POST", path="/account/password", handler=change_password),
    Page(method="POST", path="/account/sessions/end", handler=end),
    Page(method="POST", path="/account/sessions/end-others", handler=end_others),
)
