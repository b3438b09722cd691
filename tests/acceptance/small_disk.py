"""Disks of a few megabytes, each a file system of its own that a test can really fill."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest


class SmallDisk(msgspec.Struct, frozen=True):
    """A disk that holds `folder` and nothing else."""

    folder: Path

    async def fill(self) -> None:
        """Take all the room that is left."""
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    async def free(self) -> None:
        """Give it back."""
        self._filler.unlink()

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"


@contextlib.contextmanager
def small_disk_at(folder: Path, *, megabytes: int, mode: int) -> Iterator[SmallDisk]:
    """Mount a disk at `folder`, or skip the test where that is not allowed."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode={mode:o}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
