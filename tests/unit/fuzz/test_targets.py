"""The first inputs of each target of `make fuzz`: nothing breaks that was mended, and the fuzzer itself works."""

import pytest

from tests.fuzz.catalogue import TARGETS
from tests.fuzz.target import Target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_breaks_on_what_is_almost_right(target: Target) -> None:
    for seed in target.seeds:
        target.check(seed)
    for number in range(25):
        target.check(target.case(number))


def test_a_number_names_an_input() -> None:
    assert TARGETS[0].case(7) == TARGETS[0].case(7) != TARGETS[0].case(8)
