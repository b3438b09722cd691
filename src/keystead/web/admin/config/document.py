"""The document: everything that an organization has decided, by name. Pure.

Objects refer to each other by name. What is left out has its default; a section that is left out is not spoken of at
all. Secrets are never in it: a credential says where its key is found, and whoever applies the document fetches it.
Virtual keys and admin tokens are not in it either, because what issues them is also the only place that shows them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec.structs import FieldInfo, fields, replace

from keystead.domain.access import Permission
from keystead.domain.grants import Reason, Requirement
from keystead.domain.means import Measure, Period, UnpricedPolicy
from keystead.domain.money import to_pico, to_text
from keystead.domain.routes import Strategy, Unsupported
from keystead.domain.traffic import Endpoint, OnDisconnect
from keystead.policy.classes import BUILT_IN
from keystead.policy.recognize import Action
from keystead.web.admin.values import LINE, Instant, ModelName, ModelPatterns, Name, Note, Reference, RuleName, whole

FORMAT: Final = 1
"""What `keystead` says in a document. A later format has another number, and is refused by those who cannot read it."""

Text = Annotated[str, msgspec.Meta(max_length=500, pattern=whole(r"[^\x00-\x1f\x7f-\x9f]*"))]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE)]
NotedName = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=80,
        pattern=whole(r"[A-Za-z0-9][A-Za-z0-9._-]*"),
        description="Letters, digits and `.`, `_`, `-`. It is kept at the beginning of the rule's note: `name: note`.",
    ),
]
Amount = Annotated[
    str,
    msgspec.Meta(
        max_length=40,
        pattern=whole(r"[0-9]{1,7}(\.[0-9]{1,12})?"),
        description="Plain decimal text: `1000`, `12.5`. Never a float.",
    ),
]
KeyReference = Annotated[
    str,
    msgspec.Meta(
        max_length=500,
        pattern=whole(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|file:/[^\x00-\x1f\x7f-\x9f]+"),
        description="Where the key is found when the document is applied: `${NAME}` in the environment of whoever "
        "applies it, or `file:/path`. Never the key itself.",
    ),
]
References = Annotated[tuple[Reference, ...], msgspec.Meta(min_length=1, max_length=500)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of the document."""


class Organization(Part, frozen=True, kw_only=True):
    """What is the organization's own."""

    name: Name | None = None
    time_zone: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=LINE)] | None = None
    second_factor_required: bool | None = None


class Team(Part, frozen=True, kw_only=True):
    """A department."""

    parent: Name | None = None
    cost_center: Word | None = None
    """Where its cost goes. Left out: as it is or, for a new team, as its parent's."""
    data_class: Text = ""


class RoleHeld(Part, frozen=True, kw_only=True, order=True):
    """A role in one team and those below it."""

    role: Reference
    team: Name


class Member(Part, frozen=True, kw_only=True):
    """A person."""

    team: Name
    roles: Annotated[tuple[Reference | RoleHeld, ...], msgspec.Meta(max_length=20)] = ()
    """A role's name for the whole organization, or the role and a team."""


class ServiceAccount(Part, frozen=True, kw_only=True):
    """A program."""

    team: Name


class Role(Part, frozen=True, kw_only=True):
    """A role of one's own."""

    permissions: Annotated[tuple[Permission, ...], msgspec.Meta(min_length=1, max_length=len(Permission))]


class DataClass(Part, frozen=True, kw_only=True):
    """A class of one's own, or what a built-in one asks for here."""

    rank: int | None = None
    """Of a class of one's own. Built-in ones have theirs: public 100, internal 200, confidential 300, restricted 400."""
    requires: Requirement = Requirement()


class Recognizer(Part, frozen=True, kw_only=True):
    """What is looked for in requests."""

    kind: Word
    action: Action
    pattern: Text = ""
    data_class: Text = ""


class Terms(Part, frozen=True, kw_only=True):
    """What the contract behind a credential promises."""

    regions: tuple[Word, ...] = ()
    retention_days: int | None = None
    no_training: bool = False
    baa_reference: Text = ""
    dpa_reference: Text = ""
    ends_at: Instant | None = None


class Credential(Part, frozen=True, kw_only=True):
    """A provider key and where it may go."""

    provider: Word
    key: KeyReference | None = None
    rotate: bool = False
    """Compare the key whenever the document is applied, and let another one become the next version."""
    origin: Text | None = None
    """Left out: the provider's own."""
    region: Text | None = None
    """Left out: what the origin tells."""
    settings: dict[Word, Text] = {}
    models: ModelPatterns | None = None
    on_disconnect: OnDisconnect = OnDisconnect.DRAIN
    margin_ppm: int | None = None
    """Of a platform credential, which only an operator can add."""
    terms: Terms = Terms()


class Grant(Part, frozen=True, kw_only=True):
    """Who may, or may not, use what. Exactly one of `team`, `member`, `service_account` and `everyone` says who."""

    effect: Literal["allow", "deny"] = "allow"
    team: Name | None = None
    member: Name | None = None
    service_account: Name | None = None
    everyone: bool = False
    credentials: References | None = None
    models: ModelPatterns | None = None
    endpoints: Annotated[tuple[Endpoint, ...], msgspec.Meta(min_length=1, max_length=len(Endpoint))] | None = None
    when: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    """CEL; empty for always."""
    note: Note = ""
    expires_at: Instant | None = None


