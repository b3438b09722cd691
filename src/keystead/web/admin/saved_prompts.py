"""Prompts that callers keep for the playground: their own, and nobody else's. The record says when, never what."""

from typing import Annotated, Any, Final, Literal

import msgspec

from keystead.domain.access import Permission
from keystead.identity.saved_prompts import MOST_BYTES, SavedPrompt
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    LINE,
    Instant,
    Nothing,
    Page,
    PageQuery,
    decode_cursor,
    paged,
    whole,
    with_instants,
)

Text = Annotated[str, msgspec.Meta(max_length=MOST_BYTES)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE)]
Image = Annotated[
    str,
    msgspec.Meta(
        max_length=MOST_BYTES,
        pattern=whole(r"data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}"),
        description="A small image, as a `data:` URL: PNG, JPEG, WebP or GIF.",
    ),
]
Model = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=LINE)]


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked at once."""

    text: Text = ""
    images: Annotated[tuple[Image, ...], msgspec.Meta(max_length=6)] = ()


class PromptContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What stands in the playground, as it was typed, and none of the answers: 40,000 bytes of JSON at most."""

    models: Annotated[tuple[Model, ...], msgspec.Meta(max_length=4)] = ()
    """Asked beside each other."""
    system: Text = ""
    questions: Annotated[tuple[Question, ...], msgspec.Meta(max_length=100)] = ()
    """One after the other."""
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
    stop: Text = ""
    """One a line."""
    tools: Text = ""
    """JSON, or what is to become it."""
    json_schema: Text = ""
    """Likewise."""


class SavePrompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A prompt to keep."""

    name: Title
    content: PromptContent


class ChangePrompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; null leaves it."""

    name: Title | None = None
    content: PromptContent | None = None


class PromptDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt that is gone. It was not opened, so it can go even where it would not open."""

    id: str


class PromptListed(msgspec.Struct, frozen=True, kw_only=True):
    """A saved prompt in a list. Names need not differ."""

    id: str
    name: str
    created_at: Instant
    changed_at: Instant


class PromptShown(msgspec.Struct, frozen=True, kw_only=True):
    """A saved prompt."""

    id: str
    name: str
    created_at: Instant
    changed_at: Instant
    content: PromptContent


async def list_all(call: Call[PageQuery, Nothing]) -> Page[PromptListed]:
    """Return a page of the caller's own, newest first."""
    async with call.rooms.database.read() as conn:
        found = await call.rooms.saved_prompts.list(
            conn, call.who, before=decode_cursor(call.query.cursor), limit=call.query.limit + 1
        )
    items, next_cursor = paged(found, call.query.limit)
    return Page(items=tuple(_listed(one) for one in items), next_cursor=next_cursor)


async def show(call: Call[Nothing, Nothing]) -> PromptShown:
    """Return one of the caller's own."""
    async with call.rooms.database.read() as conn:
        found, content = await call.rooms.saved_prompts.find(conn, call.who, call.path["saved_prompt"])
    return PromptShown(**with_instants(found), content=msgspec.json.decode(content, type=PromptContent))


async def create(call: Call[Nothing, SavePrompt]) -> PromptListed:
    """Keep a prompt for the caller alone."""
    body = call.body
    async with act(call) as change:
        made = await call.rooms.saved_prompts.save(
            change.conn, call.who, name=body.name, content=_written(body.content)
        )
        await change.record("saved_prompt.created", object_kind="saved_prompt", object_id=made.id)
    return _listed(made)


async def change(call: Call[Nothing, ChangePrompt]) -> PromptListed:
    """Give one of the caller's own another name or content."""
    body = call.body
    async with act(call) as changing:
        changed = await call.rooms.saved_prompts.change(
            changing.conn,
            call.who,
            call.path["saved_prompt"],
            name=body.name,
            content=None if body.content is None else _written(body.content),
        )
        await changing.record("saved_prompt.changed", object_kind="saved_prompt", object_id=changed.id)
    return _listed(changed)


async def delete(call: Call[Nothing, Nothing]) -> PromptDeleted:
    """Delete one of the caller's own for good."""
    prompt_id = call.path["saved_prompt"]
    async with act(call) as change:
        await call.rooms.saved_prompts.delete(change.conn, call.who, prompt_id)
        await change.record("saved_prompt.deleted", object_kind="saved_prompt", object_id=prompt_id)
    return PromptDeleted(id=prompt_id)


def _listed(one: SavedPrompt) -> PromptListed:
    return PromptListed(**with_instants(one))


def _written(content: PromptContent) -> str:
    return msgspec.json.encode(content).decode()


_ONE: Final = "/playground/prompts/{saved_prompt}"
_OWN: Final[dict[str, Any]] = {"permission": Permission.KEY_OWN, "scope": "team"}
"""As for a key of one's own, without which the playground asks nothing."""

ROUTES: Final = (
    Route(
        **_OWN,
        method="GET",
        path="/playground/prompts",
        handler=list_all,
        summary="The caller's own saved prompts, newest first, without their content.",
        query=PageQuery,
        answer=Page[PromptListed],
    ),
    Route(
        **_OWN,
        method="POST",
        path="/playground/prompts",
        handler=create,
        summary="Save a prompt for the caller alone, sealed.",
        body=SavePrompt,
        answer=PromptListed,
        status=201,
        errors=(409,),
    ),
    Route(
        **_OWN,
        method="GET",
        path=_ONE,
        handler=show,
        summary="One of the caller's own saved prompts.",
        answer=PromptShown,
        errors=(404,),
    ),
    Route(
        **_OWN,
        method="POST",
        path=f"{_ONE}/change",
        handler=change,
        summary="Rename a saved prompt, or save another content under it.",
        body=ChangePrompt,
        answer=PromptListed,
        errors=(404,),
    ),
    Route(
        **_OWN,
        method="POST",
        path=f"{_ONE}/delete",
        handler=delete,
        summary="Delete a saved prompt for good.",
        answer=PromptDeleted,
        errors=(404,),
    ),
)
