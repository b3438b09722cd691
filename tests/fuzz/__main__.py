"""`make fuzz`: inputs that are almost right, for everything that reads foreign bytes.

    python -m tests.fuzz [--minutes M] [--first N] [TARGET …]
    python -m tests.fuzz --show TARGET NUMBER

The inputs of a target are numbered, and a number always names the same input; so a find is told by its target and its
number, and made as small as it can be.
"""

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Final

import structlog

from tests.fuzz import growth
from tests.fuzz.catalogue import TARGETS
from tests.fuzz.finds import Find, Finds
from tests.fuzz.target import Target

_FOLDER: Final = Path("var/fuzz")
_ROUND_S: Final = 1.0
"""How long one target is tried before the next has its turn."""


def main() -> None:
    """Try what was asked for; end with 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help="words that a target's name must hold; default: all")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--first", type=int, default=0, help="the number of the first input; default: 0")
    parser.add_argument("--show", type=int, metavar="NUMBER", help="write one input to standard output instead")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the parser of forms tells of each that is malformed
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chosen = [each for each in TARGETS if not asked.target or any(word in each.name for word in asked.target)]
    if not chosen:
        parser.error("no target has such a name")
    if asked.show is not None:
        sys.stdout.buffer.write(chosen[0].case(asked.show))
    else:
        sys.exit(1 if _try_all(chosen, first=asked.first, seconds=asked.minutes * 60) else 0)


def _try_all(targets: list[Target], *, first: int, seconds: float) -> bool:
    """Try all targets in turn; return whether anything was found."""
    grown = growth.too_fast()
    for name, words in grown:
        print(f"grows too fast: {name}: {words}", flush=True)
    finds = Finds(_FOLDER)
    numbers = {target.name: first for target in targets}
    spent = dict.fromkeys(numbers, 0.0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for target in targets:
            started = time.monotonic()
            while (now := time.monotonic()) < min(started + _ROUND_S, end):
                number = numbers[target.name]
                numbers[target.name] += 1
                if (find := finds.tried(target, target.case(number), number)) is not None:
                    _tell(find)
            spent[target.name] += now - started
    print("\n| target | executions | per second | finds |\n| --- | ---: | ---: | ---: |")
    for target in targets:
        count = numbers[target.name] - first
        rate = count / spent[target.name] if spent[target.name] else 0
        print(f"| {target.name} | {count:,} | {rate:,.0f} | {finds.count(target)} |")
    total = sum(numbers.values()) - first * len(targets)
    print(f"\n{total:,} executions, {finds.total} finds, {len(grown)} that grow faster than their input.")
    return bool(finds.total or grown)


def _tell(find: Find) -> None:
    print(f"\nFOUND {find.target} number {find.number}: {find.words}\n  {find.file}\n{find.where}", flush=True)


if __name__ == "__main__":
    main()