class Attempt(Part, frozen=True, kw_only=True):
    """One thing to try, on a credential or on whichever one of a provider may be used."""

    model: ModelName
    credential: Reference | None = None
    provider: Reference | None = None
    weight: int = 1
    first_byte_timeout_s: float | None = None


class Route(Part, frozen=True, kw_only=True):
    """A model name of one's own."""

    attempts: Annotated[tuple[Attempt, ...], msgspec.Meta(min_length=1)]
    strategy: Strategy = "ordered"
    sticky: bool = False
    unsupported: Unsupported = "refuse"


class Consent(Part, frozen=True, kw_only=True):
    """That work may fall back to platform credentials. Caps are credits."""

    teams: References | None = None
    models: ModelPatterns | None = None
    data_classes: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1)]
    reasons: Annotated[tuple[Reason, ...], msgspec.Meta(min_length=1)]
    daily_cap: Amount
    monthly_cap: Amount
    note: Note = ""
    expires_at: Instant


class Scoped(Part, frozen=True, kw_only=True):
    """What is counted: exactly one of these."""

    organization: bool = False
    """Everything."""
    team: Name | None = None
    member: Name | None = None
    service_account: Name | None = None
    virtual_key: Name | None = None
    credential: Name | None = None
    model: Word | None = None
    """A shell-style pattern."""


class Budget(Scoped, frozen=True, kw_only=True):
    """How much may be spent in a period."""

    period: Period
    rolling_hours: int = 0
    limit: Amount
    currency: Annotated[
        str, msgspec.Meta(pattern="^[A-Z]{3}$", description="`USD`, which providers are paid, or `XCR`: credits.")
    ] = "USD"
    hard: bool = True
    alert_percent: int = 80
    unpriced: UnpricedPolicy = "refuse"
    unpriced_hold: Amount | None = None
    """With `hold`: that amount."""
    ends_at: Instant | None = None


class Limit(Scoped, frozen=True, kw_only=True):
    """How fast, how many at once, or how long."""

    measure: Measure
    most: int


class Document(Part, frozen=True, kw_only=True):
    """An organization's rules."""

    keystead: Annotated[int, msgspec.Meta(ge=FORMAT, le=FORMAT)] = FORMAT
    """The format."""
    organization: Organization | None = None
    roles: dict[Name, Role] | None = None
    data_classes: dict[RuleName, DataClass] | None = None
    teams: dict[Name, Team] | None = None
    credentials: dict[Name, Credential] | None = None
    recognizers: dict[RuleName, Recognizer] | None = None
    service_accounts: dict[Name, ServiceAccount] | None = None
    members: dict[Name, Member] | None = None
    routes: dict[Word, Route] | None = None
    grants: dict[NotedName, Grant] | None = None
    consents: dict[NotedName, Consent] | None = None
    budgets: dict[Name, Budget] | None = None
    limits: dict[Name, Limit] | None = None


SECTIONS: Final = tuple(name for name in Document.__struct_fields__ if name not in {"keystead", "organization"})
"""The sections keyed by name, in the order in which they can be made: what is referred to comes first."""

_AMOUNTS: Final = ("limit", "unpriced_hold", "daily_cap", "monthly_cap")
_BUILT_IN: Final = frozenset(one.name for one in BUILT_IN)


def canonical(document: Document) -> Document:
    """Return the document as it would be exported: two documents that mean the same are then equal."""
    sections: dict[str, Any] = {name: _entries(getattr(document, name)) for name in SECTIONS}
    return replace(document, **sections)


def _entries(section: Mapping[str, Part] | None) -> dict[str, Part] | None:
    return None if section is None else {name: _entry(name, entry) for name, entry in section.items()}


def _entry(name: str, entry: Part) -> Part:
    values: dict[str, Any] = {field.name: _value(getattr(entry, field.name)) for field in _fields(type(entry))}
    if isinstance(entry, DataClass) and name in _BUILT_IN:
        values["rank"] = None
    elif isinstance(entry, Budget | Consent):
        values |= {field: _amount(values[field]) for field in _AMOUNTS if values.get(field) is not None}
    elif isinstance(entry, Member):
        values["roles"] = tuple(sorted(set(values["roles"]), key=lambda held: (isinstance(held, RoleHeld), held)))
    elif isinstance(entry, Role):
        values["permissions"] = tuple(sorted(values["permissions"]))
    # What equals the default is the default itself: msgspec leaves out only that.
    return replace(
        entry,
        **{
            field.name: field.default if values[field.name] == field.default else values[field.name]
            for field in _fields(type(entry))
        },
    )


@cache
def _fields(kind: type[Part]) -> tuple[FieldInfo, ...]:
    """Return a part's fields, looked up once: it takes a millisecond, and a document has thousands of parts."""
    return fields(kind)


def _value(value: Any) -> Any:
    """Return a field's value in the one form that it has here: names once, times in UTC."""
    if isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        return tuple(dict.fromkeys(value))
    if isinstance(value, Terms):
        return replace(value, regions=_value(value.regions), ends_at=_value(value.ends_at))
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _amount(text: str) -> str:
    return to_text(to_pico(Decimal(text)))
