"""Shapes that several resources share: instants, pages, names, and the constraints on what comes in."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec

from keystead.domain import clock
from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import id_time_ms
from keystead.domain.secret import Secret

T = TypeVar("T")


def whole(pattern: str) -> str:
    """Return `pattern` for the whole text: `$` alone lets a line break at the end through."""
    return rf"^(?:{pattern})$(?!\n)"


LINE: Final = whole(r"[^\x00-\x1f\x7f-\x9f]+")
"""Text on one line, with nothing in it that a terminal obeys or a database refuses (PostgreSQL knows no NUL)."""

NAME: Final = whole(r"[^\s/\x00-\x1f\x7f-\x9f]([^/\x00-\x1f\x7f-\x9f]*[^\s/\x00-\x1f\x7f-\x9f])?")
"""One line, no slash (`credential/model` names a model, and a path has one segment per name), no space at either end,
nothing that a terminal would obey."""

Name = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=100,
        pattern=NAME,
        description="1 to 100 characters on one line, without a slash.",
    ),
]
Reference = Annotated[str, msgspec.Meta(max_length=100, pattern=LINE, description="An id or a name.")]
ModelName = Annotated[str, msgspec.Meta(max_length=300, pattern=LINE)]
ModelPattern = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=200,
        pattern=whole("[!-~]+"),
        description="A model, or a shell-style pattern: `gpt-5*`.",
    ),
]
ModelPatterns = Annotated[tuple[ModelPattern, ...], msgspec.Meta(min_length=1, max_length=500)]
RuleName = Annotated[
    str,
    msgspec.Meta(
        max_length=50,
        pattern=whole(r"[a-z0-9][a-z0-9_-]*"),
        description="1 to 50 lower-case letters, digits, `-` and `_`.",
    ),
]
Note = Annotated[str, msgspec.Meta(max_length=500, pattern=whole(r"[^\x00-\x1f\x7f-\x9f]*"))]
Instant = clock.Instant

IssuedState = Literal["active", "expired", "revoked"]

MAX_LIMIT: Final = 200
MAX_SECRET_LENGTH: Final = 8192

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPANS: Final = (_EPOCH, datetime(2100, 1, 1, tzinfo=UTC))
_LONGEST_US: Final = 3_660 * clock.DAY_US
_MICROSECOND: Final = timedelta(microseconds=1)


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


Cursor = Annotated[str, msgspec.Meta(max_length=500, description="`next_cursor` of the page before.")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of a list."""

    cursor: Cursor | None = None
    limit: Limit = 50


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list. `next_cursor` is null on the last one."""

    items: tuple[T, ...]
    next_cursor: str | None = None


def instant(us: int) -> datetime:
    """Return Unix microseconds as a UTC datetime, exactly."""
    return clock.utc(us)


def optional_instant(us: int | None) -> datetime | None:
    """Return Unix microseconds as a UTC datetime, None as None."""
    return None if us is None else instant(us)


def with_instants(view: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of `view`, with instants (`at`, `…_at`) as datetimes instead of microseconds."""
    return {
        name: optional_instant(value) if name == "at" or name.endswith("_at") else value
        for name, value in msgspec.structs.asdict(view).items()
    }


def micros(at: datetime) -> int:
    """Return an aware datetime as Unix microseconds, exactly.

    Raises:
        InvalidRequestError: in UTC it has a year before 1 or after 9999.
    """
    try:
        return (at.astimezone(UTC) - _EPOCH) // _MICROSECOND
    except OverflowError as error:
        raise InvalidRequestError("In UTC this time is before the year 1 or after 9999.") from error


def optional_micros(at: datetime | None) -> int | None:
    """Return an aware datetime as Unix microseconds, None as None."""
    return None if at is None else micros(at)


def reported_span(since: datetime | None, until: datetime | None, *, now_us: int, usual_us: int) -> tuple[int, int]:
    """Return the span of a report in Unix microseconds: up to now and `usual_us` long, where nothing else is asked for.

    A report takes its span apart into days, and so it is not longer than anybody's records.

    Raises:
        InvalidRequestError: it is.
    """
    end = now_us if until is None else micros(until)
    begin = end - usual_us if since is None else micros(since)
    first, last = map(micros, _SPANS)
    if begin < first or end > last or end - begin > _LONGEST_US:
        raise InvalidRequestError(
            "The span is longer than ten years, or not between the years 1970 and 2100.",
            param="since",
            next_step="Ask for a shorter span.",
        )
    return begin, end


def future(at: datetime | None, now_us: int, *, param: str = "expires_at") -> int | None:
    """Return an expiry as Unix microseconds.

    Raises:
        InvalidRequestError: it has passed already.
    """
    if at is None:
        return None
    if micros(at) <= now_us:
        raise InvalidRequestError("The expiry has passed already.", code="expiry_passed", param=param)
    return micros(at)


def ended_state(*, expires_at: int | None, revoked_at: int | None, now_us: int) -> IssuedState:
    """Return the state of an issued key or token at `now_us`."""
    if revoked_at is not None:
        return "revoked"
    return "expired" if expires_at is not None and expires_at <= now_us else "active"


def encode_cursor(position: str) -> str:
    """Return an opaque cursor for a position in a list."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str | None:
    """Return the position inside a cursor made by `encode_cursor`.

    Raises:
        InvalidRequestError: it is not one.
    """
    if cursor is None:
        return None
    try:
        position = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        position = ""
    if not position.isprintable() or not position:
        raise InvalidRequestError(
            "This is not a cursor of ours.",
            code="invalid_cursor",
            param="cursor",
            next_step="Take `next_cursor` from the page before, unchanged, or leave it out to begin anew.",
        )
    return position


def paged(found: Sequence[Any], limit: int) -> tuple[Sequence[Any], str | None]:
    """Cut `found`, which was asked for with one row more than `limit`, to its page and the cursor of the next."""
    if len(found) <= limit:
        return found, None
    return found[:limit], encode_cursor(found[limit - 1].id)


def require_plain_name(name: str) -> None:
    """Refuse a name that looks like an id, so that "id or name" can never mean somebody else's object.

    Raises:
        InvalidRequestError: it does.
    """
    if "_" in name and id_time_ms(name) is not None:
        raise InvalidRequestError(
            "A name must not look like an id.", code="invalid_name", param="name", next_step="Choose another name."
        )


def decode_hook(expected: type, value: Any) -> Any:
    """Turn JSON text into a `Secret` the moment it is read, so that it is never a printable field."""
    if expected is not Secret:
        raise NotImplementedError
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_SECRET_LENGTH:
        raise ValueError(f"Expected text of 1 to {MAX_SECRET_LENGTH} characters")
    return Secret(value)


def schema_hook(expected: type) -> dict[str, Any]:
    """Describe a `Secret` in JSON Schema: goes in, never comes out."""
    if expected is not Secret:
        raise NotImplementedError
    return {"type": "string", "format": "password", "writeOnly": True, "minLength": 1, "maxLength": MAX_SECRET_LENGTH}
