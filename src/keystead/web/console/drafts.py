"""A route while it is written: what a form holds of it, what its buttons do to that, and what is then asked for. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keystead.domain.errors import KeysteadError
from keystead.routing.store import MAX_ATTEMPTS

_MOVES: Final = re.compile(r"(up|down|remove)-(\d{1,2})")
_PLACE: Final = re.compile(r"attempts\[(\d+)\](?:\.(\w+))?")
_FIELDS: Final[Mapping[str | None, str]] = {
    "credential": "on",
    "provider": "on",
    "weight": "weight",
    "first_byte_timeout_s": "wait",
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as it is typed."""

    model: str = ""
    on: str = ""
    """`credential:…` or `provider:…`; empty: not chosen yet."""
    weight: str = ""
    wait: str = ""
    """Seconds."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A route as it is typed."""

    name: str = ""
    strategy: str = "ordered"
    sticky: bool = False
    unsupported: str = "refuse"
    rows: tuple[Row, ...] = (Row(),)
    at: int | None = None
    """The row that a button was just used on."""


def typed(form: Mapping[str, str]) -> Draft:
    """Return what a form holds, after what the button that sent it does."""
    rows = []
    for number in range(MAX_ATTEMPTS):
        if f"model-{number}" not in form:
            break
        given = {field: form.get(f"{field}-{number}", "").strip() for field in Row.__struct_fields__}
        rows.append(Row(**given))
    draft = Draft(
        name=form.get("name", "").strip(),
        strategy=form.get("strategy", "ordered"),
        sticky=form.get("sticky") == "yes",
        unsupported=form.get("unsupported", "refuse"),
        rows=tuple(rows),
    )
    return _edited(draft, form.get("do", ""))


def of_route(route: Any) -> Draft:
    """Return a route as a form holds it."""
    return Draft(
        name=route.name,
        strategy=route.strategy,
        sticky=route.sticky,
        unsupported=route.unsupported,
        rows=tuple(
            Row(
                model=attempt.model,
                on=f"credential:{attempt.credential_id}" if attempt.credential_id else f"provider:{attempt.provider}",
                weight=str(attempt.weight),
                wait="" if attempt.first_byte_timeout_s is None else f"{attempt.first_byte_timeout_s:g}",
            )
            for attempt in route.attempts
        ),
    )


def asked(draft: Draft) -> dict[str, Any]:
    """Return the draft as the admin API takes it. Whatever is wrong with it, the API says."""
    return {
        "strategy": draft.strategy,
        "sticky": draft.sticky and draft.strategy == "weighted",
        "unsupported": draft.unsupported,
        "attempts": [_attempt(row) for row in draft.rows],
    }


def place_of(error: KeysteadError | None) -> str:
    """Return the name of the field that an error is about: `model-0`; of the form's whole list, `attempts`."""
    param = (error.param if error else None) or ""
    found = _PLACE.fullmatch(param)
    return f"{_FIELDS.get(found[2], 'model')}-{found[1]}" if found else param


def weight_of(row: Row) -> int:
    """Return a row's weight for drawing; 1 while it is none."""
    return int(row.weight) if row.weight.isascii() and row.weight.isdigit() and 0 < len(row.weight) <= 4 else 1


def _attempt(row: Row) -> dict[str, Any]:
    kind, _, reference = row.on.partition(":")
    attempt: dict[str, Any] = {"model": row.model}
    if kind in {"credential", "provider"} and reference:
        attempt[kind] = reference
    if row.weight:
        attempt["weight"] = row.weight
    if row.wait:
        attempt["first_byte_timeout_s"] = row.wait
    return attempt


def _edited(draft: Draft, do: str) -> Draft:
    rows = list(draft.rows)
    if do == "add" and len(rows) < MAX_ATTEMPTS:
        return msgspec.structs.replace(draft, rows=(*rows, Row()), at=len(rows))
    move = _MOVES.fullmatch(do)
    if move is None or int(move[2]) >= len(rows):
        return draft
    at = int(move[2])
    row = rows.pop(at)
    if move[1] == "remove":
        return msgspec.structs.replace(draft, rows=tuple(rows) or (Row(),), at=min(at, max(0, len(rows) - 1)))
    to = max(0, at - 1) if move[1] == "up" else min(len(rows), at + 1)
    rows.insert(to, row)
    return msgspec.structs.replace(draft, rows=tuple(rows), at=to)
