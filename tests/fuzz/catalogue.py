"""All targets."""

from typing import Final

from tests.fuzz import dialects, edges
from tests.fuzz.target import Target

TARGETS: Final[tuple[Target, ...]] = (*dialects.targets(), *edges.targets())
