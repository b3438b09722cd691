"""What the provider behind a credential says it serves: look at the list, and have it fetched anew."""

from typing import Final

import msgspec

from keystead.catalogue import store
from keystead.catalogue.offers import OfferedModel
from keystead.domain.access import Permission
from keystead.domain.credential import Credential
from keystead.domain.errors import ConflictError
from keystead.gateway.discovery import tell
from keystead.metering.price_list import is_fine_tuned
from keystead.vault.view import CredentialView
from keystead.web.admin.credential_probes import live_view, view_in
from keystead.web.admin.credential_shapes import active_version
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import (
    Instant,
    Nothing,
    PageQuery,
    decode_cursor,
    encode_cursor,
    instant,
    optional_instant,
)

_NAMES_TOLD: Final = 100


class OffersQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of them."""

    gone: bool = True
    """Those that the provider no longer lists as well."""


class OfferedShown(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the list."""

    model: str
    released: str
    """ISO day; empty: the provider does not say."""
    retires: str
    context: int | None
    max_output: int | None
    first_seen_at: Instant
    gone_at: Instant | None
    """When it was first missing from the list; null while it is there."""
    fine_tuned: bool
    catalogued: bool
    priced: bool
    """Whether its usage has a price, from the list or of your own; otherwise it is recorded as unpriced."""


class OffersShown(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a credential's list, by name."""

    items: tuple[OfferedShown, ...]
    next_cursor: str | None
    checked_at: Instant | None
    """When the provider was last asked; null: never yet."""
    changed_at: Instant | None
    error: str
    """Why that brought no list; the one before then stands. Empty if it did."""


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """What asking again brought."""

    listed: int
    new: tuple[str, ...]
    """Names that were not there before, at most 100 of them."""
    gone: tuple[str, ...]


async def list_offered(call: Call[OffersQuery, Nothing]) -> OffersShown:
    """Return a page of what the provider lists for a credential."""
    async with call.rooms.database.read() as conn:
        view = await view_in(call, conn)
        kept = await store.get(conn, call.who.organization_id, view.id)
    after = decode_cursor(call.query.cursor)
    models = sorted(
        (m for m in kept.models if (call.query.gone or m.gone_at is None) and (after is None or m.id > after)),
        key=lambda model: model.id,
    )
    page = models[: call.query.limit]
    return OffersShown(
        items=tuple(_shown(call, view, model) for model in page),
        next_cursor=encode_cursor(page[-1].id) if len(models) > len(page) else None,
        checked_at=optional_instant(kept.checked_at),
        changed_at=optional_instant(kept.changed_at),
        error=kept.error,
    )


async def refresh(call: Call[Nothing, Nothing]) -> Refreshed:
    """Ask the provider for the list now."""
    view = await live_view(call)
    credential = await _with_key(call, view)
    listed = await call.rooms.discovery.fetch(credential)  # over the network, so in no transaction
    async with act(call) as change:
        brought = await store.keep(
            change.conn,
            credential,
            listed,
            now_us=call.rooms.clock.now_us(),
            due_at=call.rooms.discovery.due_again_at(credential),
        )
        await change.record(
            "credential.models_refreshed",
            object_kind="credential",
            object_id=view.id,
            listed=len(listed),
            new=len(brought.new),
            gone=len(brought.gone),
        )
    tell(credential, brought)
    return Refreshed(listed=len(listed), new=brought.new[:_NAMES_TOLD], gone=brought.gone[:_NAMES_TOLD])


async def _with_key(call: Call[Nothing, Nothing], view: CredentialView) -> Credential:
    version = active_version(view)
    if version is None:
        raise ConflictError(
            "The credential has no active key.",
            code="credential_inactive",
            next_step="Bring one: `keystead credential rotate`.",
        )
    async with call.rooms.database.read() as conn:
        credential, _ = await call.rooms.credentials.open_for_probe(
            conn, organization_id=call.who.organization_id, credential=view.id, version=version
        )
    return credential


def _shown(call: Call[OffersQuery, Nothing], view: CredentialView, model: OfferedModel) -> OfferedShown:
    book = call.rooms.price_book()
    own = book.overrides_for(call.who.organization_id, view.provider, [model.id])
    now = call.rooms.clock.now_us()
    return OfferedShown(
        model=model.id,
        released=model.released,
        retires=model.retires,
        context=model.context,
        max_output=model.max_output,
        first_seen_at=instant(model.first_seen_at),
        gone_at=optional_instant(model.gone_at),
        fine_tuned=is_fine_tuned(model.id),
        catalogued=call.rooms.known_models().facts.find(view.provider, model.id) is not None,
        priced=any(override.in_force(now) for override in own)
        or book.listed(view.provider, model_sent=model.id, model_served=model.id) is not None,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/credentials/{credential}/models",
        permission=Permission.CREDENTIAL_READ,
        handler=list_offered,
        summary="The models that the provider lists for a credential: new, gone, fine-tuned.",
        query=OffersQuery,
        answer=OffersShown,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/credentials/{credential}/models/refresh",
        permission=Permission.CREDENTIAL_WRITE,
        handler=refresh,
        summary="Ask the provider for a credential's list of models now.",
        answer=Refreshed,
        errors=(404, 409, 502),
    ),
)
