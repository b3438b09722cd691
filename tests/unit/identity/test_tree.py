"""The tree of teams stays a tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import TeamId
from keystead.identity.tree import DEEPEST, TeamTree


def tree(**parents: str | None) -> TeamTree:
    return TeamTree({TeamId(team): None if parent is None else TeamId(parent) for team, parent in parents.items()})


FAMILY = tree(a=None, b="a", c="b", d="a", e=None)


def test_a_chain_leads_to_the_top() -> None:
    assert FAMILY.chain(TeamId("c")) == ("c", "b", "a")
    assert FAMILY.chain(TeamId("a")) == ("a",)


def test_below_a_team_are_it_and_all_that_stands_under_it() -> None:
    assert FAMILY.below(TeamId("a")) == {"a", "b", "c", "d"}
    assert FAMILY.below(TeamId("e")) == {"e"}


@pytest.mark.parametrize(("team", "parent"), [("a", "a"), ("a", "c"), ("b", "c")])
def test_a_team_is_never_its_own_ancestor(team: str, parent: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        FAMILY.check_place(TeamId(parent), TeamId(team))
    assert (refused.value.code, refused.value.param) == ("team_cycle", "parent")


def test_a_tree_has_a_greatest_depth_which_counts_what_moves_along() -> None:
    names = [TeamId(f"t{number}") for number in range(DEEPEST - 1)]
    parents = dict(zip(names, [None, *names[:-1]], strict=True))
    line = TeamTree(parents | {TeamId("x"): None, TeamId("y"): TeamId("x")})
    line.check_place(names[-1])
    line.check_place(names[-2], TeamId("x"))
    for parent, team in ((names[-1], TeamId("x")), (names[-1], names[-1])):
        with pytest.raises(InvalidRequestError):
            line.check_place(parent, team)


def test_what_is_broken_already_is_walked_to_its_end() -> None:
    circle = tree(a="b", b="a")
    assert circle.chain(TeamId("a")) == ("a", "b")
    assert circle.below(TeamId("a")) == {"a", "b"}


@given(moves=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60))
def test_no_sequence_of_allowed_moves_closes_a_circle(moves: list[tuple[int, int]]) -> None:
    parents: dict[TeamId, TeamId | None] = {TeamId(str(number)): None for number in range(10)}
    for team, parent in ((TeamId(str(team)), TeamId(str(parent))) for team, parent in moves):
        try:
            TeamTree(parents).check_place(parent, team)
        except InvalidRequestError:
            continue
        parents[team] = parent
    now = TeamTree(parents)
    for team in parents:
        assert parents[now.chain(team)[-1]] is None, "every chain ends at the top"
        assert {other for other in parents if team in now.chain(other)} == now.below(team)
