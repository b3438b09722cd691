"""One's own second factor: set up with a QR code, its recovery codes shown once, turned off with both factors."""

from typing import Final

import segno

from keystead.domain.errors import KeysteadError
from keystead.web.admin import second_factor
from keystead.web.console.visit import Answer, Moved, Page, Shown, Visit

_PATH: Final = "/account/second-factor"
_QUIET: Final = 4
"""Light squares around a QR code (ISO/IEC 18004 wants four)."""


async def show(visit: Visit) -> Answer:
    """Show how it stands, and what can be done."""
    return await _asked(visit)


async def enrol(visit: Visit) -> Answer:
    """Show the secret, as a QR code and as text: this answer is the only one that ever holds it."""
    try:
        begun = await visit.desk.act(second_factor.enrol, {"password": visit.form.get("password") or None})
    except KeysteadError as error:
        return await _asked(visit, error)
    secret = " ".join(begun.secret[at : at + 4] for at in range(0, len(begun.secret), 4))
    return Shown(
        template="second_factor_begun.html",
        values={"secret": secret, "squares": _squares(begun.address), "error": None},
        status=201,
    )


async def confirm(visit: Visit) -> Answer:
    """Put it into force, and show the recovery codes."""
    try:
        made = await visit.desk.act(second_factor.confirm, {"code": visit.form.get("code", "")})
    except KeysteadError as error:
        # The secret was shown and is not told again: the authenticator has it, or one begins anew.
        values = {"secret": "", "squares": None, "error": error}
        return Shown(template="second_factor_begun.html", values=values, status=error.status)
    return Shown(template="recovery_codes.html", values={"codes": made.recovery_codes, "turned_on": True})


async def renew(visit: Visit) -> Answer:
    """Show new recovery codes."""
    try:
        made = await visit.desk.act(second_factor.renew_recovery_codes, _proof(visit))
    except KeysteadError as error:
        return await _asked(visit, error)
    return Shown(template="recovery_codes.html", values={"codes": made.recovery_codes, "turned_on": False})


async def disable(visit: Visit) -> Answer:
    """Turn it off."""
    try:
        await visit.desk.act(second_factor.disable, _proof(visit))
    except KeysteadError as error:
        return await _asked(visit, error)
    return Moved(to=f"/console{_PATH}")


async def _asked(visit: Visit, error: KeysteadError | None = None) -> Answer:
    factor = await visit.desk.ask(second_factor.show)
    return Shown(
        template="second_factor.html",
        values={"factor": factor, "error": error},
        status=error.status if error else 200,
    )


def _proof(visit: Visit) -> dict[str, str | None]:
    return {"password": visit.form.get("password") or None, "code": visit.form.get("code", "")}


def _squares(text: str) -> tuple[int, str]:
    """Return a QR code as the length of its side, quiet zone included, and an SVG path of its dark squares."""
    made = segno.make_qr(text, error="m")
    drawn: list[str] = []
    for y, row in enumerate(made.matrix_iter(border=_QUIET)):
        for x, dark in enumerate(row):
            if dark:
                drawn.append(f"M{x} {y}h1v1h-1z")
    return len(made.matrix) + 2 * _QUIET, "".join(drawn)


PAGES: Final = (
    Page(method="GET", path=_PATH, handler=show, before_enrolment=True),
    Page(method="POST", path=f"{_PATH}/enrol", handler=enrol, before_enrolment=True),
    Page(method="POST", path=f"{_PATH}/confirm", handler=confirm, before_enrolment=True),
    Page(method="POST", path=f"{_PATH}/recovery-codes", handler=renew),
    Page(method="POST", path=f"{_PATH}/disable", handler=disable),
)
