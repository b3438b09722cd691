"""Signed updates of the model catalogue and the price list: what one would change, putting it in force, those that are.

Nothing is fetched: an update is a file that somebody brings. Who may sign is a matter of the installation's own files.
"""

import hashlib
from typing import Final

import msgspec

from keystead.catalogue import updates
from keystead.catalogue.updates import Update
from keystead.domain.access import Permission
from keystead.domain.ids import new_id
from keystead.gateway.edition_changes import ModelChange, model_changes, price_changes
from keystead.gateway.editions import PAYLOAD_TYPE, Contents, read, require_newer
from keystead.vault.signatures import Envelope, Signed
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Instant, Nothing, instant

MAX_UPDATE_BYTES: Final = 16 * 1024 * 1024
"""Some twelve times what the vendored lists take, in base64."""


class CatalogueUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An update as it is in its file."""

    update: Envelope


class UpdateShown(msgspec.Struct, frozen=True, kw_only=True):
    """An update that was applied."""

    id: str
    applied_at: Instant
    applied_by: str
    key_id: str
    """Of the key that signed it."""
    sha256: str
    """Of what was signed."""
    prices: str
    """The version of its price list; empty if it has none."""
    models: str
    """The version of its catalogue; empty if it has none."""


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """What counts now, and the updates that were ever applied, the last one first."""

    prices: str
    models: str
    trusted_keys: tuple[str, ...]
    """Ids of the keys whose signatures are taken here."""
    updates: tuple[UpdateShown, ...]


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What an update changes."""

    key_id: str
    sha256: str
    prices_before: str
    prices_after: str
    """Empty: the update leaves the prices as they are."""
    models_before: str
    models_after: str
    changes: tuple[ModelChange, ...]


async def show(call: Call[Nothing, Nothing]) -> InForce:
    """Return what counts now and what was applied."""
    async with call.rooms.database.read() as conn:
        applied = await updates.all_applied(conn)
    return InForce(
        prices=call.rooms.price_book().catalogue.price_list.version,
        models=call.rooms.known_models().facts.version,
        trusted_keys=call.rooms.catalogue_keys.key_ids,
        updates=tuple(_shown(update) for update in applied),
    )


async def review(call: Call[Nothing, CatalogueUpdate]) -> Review:
    """Return what applying an update would change, model by model. Nothing is changed."""
    signed, contents = _opened(call)
    return _review(call, signed, contents)


async def apply(call: Call[Nothing, CatalogueUpdate]) -> Review:
    """Put an update in force for what begins from now on, and return what it changed."""
    signed, contents = _opened(call)
    done = _review(call, signed, contents)
    now = call.rooms.clock.now_us()
    async with act(call) as change:
        update = Update(
            id=new_id("cat", now),
            applied_at=now,
            applied_by=call.who.member_id,
            key_id=signed.key_id,
            sha256=done.sha256,
            prices_version=contents.prices_version,
            models_version=contents.models_version,
        )
        await updates.add(change.conn, update, signed.payload)
        await change.record(
            "catalogue.updated",
            object_kind="catalogue_update",
            object_id=update.id,
            key_id=update.key_id,
            sha256=update.sha256,
            prices=update.prices_version,
            models=update.models_version,
            models_changed=len(done.changes),
        )
    return done


def _opened(call: Call[Nothing, CatalogueUpdate]) -> tuple[Signed, Contents]:
    rooms = call.rooms
    signed = rooms.catalogue_keys.open(call.body.update, PAYLOAD_TYPE)
    contents = read(signed.payload)
    require_newer(contents, rooms.price_book().catalogue.price_list, rooms.known_models().facts.document)
    return signed, contents


def _review(call: Call[Nothing, CatalogueUpdate], signed: Signed, contents: Contents) -> Review:
    prices = call.rooms.price_book().catalogue.price_list
    models = call.rooms.known_models().facts.document
    return Review(
        key_id=signed.key_id,
        sha256=hashlib.sha256(signed.payload).hexdigest(),
        prices_before=prices.version,
        prices_after=contents.prices_version,
        models_before=models.version,
        models_after=contents.models_version,
        changes=(
            *(price_changes(prices, contents.prices) if contents.prices else ()),
            *(model_changes(models, contents.models) if contents.models else ()),
        ),
    )


def _shown(update: Update) -> UpdateShown:
    return UpdateShown(
        id=update.id,
        applied_at=instant(update.applied_at),
        applied_by=update.applied_by,
        key_id=update.key_id,
        sha256=update.sha256,
        prices=update.prices_version,
        models=update.models_version,
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/catalogue-updates",
        permission=Permission.PRICE_READ,
        handler=show,
        summary="Which catalogue and price list count now, and the signed updates that were applied.",
        answer=InForce,
    ),
    Route(
        method="POST",
        path="/catalogue-updates/review",
        permission=Permission.PLATFORM_OPERATIONS,
        handler=review,
        summary="What a signed update would change, model by model.",
        body=CatalogueUpdate,
        answer=Review,
        max_body_bytes=MAX_UPDATE_BYTES,
        errors=(409,),
    ),
    Route(
        method="POST",
        path="/catalogue-updates",
        permission=Permission.PLATFORM_OPERATIONS,
        handler=apply,
        summary="Put a signed update in force for what begins from now on.",
        body=CatalogueUpdate,
        answer=Review,
        status=201,
        max_body_bytes=MAX_UPDATE_BYTES,
        errors=(409,),
    ),
)
