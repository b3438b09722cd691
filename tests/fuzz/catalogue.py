"""All targets."""

from typing import Final

from tests.fuzz import dialects, documents, edges, files, identities, objects, rooms, sessions
from tests.fuzz.target import Target

TARGETS: Final[tuple[Target, ...]] = (
    *dialects.targets(),
    *edges.targets(),
    *files.targets(),
    *objects.targets(),
    *sessions.targets(),
    *documents.targets(),
    *identities.targets(),
    *rooms.targets(),
)
