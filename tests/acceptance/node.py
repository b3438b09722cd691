"""Node, with the locked packages of `tests/acceptance/js` installed."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "js"
INSTALL_S = 300


@pytest.fixture(scope="session")
def node() -> str:
    """The node program, with the locked packages installed in `FOLDER`."""
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
