"""Data classes: how sensitive requests can be, and what each class asks of a credential's terms. List, set, remove."""

from typing import Annotated, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.grants import DataClass, Requirement
from keystead.policy.checks import MAX_REGIONS
from keystead.policy.class_store import HIGHEST_RANK
from keystead.policy.classes import BUILT_IN, PUBLIC, DataClasses
from keystead.policy.views import DataClassView
from keystead.web.admin.credential_shapes import Region, RetentionDays
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Nothing, Page, RuleName

_BUILT_IN: Final = {one.name: one for one in BUILT_IN}


class RequirementGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a class asks for by itself. It also asks for all that the classes below it ask for."""

    regions: Annotated[tuple[Region, ...], msgspec.Meta(max_length=MAX_REGIONS)] = ()
    """The terms promise regions, all of them among these; empty: any."""
    most_retention_days: RetentionDays | None = None
    """0: zero data retention."""
    no_training: bool = False
    baa: bool = False
    dpa: bool = False
    own_key_only: bool = False
    """Never on a platform credential."""


class SetDataClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A class of your own, or your own terms for a built-in one."""

    name: RuleName
    rank: Annotated[int, msgspec.Meta(gt=PUBLIC.rank, le=HIGHEST_RANK)] | None = None
    """Where it stands; a higher rank is more sensitive. `public` is 100, `internal` 200, `confidential` 300, `restricted`
    400, and nothing stands below `public`: every class asks for what those below it ask for. Built-in classes keep
    theirs. Null: where it stands already."""
    requirement: RequirementGiven = RequirementGiven()


class RequirementShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a credential's terms."""

    regions: tuple[str, ...]
    most_retention_days: int | None
    no_training: bool
    baa: bool
    dpa: bool
    own_key_only: bool


class DataClassShown(msgspec.Struct, frozen=True, kw_only=True):
    """A data class."""

    name: str
    rank: int
    built_in: bool
    own: bool
    """The organization has set what it asks for."""
    requirement: RequirementShown
    """What it asks for by itself."""
    in_effect: RequirementShown
    """What it asks for together with the classes below it: this is what counts."""


async def list_all(call: Call[Nothing, Nothing]) -> Page[DataClassShown]:
    """Return every class, the least sensitive first; an organization has few."""
    async with call.rooms.database.read() as conn:
        classes = await call.rooms.data_classes.classes(conn, call.who.organization_id)
        own = await call.rooms.data_classes.own(conn, call.who.organization_id)
    return _page(classes, own)


async def set_class(call: Call[Nothing, SetDataClass]) -> Page[DataClassShown]:
    """Make an own class, or set what a class asks for; return every class as it is then."""
    body = call.body
    asked = Requirement(**msgspec.structs.asdict(body.requirement))
    async with act(call) as change:
        classes = await call.rooms.data_classes.set(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            name=body.name,
            rank=body.rank,
            requirement=asked,
        )
        own = await call.rooms.data_classes.own(change.conn, call.who.organization_id)
        [now] = [one for one in own if one.name == body.name]
        await change.record(
            "data_class.set",
            object_kind="data_class",
            object_id=now.id,
            name=now.name,
            rank=now.rank,
            requirement=msgspec.structs.asdict(asked),
        )
    return _page(classes, own)


async def remove(call: Call[Nothing, Nothing]) -> Page[DataClassShown]:
    """Remove an own class, or let a built-in one ask for what it asks for by nature; return every class that is left."""
    name = call.path["data_class"]
    async with act(call) as change:
        before = await call.rooms.data_classes.own(change.conn, call.who.organization_id)
        classes = await call.rooms.data_classes.remove(change.conn, organization_id=call.who.organization_id, name=name)
        own = await call.rooms.data_classes.own(change.conn, call.who.organization_id)
        [gone] = [one for one in before if one.name == name]
        await change.record("data_class.removed", object_kind="data_class", object_id=gone.id, name=name)
    return _page(classes, own)


def _page(classes: DataClasses, own: list[DataClassView]) -> Page[DataClassShown]:
    by_name: dict[str, DataClass] = {**_BUILT_IN, **{one.name: one for one in own}}
    names = {one.name for one in own}
    return Page(
        items=tuple(
            DataClassShown(
                name=one.name,
                rank=one.rank,
                built_in=one.name in _BUILT_IN,
                own=one.name in names,
                requirement=_shown(by_name[one.name].requirement),
                in_effect=_shown(one.requirement),
            )
            for one in classes.ladder
        )
    )


def _shown(requirement: Requirement) -> RequirementShown:
    return RequirementShown(**msgspec.structs.asdict(requirement))


ROUTES: Final = (
    Route(
        method="GET",
        path="/data-classes",
        permission=Permission.DATA_CLASS_READ,
        handler=list_all,
        summary="How sensitive requests can be, and what each class asks of a credential's terms.",
        answer=Page[DataClassShown],
    ),
    Route(
        method="POST",
        path="/data-classes",
        permission=Permission.DATA_CLASS_WRITE,
        handler=set_class,
        summary="Make a data class of your own, or set what a class asks for.",
        body=SetDataClass,
        answer=Page[DataClassShown],
        errors=(409,),
    ),
    Route(
        method="POST",
        path="/data-classes/{data_class}/remove",
        permission=Permission.DATA_CLASS_WRITE,
        handler=remove,
        summary="Remove a data class of your own, or your own terms for a built-in one.",
        answer=Page[DataClassShown],
        errors=(404, 409),
    ),
)
