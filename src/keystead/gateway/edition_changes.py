"""What an update changes, told so that a person can review it: model by model, field by field. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from keystead.catalogue.facts import Document, ModelFacts
from keystead.metering.price_list import Model, PriceList, Row

Change = Literal["added", "removed", "changed"]


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is said otherwise than before; empty: nothing was, or will be, said."""

    field: str
    """For prices: the unit, and in brackets from when and in which tier or above which length."""
    before: str
    after: str


class ModelChange(msgspec.Struct, frozen=True, kw_only=True):
    """What changes about one model of one provider."""

    about: Literal["price", "model"]
    provider: str
    model: str
    change: Change
    fields: tuple[FieldChange, ...]


_SHOWN: Final = tuple(name for name in ModelFacts.__struct_fields__ if name != "id")


def price_changes(before: PriceList, after: PriceList) -> Iterator[ModelChange]:
    """Yield what the price of every model changes by, by provider and model."""
    yield from _changes("price", _by_name(before.providers), _by_name(after.providers), _price_texts)


def model_changes(before: Document, after: Document) -> Iterator[ModelChange]:
    """Yield what is said otherwise about every model, by provider and model."""
    yield from _changes("model", _by_name(before.providers), _by_name(after.providers), _fact_texts)


def _by_name(providers: Mapping[str, Iterable[Any]]) -> dict[tuple[str, str], Any]:
    return {(provider, model.id): model for provider, models in providers.items() for model in models}


def _changes(
    about: Literal["price", "model"],
    before: Mapping[tuple[str, str], Any],
    after: Mapping[tuple[str, str], Any],
    texts: Any,
) -> Iterator[ModelChange]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        was, will_be = texts(old) if old else {}, texts(new) if new else {}
        fields = tuple(
            FieldChange(field=field, before=was.get(field, ""), after=will_be.get(field, ""))
            for field in {**was, **will_be}
            if was.get(field, "") != will_be.get(field, "")
        )
        kind: Change = "added" if old is None else "removed" if new is None else "changed"
        yield ModelChange(about=about, provider=name[0], model=name[1], change=kind, fields=fields)


def _price_texts(model: Model) -> dict[str, str]:
    texts = {
        "names": ", ".join(model.match),
        "except": ", ".join(model.exclude),
        "context": str(model.context or ""),
    }
    for row in model.rows:
        place = _place(row)
        texts |= {f"{unit}{_bracketed(place)}": price for unit, price in row.prices.items()}
        for step in row.steps:
            over = f"over {step.over} tokens"
            texts |= {f"{unit}{_bracketed([*place, over])}": price for unit, price in step.prices.items()}
    return texts


def _place(row: Row) -> list[str]:
    hours = f"{row.hours[0]} to {row.hours[1]} UTC" if row.hours else ""
    days = f"on weekdays {row.weekdays}" if row.weekdays else ""
    return [part for part in (row.tier, f"from {row.valid_from}" if row.valid_from else "", hours, days) if part]


def _bracketed(place: list[str]) -> str:
    return f" [{', '.join(place)}]" if place else ""


def _fact_texts(facts: ModelFacts) -> dict[str, str]:
    return {name: text for name in _SHOWN if (text := _text(getattr(facts, name)))}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(value)
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
