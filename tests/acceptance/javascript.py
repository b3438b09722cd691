"""Node, with the locked packages of tests/acceptance/js, installed on first use."""

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).parent / "js"
INSTALL_S: Final = 240
RUN_S: Final = 60


def installed_node() -> str:
    """Return the node program, once the packages are there; skip the test where there is no node."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.skip("node and npm are not installed here")
    locked = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    installed = FOLDER / "node_modules" / ".locked"
    with (FOLDER / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes beside this one install into the same folder
        if not installed.exists() or installed.read_text() != locked:
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_S, check=False)
            assert done.returncode == 0, f"npm ci failed:\n{done.stderr}"
            installed.write_text(locked)
    return program


async def run(node: str, *arguments: str, **environment: str) -> str:
    """Run node in the folder of the packages to its end; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        node,
        *arguments,
        cwd=FOLDER,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RUN_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return out.decode()
