"""What would have to change for an organization to be as a document says. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from keystead.domain.errors import InvalidRequestError
from keystead.limits.checks import check_currency
from keystead.web.admin.config.document import SECTIONS, Budget, Consent, Document, Grant, Part, Scoped, Team

Action = Literal["create", "change", "remove", "keep"]
"""`keep`: it is not in the document, and an omission is not enough to remove such a thing."""

Place = tuple[str, str]
"""Section and name; the organization itself has no name."""

_LEFT_IF_NONE: Final = frozenset(
    {
        ("organization", "name"),
        ("organization", "time_zone"),
        ("organization", "second_factor_required"),
        ("data_classes", "rank"),
        ("teams", "cost_center"),
        ("credentials", "origin"),
        ("credentials", "region"),
        ("credentials", "margin_ppm"),
    }
)
"""Fields that say nothing when they are left out."""

_NOT_COMPARED: Final = frozenset({("credentials", "key"), ("credentials", "rotate")})
"""Only the fingerprint of a key is kept, so whether it is another one is found out when it is brought."""

_FIXED: Final[Mapping[tuple[str, str], str]] = {
    ("members", "team"): "A member stays in their team: requests are recorded with it. Create another member.",
    ("service_accounts", "team"): "A service account stays in its team. Create another one.",
    ("credentials", "provider"): "A key belongs to its provider. Add another credential.",
    **{
        ("budgets", field): f"What was spent stays counted, and in another {field} it would mean nothing. "
        "Leave this budget out and add one with another name."
        for field in (*Scoped.__struct_fields__, "period", "rolling_hours", "currency")
    },
}
_KEPT: Final[Mapping[str, str]] = {
    "teams": "Nothing removes a team: it has a history.",
    "credentials": "A key is not destroyed by being left out: `keystead credential revoke` does it.",
}
_GONE: Final = "One of this name was disabled, revoked or ended, and its name stays taken."


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A field, and what it is and would be. Null: nothing is said."""

    field: str
    before: Any
    after: Any


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One object that is not as the document says."""

    section: str
    name: str
    action: Action
    fields: tuple[FieldChange, ...] = ()
    problem: str = ""
    """Why it cannot be made so; empty if it can."""

    @property
    def place(self) -> Place:
        """Where it is in the document."""
        return self.section, self.name


def differences(present: Document, wanted: Document, *, gone: Collection[Place], prune: bool) -> tuple[Difference, ...]:
    """Compare two canonical documents. Sections that `wanted` does not have are not looked at.

    Args:
        present: what is in force.
        wanted: what should be.
        gone: objects that were disabled or revoked for good.
        prune: whether what `wanted` does not have, in the sections that it has, is to go.

    Raises:
        InvalidRequestError: `team_cycle`, `currency_not_counted`.
    """
    _refuse_circle(wanted.teams or {}, present.teams or {})
    for name, budget in (wanted.budgets or {}).items():
        check_currency(budget.currency, param=f"budgets.{name}.currency")
    found: list[Difference] = []
    if wanted.organization is not None:
        before = present.organization
        assert before is not None, "who may change it may see it"
        found.extend(_changed("organization", "", before, wanted.organization))
    for section in SECTIONS:
        asked: Mapping[str, Part] | None = getattr(wanted, section)
        if asked is None:
            continue
        there: Mapping[str, Part] = getattr(present, section) or {}
        for name, entry in asked.items():
            if name in there:
                found.extend(_changed(section, name, there[name], entry))
            else:
                found.append(_created(section, name, entry, gone))
        if prune:
            found.extend(_removed(section, name) for name in there if name not in asked)
    return tuple(found)


def without_ended(document: Document, now_us: int) -> tuple[Document, tuple[Place, ...]]:
    """Return the document without rules that have ended by themselves, and which those are.

    A document is kept for longer than a rule in it may last; the day it ends is no error.
    """
    ended: list[Place] = []
    changes: dict[str, Any] = {}
    for section in ("grants", "consents", "budgets"):
        entries: Mapping[str, Any] | None = getattr(document, section)
        if entries is None:
            continue
        over = [name for name, entry in entries.items() if _ends_us(entry) <= now_us]
        ended.extend((section, name) for name in over)
        changes[section] = {name: entry for name, entry in entries.items() if name not in over}
    return msgspec.structs.replace(document, **changes), tuple(ended)


def _ends_us(entry: Grant | Consent | Budget) -> float:
    at = entry.ends_at if isinstance(entry, Budget) else entry.expires_at
    return float("inf") if at is None else at.timestamp() * 1_000_000


def _changed(section: str, name: str, before: Part, after: Part) -> Iterator[Difference]:
    changes = []
    for field in after.__struct_fields__:
        old, new = getattr(before, field), getattr(after, field)
        silent = new is None and (section, field) in _LEFT_IF_NONE
        if old != new and not silent and (section, field) not in _NOT_COMPARED:
            changes.append(FieldChange(field=field, before=_plain(old), after=_plain(new)))
    if changes:
        problems = (_FIXED.get((section, change.field), "") for change in changes)
        yield Difference(
            section=section,
            name=name,
            action="change",
            fields=tuple(changes),
            problem=" ".join(problem for problem in problems if problem),
        )


def _created(section: str, name: str, entry: Part, gone: Collection[Place]) -> Difference:
    said = msgspec.to_builtins(entry)
    return Difference(
        section=section,
        name=name,
        action="create",
        fields=tuple(FieldChange(field=field, before=None, after=value) for field, value in said.items()),
        problem=_GONE if (section, name) in gone else "",
    )


def _removed(section: str, name: str) -> Difference:
    kept = _KEPT.get(section, "")
    return Difference(section=section, name=name, action="keep" if kept else "remove", problem=kept)


def _refuse_circle(wanted: Mapping[str, Team], present: Mapping[str, Team]) -> None:
    parents = {name: team.parent for name, team in {**present, **wanted}.items()}
    for name in wanted:
        seen = {name}
        above = parents[name]
        while above is not None and above in parents:
            if above in seen:
                raise InvalidRequestError(
                    f"The team {name!r} would stand below itself.",
                    code="team_cycle",
                    param=f"teams.{name}.parent",
                    next_step="Choose a parent that is not below the team.",
                )
            seen.add(above)
            above = parents[above]


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
