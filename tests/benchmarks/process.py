"""Processes under test: started on a core of their own, read from /proc, ended by their own id."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class NotStartedError(Exception):
    """A process under test did not come up; the message holds the end of its output."""


def cores() -> tuple[set[int], set[int]]:
    """Return the core of the proxy under test, and the cores of everything else (the same one if there is no other)."""
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def on_cores(wanted: set[int]) -> Iterator[None]:
    """Run the block, and what it starts, on `wanted`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def started(
    command: Sequence[str | Path],
    *,
    port: int,
    log: Path,
    where: set[int],
    environment: Mapping[str, str] | None = None,
    ready_within_s: float = 30,
) -> Iterator[int]:
    """Start `command` on the cores `where`, wait until it accepts on `port`, lend its pid, and end it."""
    with log.open("wb") as output, on_cores(where):
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=dict(environment) if environment is not None else None,
            start_new_session=True,
        )
    try:
        _await_port(process, port, log, ready_within_s)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise NotStartedError(log.read_text(errors="replace")[-2000:])


def family(pid: int) -> list[int]:
    """Return `pid` and all its living descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents.items() if its_parent == parent]
    return found


def cpu_us(pid: int) -> int:
    """Return the CPU time of `pid` and its descendants, user and system, ended children included."""
    ticks = 0
    for member in family(pid):
        if fields := _stat(member):
            ticks += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return ticks * 1_000_000 // TICKS_PER_S


def memory_bytes(pid: int) -> int:
    """Return the resident memory of `pid` and its descendants; a page that several share counts once in all."""
    total = 0
    for member in family(pid):
        try:
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the command's name, or nothing if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
