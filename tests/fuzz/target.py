"""What a target of the fuzzer is."""

import random
from collections.abc import Callable, Sequence
from functools import cached_property
from zlib import crc32

from tests.fuzz.mutation import Mutator, Shape, pieces


class Target:
    """A parser of foreign bytes, with what must hold for any of them.

    `check` returns if everything holds; whatever it raises is a find.
    """

    def __init__(self, name: str, shape: Shape, seeds: Callable[[], Sequence[bytes]], check: Callable[[bytes], None]):
        self.name = name
        self.shape = shape
        self.check = check
        self._make_seeds = seeds

    @cached_property
    def seeds(self) -> Sequence[bytes]:
        """What mutation begins with."""
        return [seed for seed in self._make_seeds() if seed]

    def case(self, number: int) -> bytes:
        """Return the input that `number` names."""
        chance = random.Random(f"{self.name} {number}")
        return Mutator(chance, self.seeds).change(chance.choice(self.seeds), self.shape)


def chance_of(data: bytes) -> random.Random:
    """Return a chance that is the same for the same bytes."""
    return random.Random(crc32(data))


def chopped(data: bytes) -> list[bytes]:
    """Return the bytes cut anywhere, always in the same way."""
    return pieces(data, chance_of(data))
