"""What a page is given, and what it gives back."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec

from keystead.domain.errors import CallerError
from keystead.web.admin.route import Download
from keystead.web.console.desk import Desk


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a person who is signed in."""

    desk: Desk
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    """What was typed; empty on GET."""
    now_us: int
    origin: str
    """Where the reader's browser finds the gateway: `https://host`."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A page: a template and what it shows."""

    template: str
    values: Mapping[str, Any]
    status: int = 200


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Go there next: a change was made, and to load the page again must not make it again."""

    to: str
    """A path of the console."""
    cookie: str = ""
    """A `Set-Cookie` to send along."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An answer for a script of the page: JSON."""

    value: Any


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the browser keeps and does not show."""

    name: str
    content: bytes
    media_type: str


Answer = Shown | Moved | Told | Kept | Download


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of pages."""

    method: Literal["GET", "POST"]
    path: str
    """Below `/console`; `{…}` is one segment."""
    handler: Callable[[Visit], Awaitable[Answer]]
    before_enrolment: bool = False
    """Open to who has still to set up a second factor that their organization wants; no other page is."""


class StaleFormError(CallerError):
    """This form does not belong to your session."""

    code = "stale_form"
    status = 403
    next_step = "Go back, load the page again, and send the form once more."
