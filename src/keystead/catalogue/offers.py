"""What a credential's provider offers: how a list that was fetched is put on top of what was known. Pure."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Final

import msgspec

from keystead.domain.models import ListedModel

_REMEMBERED_US: Final = 90 * 86_400_000_000
"""How long a model that is gone is still told of."""
_MAX_GONE: Final = 500


class OfferedModel(ListedModel, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A model in a credential's list, and since when."""

    first_seen_at: int
    """Unix microseconds; with the first list, all of it."""
    gone_at: int | None = None
    """When it was first missing from the list."""


class Offer:
    """A credential's list, as it was last fetched. Immutable."""

    def __init__(self, models: Iterable[OfferedModel], *, changed_at: int) -> None:
        """Keep `models`, which are so since `changed_at` (Unix µs)."""
        self.models: Final = tuple(models)
        self.changed_at: Final = changed_at

    @cached_property
    def present(self) -> Mapping[str, OfferedModel]:
        """The models that the provider lists now, by name."""
        return {model.id: model for model in self.models if model.gone_at is None}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a list brought."""

    models: tuple[OfferedModel, ...]
    new: tuple[str, ...]
    """Names that are there, and were not before."""
    gone: tuple[str, ...]
    """Names that were there before."""


def put_on_top(before: Iterable[OfferedModel], listed: Iterable[ListedModel], *, now_us: int) -> Change:
    """Return the models after a list was fetched at `now_us`, in the list's order, then those that are gone."""
    known = {model.id: model for model in before}
    there: list[OfferedModel] = []
    for model in listed:
        seen = known.get(model.id)
        values = msgspec.structs.asdict(model)
        there.append(OfferedModel(**values, first_seen_at=now_us if seen is None else seen.first_seen_at))
    names = {model.id for model in there}
    missing = [model for model in known.values() if model.id not in names]
    gone = [
        model if model.gone_at is not None else msgspec.structs.replace(model, gone_at=now_us)
        for model in missing
        if model.gone_at is None or model.gone_at > now_us - _REMEMBERED_US
    ]
    return Change(
        models=(*there, *gone[:_MAX_GONE]),
        new=tuple(m.id for m in there if m.id not in known or known[m.id].gone_at is not None),
        gone=tuple(m.id for m in missing if m.gone_at is None),
    )
