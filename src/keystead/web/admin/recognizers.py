"""Recognisers: what requests are searched for, and what becomes of those that hold it. List, add, remove."""

from typing import Annotated, Final, Literal

import msgspec

from keystead.domain.access import Permission
from keystead.policy.patterns import KINDS, MAX_PATTERN_LENGTH
from keystead.policy.recognize import Action
from keystead.policy.views import NewRecognizer, RecognizerView
from keystead.web.admin.data_class_names import DataClassName
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Instant, Nothing, Page, RuleName, with_instants

Kind = Annotated[str, msgspec.Meta(max_length=32, description=f"One of {', '.join(KINDS)}.")]


class AddRecognizer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for, and what to do when it is found."""

    name: RuleName
    kind: Kind
    pattern: Annotated[str, msgspec.Meta(max_length=MAX_PATTERN_LENGTH, description="RE2, within one line.")] = ""
    """For the kind `pattern` only."""
    action: Action
    """`block` the request, `raise` its data class, or `redact` what was found."""
    data_class: DataClassName = ""
    """What to raise to."""


class RecognizerShown(msgspec.Struct, frozen=True, kw_only=True):
    """A recogniser."""

    id: str
    name: str
    kind: str
    pattern: str
    action: Literal["block", "raise", "redact"]
    data_class: str
    created_at: Instant
    created_by: str


async def list_all(call: Call[Nothing, Nothing]) -> Page[RecognizerShown]:
    """Return every recogniser; an organization has few."""
    async with call.rooms.database.read() as conn:
        views = await call.rooms.recognizers.list(conn, call.who.organization_id)
    return Page(items=tuple(_shown(view) for view in views))


async def add(call: Call[Nothing, AddRecognizer]) -> RecognizerShown:
    """Switch a recogniser on."""
    body = call.body
    async with act(call) as change:
        view = await call.rooms.recognizers.add(
            change.conn,
            organization_id=call.who.organization_id,
            actor_id=call.who.member_id,
            new=NewRecognizer(
                name=body.name,
                kind=body.kind,
                pattern=body.pattern,
                action=body.action,
                data_class=body.data_class,
            ),
        )
        await change.record(
            "recognizer.added",
            object_kind="recognizer",
            object_id=view.id,
            name=view.name,
            kind=view.kind,
            pattern=view.pattern,
            does=view.action,
            data_class=view.data_class,
        )
    return _shown(view)


async def remove(call: Call[Nothing, Nothing]) -> RecognizerShown:
    """Switch a recogniser off for good."""
    async with act(call) as change:
        view = await call.rooms.recognizers.remove(
            change.conn, organization_id=call.who.organization_id, recognizer=call.path["recognizer"]
        )
        await change.record("recognizer.removed", object_kind="recognizer", object_id=view.id, name=view.name)
    return _shown(view)


def _shown(view: RecognizerView) -> RecognizerShown:
    return RecognizerShown(**{name: value for name, value in with_instants(view).items() if name != "organization_id"})


ROUTES: Final = (
    Route(
        method="GET",
        path="/recognizers",
        permission=Permission.DATA_CLASS_READ,
        handler=list_all,
        summary="What requests are searched for.",
        answer=Page[RecognizerShown],
    ),
    Route(
        method="POST",
        path="/recognizers",
        permission=Permission.DATA_CLASS_WRITE,
        handler=add,
        summary="Search requests for something, and block, raise or redact what holds it.",
        body=AddRecognizer,
        answer=RecognizerShown,
        status=201,
        errors=(409,),
    ),
    Route(
        method="POST",
        path="/recognizers/{recognizer}/remove",
        permission=Permission.DATA_CLASS_WRITE,
        handler=remove,
        summary="No longer search requests for something.",
        answer=RecognizerShown,
        errors=(404,),
    ),
)
