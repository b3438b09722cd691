"""How the deployment is, check by check, for `keystead doctor`. It names nothing of any organization."""

import stat
from typing import Final

from keystead.domain.clock import Clock
from keystead.domain.errors import KeysteadError
from keystead.gateway.snapshot import Snapshot
from keystead.settings import Settings
from keystead.storage import row_security
from keystead.storage.database import Database, Journal
from keystead.web.admin.rooms import Check, Health

_BACKLOG_WARNING: Final = 1_000
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


async def check_health(
    *, version: str, settings: Settings, database: Database, snapshot: Snapshot, clock: Clock
) -> Health:
    """Look at everything that can be wrong with a deployment."""
    return Health(
        version=version,
        checks=(
            _journal(database.journal),
            *await _database(database),
            _root_key(settings),
            _listening(settings),
            _egress(settings),
            _snapshot(snapshot, clock),
            _prices(snapshot),
        ),
    )


def _journal(journal: Journal) -> Check:
    backlog = journal.backlog()
    if not journal.healthy():
        return Check(
            name="record",
            state="failure",
            message=f"The database does not take records; {backlog} wait in memory. New requests are refused.",
            next_step="Mend the database or the disk; what waits is then written.",
        )
    if backlog > _BACKLOG_WARNING:
        return Check(name="record", state="warning", message=f"{backlog} records wait to be written.")
    return Check(name="record", state="ok", message="Every request is recorded before it is sent.")


async def _database(database: Database) -> tuple[Check, ...]:
    try:
        async with database.read() as conn:
            enforced = database.engine_name != "postgresql" or await row_security.is_enforced(conn)
    except KeysteadError as error:
        return (Check(name="database", state="failure", message=error.message, next_step=error.next_step),)
    answers = Check(name="database", state="ok", message=f"{database.engine_name}, schema current")
    return (answers, _isolation(database.engine_name, enforced=enforced))


def _isolation(engine: str, *, enforced: bool) -> Check:
    if not enforced:
        return Check(
            name="isolation",
            state="warning",
            message="The database role bypasses row-level security: every statement names its organization, and nothing "
            "stands behind that.",
            next_step="Connect as the owner of the schema, a role that is neither superuser nor has BYPASSRLS.",
        )
    behind = ", and row-level security stands behind that" if engine == "postgresql" else ""
    return Check(name="isolation", state="ok", message=f"Every statement names its organization{behind}.")


def _root_key(settings: Settings) -> Check:
    path = settings.kek_file
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return Check(
            name="root_key",
            state="failure",
            message=f"{path} cannot be read.",
            next_step="Put the file back from its backup before the process restarts.",
        )
    if mode & 0o077:
        return Check(
            name="root_key", state="failure", message=f"{path} is readable by others.", next_step=f"chmod 600 {path}"
        )
    return Check(name="root_key", state="ok", message=f"{path}, readable by its owner alone.")


def _listening(settings: Settings) -> Check:
    if settings.host in _LOOPBACK:
        return Check(name="listening", state="ok", message=f"{settings.host}:{settings.port}, this machine only.")
    return Check(
        name="listening",
        state="warning",
        message=f"{settings.host}:{settings.port} is reachable from other machines, without TLS of its own.",
        next_step="Put a TLS proxy in front and set KEYSTEAD_HOSTS to the names it serves.",
    )


def _egress(settings: Settings) -> Check:
    allowed = ", ".join(settings.egress_allow)
    message = f"Private endpoints allowed: {allowed}." if allowed else "Public providers only."
    return Check(name="egress", state="ok", message=message)


def _snapshot(snapshot: Snapshot, clock: Clock) -> Check:
    age_s = (clock.now_us() - snapshot.compiled_at) // 1_000_000
    return Check(name="snapshot", state="ok", message=f"Revision {snapshot.revision}, compiled {age_s} s ago.")


def _prices(snapshot: Snapshot) -> Check:
    return Check(name="prices", state="ok", message=f"Price list {snapshot.price_book.catalogue.price_list.version}.")
