"""Which catalogue and which price list count, and from when: the vendored ones, and signed updates on top. Pure.

An update counts for what begins after it was applied, and for nothing before: a stream that is under way, a batch that
settles tomorrow and a cost that is worked out anew are priced by the list of their own time.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import Any, Final, Self

import msgspec

from keystead.catalogue.facts import Document, ModelCatalogue
from keystead.catalogue.updates import Update, UpdateWithDocument
from keystead.domain.errors import ConflictError, InvalidRequestError
from keystead.metering.price_book import PriceBook
from keystead.metering.price_list import Catalogue, PriceList
from keystead.metering.price_list_check import problems

PAYLOAD_TYPE: Final = "application/vnd.keystead.catalogue+json"
_FORMAT: Final = 1
_SEEN_EVERYWHERE_US: Final = 1_000_000
"""How long other processes may take to hear of a change. Until then all of them price by the list before."""
_MOST_TOLD: Final = 5
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Contents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an update holds: a price list, a catalogue of models, or both, each of them whole."""

    format: int
    prices: PriceList | None = None
    models: Document | None = None

    @property
    def prices_version(self) -> str:
        """The price list's name as it appears in a price version; empty if there is none."""
        return self.prices.version if self.prices else ""

    @property
    def models_version(self) -> str:
        """The catalogue's version; empty if there is none."""
        return self.models.version if self.models else ""


_CONTENTS: Final = msgspec.json.Decoder(Contents)


def read(payload: bytes) -> Contents:
    """Return what is in an update.

    Raises:
        InvalidRequestError: it is not an update, or what is in it cannot be priced by; the first few reasons are told.
    """
    try:
        contents = _CONTENTS.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(f"What is signed is not a catalogue update: {error}") from error
    if contents.format != _FORMAT:
        raise _refused(f"The update has format {contents.format}; this version of Keystead reads format {_FORMAT}.")
    if contents.prices is None and contents.models is None:
        raise _refused("The update holds neither prices nor models.")
    found = [
        *(problems(contents.prices) if contents.prices else ()),
        *(_models_problems(contents.models) if contents.models else ()),
    ]
    if found:
        more = f" (and {len(found) - _MOST_TOLD} more)" if len(found) > _MOST_TOLD else ""
        raise _refused(f"The update cannot be used: {'; '.join(found[:_MOST_TOLD])}{more}.")
    return contents


class Editions(msgspec.Struct, frozen=True, kw_only=True):
    """The catalogue and the price book (without overrides) that count now, and which updates they are made of."""

    price_book: PriceBook
    models: ModelCatalogue
    updates: tuple[str, ...] = ()
    """The ids of all updates that were looked at, superseded ones included."""

    def with_updates(self, applied: Iterable[UpdateWithDocument]) -> Self:
        """Return these editions with more updates, in the order in which they were applied.

        What is not newer than what counts already is passed over: a later release of Keystead came with something newer.
        """
        made = self
        for each in applied:
            made = made._with(each.update, _CONTENTS.decode(each.document))
        return made

    def _with(self, update: Update, contents: Contents) -> Self:
        book, models = self.price_book, self.models
        if contents.prices and contents.prices.built_on > book.catalogue.price_list.built_on:
            book = book.followed_by(Catalogue(contents.prices), at=update.applied_at + _SEEN_EVERYWHERE_US)
        if contents.models and contents.models.built_on > models.document.built_on:
            models = ModelCatalogue(contents.models)
        return msgspec.structs.replace(self, price_book=book, models=models, updates=(*self.updates, update.id))


def require_newer(contents: Contents, price_list: PriceList, models: Document) -> None:
    """Refuse an update that would bring something old back, such as one that was applied before.

    Raises:
        ConflictError: what it holds is not newer than what counts.
    """
    for what, held, new in (("price list", price_list, contents.prices), ("catalogue", models, contents.models)):
        if new is not None and new.built_on <= held.built_on:
            raise ConflictError(
                f"The {what} in the update is of {new.built_on}; the one in force is of {held.built_on}.",
                code="update_not_newer",
                next_step="Apply one of a later day. To take something back, make an update that says so.",
            )


def _models_problems(models: Document) -> Iterable[str]:
    if not _is_day(models.built_on):
        yield f"the models' built_on is not a day: {models.built_on[:64]!r}"
    if not _DIGEST.fullmatch(models.sha256):
        yield "the models' sha256 is none"
    for provider, listed in models.providers.items():
        for facts in listed:
            if not 0 < len(facts.id) <= 256 or not facts.id.isprintable():
                yield f"{provider}: {facts.id[:64]!r} is not a model's name"
            yield from (
                f"{provider}/{facts.id}: {name} is not a day or a month"
                for name in ("released", "deprecated", "retires")
                if (text := getattr(facts, name)) and not _is_day(text if _DAY.fullmatch(text) else f"{text}-01")
            )


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _refused(message: str, **more: Any) -> InvalidRequestError:
    return InvalidRequestError(message, code="invalid_update", param="update", **more)
