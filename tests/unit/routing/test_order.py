from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.routes import ModelRoute, RouteAttempt, Strategy
from keystead.routing.order import EXPLORED_SHARE, ordered


def attempt(name: str, weight: int = 1) -> RouteAttempt:
    return RouteAttempt(credential_id=CredentialId(f"crd_{name}"), model=name, weight=weight)


def route(strategy: Strategy, *attempts: RouteAttempt, sticky: bool = False, identifier: str = "route_1") -> ModelRoute:
    return ModelRoute(
        id=identifier,
        organization_id=OrganizationId("org_1"),
        name="coding",
        strategy=strategy,
        sticky=sticky,
        attempts=attempts,
    )


def names(
    tried: ModelRoute,
    *,
    draw: float = 0.5,
    affinity: str = "vk_1",
    prices: Mapping[str, Decimal | int] | None = None,
    latencies: Mapping[str, int] | None = None,
) -> list[str]:
    """The models of the attempts, in the order in which they are tried."""
    found = ordered(
        tried,
        affinity=affinity,
        draw=draw,
        price_of=lambda attempt: (prices or {}).get(attempt.model),
        latency_of=lambda attempt: (latencies or {}).get(attempt.model),
    )
    return [attempt.model for attempt in found]


A, B, C = attempt("a"), attempt("b"), attempt("c")


def test_an_ordered_route_is_tried_as_written() -> None:
    assert names(route("ordered", B, A, C), prices={"a": 1}, latencies={"a": 1}) == ["b", "a", "c"]


def test_the_cheapest_is_first_and_what_has_no_price_last() -> None:
    prices = {"b": Decimal("0.3"), "c": Decimal("0.2")}
    assert names(route("cheapest", A, B, C), prices=prices) == ["c", "b", "a"]


def test_equal_prices_stay_as_written() -> None:
    assert names(route("cheapest", C, A, B), prices={"a": 1, "b": 1, "c": 1}) == ["c", "a", "b"]


def test_the_fastest_is_first_and_what_was_not_measured_last() -> None:
    assert names(route("fastest", A, B, C), latencies={"b": 300, "c": 200}) == ["c", "b", "a"]


def test_now_and_then_what_was_not_measured_is_first_so_that_it_gets_measured() -> None:
    tried = route("fastest", A, B, C)
    latencies = {"b": 300, "c": 200}
    assert names(tried, latencies=latencies, draw=EXPLORED_SHARE / 2) == ["a", "c", "b"]
    assert names(tried, latencies=latencies, draw=EXPLORED_SHARE) == ["c", "b", "a"]


def test_a_route_of_which_nothing_is_measured_is_tried_as_written() -> None:
    assert names(route("fastest", B, C, A)) == names(route("fastest", B, C, A), draw=0.0) == ["b", "c", "a"]


def test_each_attempt_is_first_in_its_share_of_the_draws() -> None:
    tried = route("weighted", attempt("a", 1), attempt("b", 3), attempt("c", 6))
    first = Counter(names(tried, draw=step / 10_000)[0] for step in range(10_000))
    assert first == {"a": 1_000, "b": 3_000, "c": 6_000}


def test_who_falls_back_is_spread_by_the_same_shares() -> None:
    tried = route("weighted", attempt("a", 1), attempt("b", 3), attempt("c", 6))
    orders = Counter(tuple(names(tried, draw=step / 10_000)) for step in range(10_000))
    assert orders["c", "a", "b"] == pytest.approx(1_500, abs=5)
    assert orders["c", "b", "a"] == pytest.approx(4_500, abs=5)


def test_a_sticky_route_keeps_each_keys_order_whatever_is_drawn() -> None:
    tried = route("weighted", attempt("a", 1), attempt("b", 3), attempt("c", 6), sticky=True)
    for key in range(50):
        assert len({tuple(names(tried, affinity=f"vk_{key}", draw=draw / 10)) for draw in range(10)}) == 1


def test_a_sticky_route_spreads_keys_by_weight() -> None:
    tried = route("weighted", attempt("a", 1), attempt("b", 3), attempt("c", 6), sticky=True)
    first = Counter(names(tried, affinity=f"vk_{key}")[0] for key in range(5_000))
    assert first["a"] == pytest.approx(500, rel=0.2)
    assert first["b"] == pytest.approx(1_500, rel=0.1)
    assert first["c"] == pytest.approx(3_000, rel=0.1)


def test_a_key_is_not_first_everywhere_because_it_is_first_somewhere() -> None:
    pairs = Counter(
        tuple(
            names(route("weighted", A, B, sticky=True, identifier=identifier), affinity=f"vk_{key}")[0]
            for identifier in ("route_1", "route_2")
        )
        for key in range(2_000)
    )
    assert all(count == pytest.approx(500, rel=0.2) for count in pairs.values())
    assert len(pairs) == 4


def test_a_sticky_order_is_the_same_in_every_process_and_release() -> None:
    tried = route("weighted", A, B, C, sticky=True)
    assert [names(tried, affinity=f"vk_{key}") for key in range(3)] == [
        ["a", "b", "c"],
        ["c", "a", "b"],
        ["c", "b", "a"],
    ]


attempts = st.lists(
    st.builds(attempt, st.text("abcdef", min_size=1, max_size=2), st.integers(1, 1000)), min_size=1, max_size=16
)
figures = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(0, 10**9))


@given(
    attempts=attempts,
    strategy=st.sampled_from(["ordered", "weighted", "cheapest", "fastest"]),
    sticky=st.booleans(),
    draw=st.floats(0, 1, exclude_max=True),
    affinity=st.text(max_size=40),
    figures=figures,
)
def test_an_order_is_always_all_of_the_attempts(
    attempts: list[RouteAttempt],
    strategy: Strategy,
    draw: float,
    affinity: str,
    figures: dict[str, int],
    *,
    sticky: bool,
) -> None:
    tried = route(strategy, *attempts, sticky=sticky)
    found = ordered(
        tried,
        affinity=affinity,
        draw=draw,
        price_of=lambda attempt: figures.get(attempt.model),
        latency_of=lambda attempt: figures.get(attempt.model),
    )
    assert Counter(map(repr, found)) == Counter(map(repr, attempts))
