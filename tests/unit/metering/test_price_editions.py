"""A price list that replaces another counts for what begins after, and for nothing before."""

from hypothesis import given
from hypothesis import strategies as st

from keystead.metering.price_book import Override, PriceBook, Terms
from keystead.metering.price_list import Catalogue
from keystead.metering.prices import load_snapshot
from tests.fakes.signer import price_list

APPLIED = 1_800_000_000_000_000
AGAIN = APPLIED + 86_400_000_000


def book() -> PriceBook:
    first = price_list({"gpt-99": {"input_tokens": "0.000002"}}, "2027-01-01")
    second = price_list({"gpt-99": {"input_tokens": "0.000003"}}, "2027-02-01")
    return load_snapshot().followed_by(Catalogue(first), at=APPLIED).followed_by(Catalogue(second), at=AGAIN)


def terms(at: int, model: str = "gpt-99") -> Terms:
    return Terms(
        organization_id="org_1", provider="openai", model_sent=model, model_served=model, tier="", region="", at=at
    )


def price(book: PriceBook, at: int) -> str | None:
    rates = book.tariff(terms(at)).rates_for(1)
    return rates.tokens["input_tokens"][1] if rates else None


def test_each_time_has_its_own_list_whichever_is_asked_for_first() -> None:
    times = {APPLIED - 1: None, APPLIED: "0.000002", AGAIN - 1: "0.000002", AGAIN: "0.000003"}
    for order in (list(times), list(reversed(times))):
        asked = book()
        assert {at: price(asked, at) for at in order} == times


@given(st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_what_a_tariff_is_remembered_for_is_the_span_in_which_it_holds(first: int, second: int) -> None:
    asked, fresh = book(), book()
    price(asked, APPLIED + first)
    assert price(asked, APPLIED + second) == price(fresh, APPLIED + second)


def test_the_version_names_the_list_that_counted() -> None:
    versions = []
    for at in (APPLIED - 1, APPLIED, AGAIN):
        rates = book().tariff(terms(at, "gpt-5")).rates_for(1)
        assert rates is not None
        versions.append(rates.version)
    assert len(set(versions)) == 3
    assert "/2027-01-01" in versions[1]
    assert "/2027-02-01" in versions[2]


def test_an_organizations_own_price_stays_above_every_list() -> None:
    own = Override(
        id="price_1",
        organization_id="org_1",
        provider="openai",
        model="gpt-*",
        currency="EUR",
        prices={"input_tokens": "1"},
        valid_from=0,
        valid_to=None,
    )
    asked = book().with_overrides([own])
    assert {price(asked, at) for at in (APPLIED - 1, APPLIED, AGAIN)} == {"1"}
