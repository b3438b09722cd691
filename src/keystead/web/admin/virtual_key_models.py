"""Which models a virtual key may call, under the names that lead there: what is offered where somebody chooses one."""

from typing import Final

import msgspec

from keystead.domain.access import Permission
from keystead.gateway.usable import UsableModel
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Nothing
from keystead.web.admin.virtual_keys import seen_key


class UsableShown(msgspec.Struct, frozen=True, kw_only=True):
    """A model that may be asked for."""

    name: str
    """What to ask for."""
    title: str
    """For people; empty if nobody has a better name for it."""
    provider: str
    """Who serves it; empty for one of the organization's routes."""
    context: int | None
    max_output: int | None
    can: tuple[str, ...] | None
    """What it is known to do (`vision`, `tools`, …); null where nobody knows."""


class UsableModels(msgspec.Struct, frozen=True, kw_only=True):
    """Every model that the key may be used to chat with, routes first. Others may be asked for all the same."""

    items: tuple[UsableShown, ...]


async def list_usable(call: Call[Nothing, Nothing]) -> UsableModels:
    """Return what a virtual key may call; one that is revoked may call nothing."""
    async with call.rooms.database.read() as conn:
        found = await seen_key(call, conn)
    key = call.rooms.virtual_key(found.id)
    if key is None or key.revoked_at is not None:  # the latter also where whoever it belongs to is disabled
        return UsableModels(items=())
    return UsableModels(items=tuple(_shown(model) for model in await call.rooms.explainer.models(key)))


def _shown(model: UsableModel) -> UsableShown:
    facts = model.known.facts if model.known else None
    return UsableShown(
        name=model.name,
        title=facts.name if facts else "",
        provider=model.provider,
        context=model.known.context if model.known else None,
        max_output=model.known.max_output if model.known else None,
        can=tuple(sorted(facts.can)) if facts and facts.can is not None else None,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/virtual-keys/{virtual_key}/models",
        permission=Permission.KEY_READ,
        scope="team",
        own=Permission.KEY_OWN,
        handler=list_usable,
        summary="The models that a virtual key may call, under the names that lead there.",
        answer=UsableModels,
        errors=(404,),
    ),
)
