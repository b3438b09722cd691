"""Whatever takes foreign text or bytes apart is run by a target of the fuzzer, or it is said why not."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.catalogue import TARGETS
from tests.fuzz.readers import readers, run_by

_PAGE: Final = Path(__file__).parents[3] / "docs/explanation/fuzzing.md"
_ROW: Final = re.compile(r"^\| `([a-z_.]+)` \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def run() -> Mapping[str, frozenset[str]]:
    return {target.name: run_by(target) for target in TARGETS}


@pytest.fixture(scope="module")
def told() -> Mapping[str, str]:
    """What the page says of each module."""
    return dict(_ROW.findall(_PAGE.read_text()))


def test_the_page_names_every_reader_and_nothing_else(told: Mapping[str, str]) -> None:
    assert told.keys() == readers()


def test_a_reader_is_run_by_the_targets_that_the_page_names(
    run: Mapping[str, frozenset[str]], told: Mapping[str, str]
) -> None:
    for module, words in told.items():
        targets = re.findall(r"`([^`]+)`", words)
        assert all(module in run[name] for name in targets), module


def test_a_reader_that_the_page_excuses_is_run_by_no_target(
    run: Mapping[str, frozenset[str]], told: Mapping[str, str]
) -> None:
    excused = {module for module, words in told.items() if "`" not in words}
    assert not excused & frozenset().union(*run.values())
