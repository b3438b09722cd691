"""Writes the authorisation matrix anew: `python -m tests.attacks.regenerate_matrix`. The diff is for review."""

import asyncio
import tempfile
from pathlib import Path

import msgspec

from keystead.storage.sqlite import open_sqlite
from tests.fakes.clock import FakeClock
from tests.integration.admin.matrix import Matrix, observed
from tests.integration.admin.world import first_start, opened

MATRIX_FILE = Path(__file__).with_name("route_matrix.json")


async def observe(folder: Path) -> Matrix:
    """Start a deployment in `folder` and return its matrix."""
    clock = FakeClock()
    database = await open_sqlite(folder / "keystead.db", clock=clock)
    try:
        await database.migrate()
        return await observed(await opened(database, clock, await first_start(database, clock, folder)))
    finally:
        await database.close()


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        matrix = asyncio.run(observe(Path(folder)))
    MATRIX_FILE.write_bytes(msgspec.json.format(msgspec.json.encode(matrix), indent=2) + b"\n")
    print(f"{MATRIX_FILE}: {len(matrix)} routes")


if __name__ == "__main__":
    main()
