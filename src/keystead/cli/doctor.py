"""`keystead doctor`: looks at this machine, then asks the gateway about itself."""

import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import click
import msgspec

from keystead.cli.output import Column, local, table, write
from keystead.cli.problem import CommandError
from keystead.cli.session import TOKEN_FILE, Session, connected, default_url, settings
from keystead.settings import SETTINGS, Settings

State = Literal["ok", "warning", "failure"]

_SQLITE_FILE: Final = "keystead.db"
_WELL: Final = frozenset({"ok", "waiting"})
"""States of a job with which nothing is wrong."""
_WORDS: Final = {"ok": "ok", "warning": "WARNING", "failure": "FAILURE"}
_SQLITE_MAGIC: Final = b"SQLite format 3\x00"
_LITTLE_SPACE: Final = 1024**3
"""Less free space than this is worth a warning: a full disk stops the record, and with it the gateway."""

_COLUMNS = (
    Column("where", lambda item: item["where"]),
    Column("what", lambda item: item["name"].replace("_", " ")),
    Column("state", lambda item: _WORDS[item["state"]]),
    Column("found", lambda item: " ".join(part for part in (item["message"], item["next_step"]) if part)),
)
_SETTINGS = (
    Column("variable", lambda item: item["variable"]),
    Column("default", lambda item: item["default"] or "(empty)"),
    Column("what", lambda item: item["help"]),
)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    where: Literal["this machine", "gateway"]
    name: str
    state: State
    message: str
    next_step: str = ""


@click.command("doctor")
@click.option("--settings", "list_settings", is_flag=True, help="List every setting instead.")
@connected
def command(session: Session, *, list_settings: bool) -> None:
    """Look for what is wrong: on this machine, and in the gateway if it runs. Exit code 1 if something is."""
    if list_settings:
        rows = [{"variable": row.variable, "default": row.default, "help": row.help} for row in SETTINGS]
        write(session, rows, lambda: table(rows, _SETTINGS, empty=""))
        return
    here = settings()
    is_here = not session.url
    found = [*(look_here(here) if is_here else ()), *look_there(session, here)]
    items = [msgspec.to_builtins(one) for one in found]
    write(session, items, lambda: table(items, _COLUMNS, empty=""))
    if any(one.state == "failure" for one in found):
        raise click.exceptions.Exit(1)


def look_here(here: Settings) -> Iterator[Found]:
    """Look at what a gateway on this machine needs."""
    yield _here("settings", "ok", "Every KEYSTEAD_… variable is valid.")
    if not here.home.is_dir():
        yield _here(
            "home", "warning", f"{here.home} does not exist.", "`keystead serve` makes it; or set KEYSTEAD_HOME."
        )
        return
    yield _private("home", here.home, otherwise="warning")
    yield _private("root_key", here.kek_file, otherwise="failure")
    yield _private("admin_token", here.home / TOKEN_FILE, otherwise="failure")
    yield _database(here)
    yield _space(here.home)


def look_there(session: Session, here: Settings) -> Iterator[Found]:
    """Ask the gateway."""
    url = session.url or default_url(here)
    try:
        answer = session.client().get("doctor")
    except CommandError as error:
        if error.fault == "policy":
            yield Found(where="gateway", name="answer", state="ok", message=f"It answers at {url}. {error.message}")
            return
        yield Found(where="gateway", name="answer", state="failure", message=error.message, next_step=error.next_step)
        return
    yield Found(where="gateway", name="answer", state="ok", message=f"Keystead {answer['version']} at {url}.")
    for check in answer["checks"]:
        yield Found(where="gateway", **check)
    for job in answer["jobs"]:
        yield _job(job)


def _job(job: Mapping[str, Any]) -> Found:
    """Say how work in the background goes; that something is wrong with it, the gateway's own check has said."""
    last = f"last done {local(job['done_at'])}" if job["done_at"] else "not done yet"
    failed = f", failed {job['failures']} times in a row" if job["failures"] else ""
    return Found(
        where="gateway",
        name=f"job {job['name']}",
        state="ok" if job["state"] in _WELL else "warning",
        message=f"{job['state'].capitalize()}: every {job['every_s']:g} s, {last}{failed}.",
    )


def _private(name: str, path: Path, *, otherwise: State) -> Found:
    """Say whether `path` is there and for its owner alone."""
    try:
        found = path.stat()
    except OSError as error:
        return _here(name, otherwise, f"{path} cannot be read: {error.strerror}.", "Bring it back from its backup.")
    mode = stat.S_IMODE(found.st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        wanted = "700" if stat.S_ISDIR(found.st_mode) else "600"
        return _here(name, otherwise, f"Others can get at {path} (mode {mode:o}).", f"Run `chmod {wanted} {path}`.")
    return _here(name, "ok", f"{path}, for its owner alone.")


def _database(here: Settings) -> Found:
    """Look at the SQLite file; PostgreSQL is the gateway's to look at."""
    if here.database_url:
        return _here("database", "ok", "PostgreSQL, by KEYSTEAD_DATABASE_URL.")
    path = here.home / _SQLITE_FILE
    try:
        with path.open("rb") as file:
            magic = file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        return _here(
            "database",
            "failure",
            f"{path} cannot be read: {error.strerror}.",
            "Bring it back from its backup, or start the gateway to make a new, empty one.",
        )
    if magic != _SQLITE_MAGIC:
        return _here("database", "failure", f"{path} is not a SQLite database.", "Bring it back from its backup.")
    return _here("database", "ok", f"{path}, {path.stat().st_size:,} bytes.")


def _space(home: Path) -> Found:
    free = shutil.disk_usage(home).free
    if free < _LITTLE_SPACE:
        return _here("disk", "warning", f"{free:,} bytes free.", "Make room: without a record there is no request.")
    return _here("disk", "ok", f"{free // 1024**3:,} GiB free.")


def _here(name: str, state: State, message: str, next_step: str = "") -> Found:
    return Found(where="this machine", name=name, state=state, message=message, next_step=next_step)
