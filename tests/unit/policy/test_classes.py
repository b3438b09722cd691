"""Data classes and the terms they ask for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import PolicyDenied
from keystead.domain.grants import DataClass, Requirement, Terms
from keystead.domain.traffic import Owner
from keystead.policy.classes import NO_REGION, DataClasses, both
from tests.unit.policy.cases import NOW, credential

UNPROMISED = "the terms of credential openai-eu do not promise it."
BEST = Terms(regions=("eu",), retention_days=0, no_training=True, baa_reference="B-1", dpa_reference="D-1")


def why_not(name: str, terms: Terms, *own: DataClass, **changes: Any) -> str | None:
    classes = DataClasses(own)
    found = classes.get(name)
    assert found is not None
    return classes.why_not(found, credential(terms=terms, **changes), NOW)


def own_class(name: str, rank: int, **requirement: Any) -> DataClass:
    return DataClass(name=name, rank=rank, requirement=Requirement(**requirement))


def test_the_built_in_classes_stand_in_their_order() -> None:
    assert [one.name for one in DataClasses().ladder] == ["public", "internal", "confidential", "restricted"]


def test_the_most_sensitive_of_several_counts_and_without_any_the_least() -> None:
    classes = DataClasses([own_class("open", 50)])
    assert classes.highest(["internal", "", "restricted", "public"]).name == "restricted"
    assert classes.highest(["", ""]).name == "open"


def test_a_class_that_is_not_there_is_refused_and_not_guessed_about() -> None:
    with pytest.raises(PolicyDenied) as refused:
        DataClasses().highest(["internal", "phi"])
    assert refused.value.code == "data_class_unknown"
    assert DataClasses().get("phi") is None


@pytest.mark.parametrize(
    ("name", "terms", "reason"),
    [
        ("public", Terms(), None),
        ("internal", Terms(), None),
        (
            "confidential",
            Terms(),
            f"A confidential request needs no training on the data; {UNPROMISED}",
        ),
        ("confidential", Terms(no_training=True), None),
        (
            "restricted",
            Terms(no_training=True, retention_days=30),
            f"A restricted request needs zero data retention and a data processing agreement; {UNPROMISED}",
        ),
        ("restricted", BEST, None),
    ],
)
def test_a_class_says_which_terms_it_needs(name: str, terms: Terms, reason: str | None) -> None:
    assert why_not(name, terms) == reason


def test_what_is_unknown_is_not_promised() -> None:
    hospital = own_class("patient", 500, regions=("eu", "de"), baa=True, most_retention_days=7)
    assert why_not("patient", BEST, hospital) is None
    for lacking, words in (
        ({"regions": ()}, "processing in eu or de only"),
        ({"regions": ("eu", "us")}, "processing in eu or de only"),
        ({"retention_days": None}, "zero data retention"),
        ({"baa_reference": ""}, "a business associate agreement"),
    ):
        terms = Terms(**{name: getattr(BEST, name) for name in Terms.__struct_fields__} | lacking)
        assert words in (why_not("patient", terms, hospital) or "")


def test_terms_that_have_ended_promise_nothing() -> None:
    ended = Terms(no_training=True, ends_at=NOW)
    assert why_not("confidential", ended) == (
        "A confidential request needs no training on the data; "
        "the terms of credential openai-eu promise nothing any more: the contract has ended."
    )
    assert why_not("confidential", Terms(no_training=True, ends_at=NOW + 1)) is None
    assert why_not("internal", ended) is None


def test_restricted_never_runs_on_a_platform_credential_whatever_the_organization_sets() -> None:
    loosened = own_class("restricted", 1)
    assert why_not("restricted", BEST, loosened, owner=Owner.PLATFORM) == (
        "A restricted request never runs on a platform credential such as openai-eu."
    )
    assert why_not("secret", BEST, own_class("secret", 900), owner=Owner.PLATFORM) is not None
    assert why_not("confidential", BEST, owner=Owner.PLATFORM) is None


def test_the_sandbox_fits_every_class_because_what_it_is_sent_goes_nowhere() -> None:
    assert why_not("restricted", Terms(), owner=Owner.SANDBOX) is None


def test_an_organization_sets_what_a_built_in_class_asks_for_but_not_where_it_stands() -> None:
    classes = DataClasses([own_class("confidential", 999, regions=("eu",))])
    found = classes.get("confidential")
    assert found == DataClass(name="confidential", rank=300, requirement=Requirement(regions=("eu",)))


def test_a_class_asks_for_all_that_the_classes_below_it_ask_for() -> None:
    classes = DataClasses([own_class("patient", 350, baa=True, regions=("eu", "de"))])
    restricted = classes.get("restricted")
    assert restricted is not None
    assert restricted.requirement == Requirement(
        regions=("eu", "de"), most_retention_days=0, no_training=True, baa=True, dpa=True, own_key_only=True
    )


def test_regions_that_exclude_each_other_can_be_met_by_nobody() -> None:
    classes = DataClasses([own_class("swiss", 310, regions=("ch",)), own_class("american", 320, regions=("us",))])
    found = classes.get("american")
    assert found is not None
    assert found.requirement.regions == (NO_REGION,)
    assert why_not(
        "american", BEST, own_class("swiss", 310, regions=("ch",)), own_class("american", 320, regions=("us",))
    )


_REQUIREMENTS = st.builds(
    Requirement,
    regions=st.lists(st.sampled_from(["eu", "de", "us"]), max_size=3, unique=True).map(tuple),
    most_retention_days=st.none() | st.integers(0, 30),
    no_training=st.booleans(),
    baa=st.booleans(),
    dpa=st.booleans(),
    own_key_only=st.booleans(),
)
_TERMS = st.builds(
    Terms,
    regions=st.lists(st.sampled_from(["eu", "de", "us"]), max_size=3, unique=True).map(tuple),
    retention_days=st.none() | st.integers(0, 30),
    no_training=st.booleans(),
    baa_reference=st.sampled_from(["", "B"]),
    dpa_reference=st.sampled_from(["", "D"]),
    ends_at=st.sampled_from([None, NOW, NOW + 1]),
)
_OWN = st.lists(
    st.builds(
        DataClass,
        name=st.sampled_from(["public", "confidential", "restricted", "a", "b", "c"]),
        rank=st.integers(1, 1000),
        requirement=_REQUIREMENTS,
    ),
    max_size=6,
    unique_by=lambda one: one.name,
)


@given(_OWN, _TERMS, st.sampled_from(Owner))
def test_raising_a_requests_class_never_opens_what_was_closed(own: list[DataClass], terms: Terms, owner: Owner) -> None:
    classes, on = DataClasses(own), credential(terms=terms, owner=owner)
    closed = [classes.why_not(one, on, NOW) is not None for one in classes.ladder]
    assert closed == sorted(closed)


@given(_REQUIREMENTS, _REQUIREMENTS, _TERMS)
def test_both_requirements_are_met_exactly_where_each_is(one: Requirement, other: Requirement, terms: Terms) -> None:
    def met(requirement: Requirement) -> bool:
        found = DataClass(name="x", rank=1, requirement=requirement)
        return DataClasses().why_not(found, credential(terms=terms), NOW) is None

    assert met(both(one, other)) is (met(one) and met(other))
