"""`keystead demo seed` in a terminal: how far it is, and what is left when somebody stops it."""

import asyncio
import os
import pty
import re
import signal
import sys
from pathlib import Path

from sqlalchemy import func, select

from keystead.domain.clock import SystemClock
from keystead.ledger.books import trial_balance
from keystead.storage.engine import open_database
from keystead.storage.schema import attempts, organizations, requests

# Whoever runs the tests in the background has told them, and so their children, not to hear of Ctrl-C.
_HEARING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
PROGRAM = (sys.executable, "-c", f"{_HEARING}; from keystead.cli import main; main()", "demo")
NAME = "It's a demo"
ENDS_S = 120
_FAR = re.compile(r"([0-9]+)/200000")


async def test_it_shows_how_far_it_is_and_stopped_leaves_what_is_whole_and_can_be_taken_away(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {
        "PATH": os.environ["PATH"],
        "KEYSTEAD_HOME": str(tmp_path / "home"),
        "TERM": "xterm",
        "COLUMNS": "100",
    }
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "seed",
        "--organization",
        NAME,
        "--requests",
        "200000",
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = _Seen(ours)
    asyncio.get_running_loop().add_reader(ours, seen.read)
    try:
        async with asyncio.timeout(ENDS_S):
            await seen.far.wait()
            process.send_signal(signal.SIGINT)
            status = await process.wait()
            await seen.ended.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
    assert status == 1
    assert "Requests" in seen.text
    assert "Stopped. What was written until then is whole." in seen.text
    assert "keystead demo remove --organization" in seen.text
    assert await _kept(tmp_path / "home") > 0
    removed = await asyncio.create_subprocess_exec(
        *PROGRAM, "remove", "--organization", NAME, "--yes", env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await removed.communicate()
    assert f"{NAME} is gone" in out.decode()
    assert await _kept(tmp_path / "home") == 0


class _Seen:
    """What a terminal showed."""

    def __init__(self, end: int) -> None:
        self.text = ""
        self.far = asyncio.Event()
        """Set when some of the requests are written."""
        self.ended = asyncio.Event()
        self._end = end

    def read(self) -> None:
        try:
            part = os.read(self._end, 65_536)
        except OSError:  # Linux's word for a terminal whose other end is closed
            part = b""
        if not part:
            asyncio.get_running_loop().remove_reader(self._end)
            self.ended.set()
            return
        self.text += part.decode(errors="replace")
        if any(int(done) > 0 for done in _FAR.findall(self.text)):
            self.far.set()


async def _kept(home: Path) -> int:
    """Return how many requests of the demonstration there are; nothing is half there."""
    database = await open_database(database_url="", home=home, clock=SystemClock())
    try:
        async with database.read() as conn:
            assert (await trial_balance(conn)).agrees
            known = (await conn.execute(select(organizations.c.id).where(organizations.c.name == NAME))).scalars().all()
            ended = await conn.execute(
                select(func.count(), func.count(requests.c.finished_at)).where(requests.c.organization_id.in_(known))
            )
            count, finished = ended.one()
            assert count == finished
            orphans = select(func.count()).where(attempts.c.request_id.not_in(select(requests.c.id)))
            assert (await conn.execute(orphans)).scalar_one() == 0
            return int(count)
    finally:
        await database.close()
