"""A fetched list on top of what was known."""

from hypothesis import given
from hypothesis import strategies as st

from keystead.catalogue.offers import Offer, OfferedModel, put_on_top
from keystead.domain.models import ListedModel

DAY_US = 86_400_000_000


def listed(*names: str) -> list[ListedModel]:
    return [ListedModel(id=name) for name in names]


def test_what_is_new_what_is_gone_and_what_came_back_is_told() -> None:
    first = put_on_top((), listed("a", "b"), now_us=1)
    assert (first.new, first.gone) == (("a", "b"), ())
    second = put_on_top(first.models, listed("b", "c"), now_us=2)
    assert (second.new, second.gone) == (("c",), ("a",))
    assert {m.id: (m.first_seen_at, m.gone_at) for m in second.models} == {"b": (1, None), "c": (2, None), "a": (1, 2)}
    third = put_on_top(second.models, listed("a", "b", "c"), now_us=3)
    assert (third.new, third.gone) == (("a",), ())
    assert {m.id: m.first_seen_at for m in third.models} == {"a": 1, "b": 1, "c": 2}
    assert put_on_top(third.models, listed("a", "b", "c"), now_us=4).models == third.models


def test_what_is_long_gone_is_forgotten() -> None:
    gone = (
        OfferedModel(id="old", first_seen_at=1, gone_at=2),
        OfferedModel(id="late", first_seen_at=1, gone_at=DAY_US),
    )
    left = put_on_top(gone, (), now_us=90 * DAY_US + 3).models
    assert [model.id for model in left] == ["late"]


def test_an_offer_shows_what_is_there() -> None:
    offer = Offer(
        (OfferedModel(id="a", first_seen_at=1), OfferedModel(id="b", first_seen_at=1, gone_at=2)), changed_at=2
    )
    assert set(offer.present) == {"a"}


@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True), max_size=6))
def test_after_any_lists_what_is_present_is_the_last_list(lists: list[list[str]]) -> None:
    models: tuple[OfferedModel, ...] = ()
    for now, names in enumerate(lists, start=1):
        models = put_on_top(models, listed(*names), now_us=now).models
    assert [m.id for m in models if m.gone_at is None] == (lists[-1] if lists else [])
    assert len({m.id for m in models}) == len(models)
