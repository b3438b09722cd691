"""Every client."""

from collections.abc import Mapping
from typing import Final

from keystead.connect.client import Client
from keystead.connect.libraries import LIBRARIES
from keystead.connect.programs import PROGRAMS

CLIENTS: Final[Mapping[str, Client]] = {row.name: row for row in (*PROGRAMS, *LIBRARIES)}
LAUNCHED: Final[Mapping[str, Client]] = {row.program: row for row in PROGRAMS if row.launch is not None}
"""By the program's name."""
