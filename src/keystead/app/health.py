"""How the deployment is, check by check, for `keystead doctor` and the console. It names nothing of any organization."""

import platform
import stat
from collections.abc import Iterable
from datetime import date
from typing import Final

import msgspec

from keystead.domain.clock import Clock, utc
from keystead.domain.errors import KeysteadError
from keystead.gateway.snapshot import Snapshot
from keystead.gateway.tasks import Rounds
from keystead.limits.rates import Rates
from keystead.settings import Settings
from keystead.storage import migrations, row_security
from keystead.storage.database import Database, Journal
from keystead.storage.engine_facts import EngineFacts, engine_facts
from keystead.vault.keyring import DEPLOYMENT, Keyring
from keystead.web.admin.rooms import Check, Health, Job, JobState

_BACKLOG_WARNING: Final = 1_000
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_STALE_SNAPSHOT_ROUNDS: Final = 40
"""Missed polls, ten seconds' worth: what was revoked elsewhere may still be in use here."""
_LATE_ROUNDS: Final = 3
_PATIENCE_US: Final = 60_000_000
"""A round that takes a minute longer than it should is not late yet."""
_CLOCKS_US: Final = 1_000_000
_OLD_DAYS: Final = 120


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at, as one process of it knows it."""

    version: str
    settings: Settings
    database: Database
    keyring: Keyring
    rates: Rates
    snapshot: Snapshot
    rounds: tuple[Rounds, ...]
    """Its background work."""
    processes: int
    """That live now, this one too."""
    started_at: int
    notices_to: str
    """The origin that alerts are sent to; empty: nowhere."""
    clock: Clock


async def check_health(looked_at: Deployment) -> Health:
    """Look at everything that can be wrong with a deployment."""
    settings, now = looked_at.settings, looked_at.clock.now_us()
    jobs = tuple(_job(one, now) for one in looked_at.rounds)
    return Health(
        version=looked_at.version,
        python=platform.python_version(),
        started_at=utc(looked_at.started_at),
        now=utc(now),
        processes=looked_at.processes,
        checks=(
            _journal(looked_at.database.journal),
            *await _database(looked_at.database, looked_at.clock),
            _root_key(settings),
            await _vault(looked_at.keyring),
            await _counters(looked_at.rates),
            _background(jobs),
            _snapshot(looked_at),
            _prices(looked_at.snapshot, now),
            _notices(looked_at.notices_to),
            _listening(settings),
            _egress(settings),
        ),
        jobs=jobs,
    )


def _journal(journal: Journal) -> Check:
    backlog, dropped = journal.backlog(), journal.dropped()
    if not journal.healthy():
        return Check(
            name="record",
            state="failure",
            message=f"The database does not take records; {backlog} wait in memory. New requests are refused.",
            next_step="Mend the database or the disk; what waits is then written.",
        )
    if dropped:
        return Check(
            name="record",
            state="warning",
            message=f"{dropped} records could not be written and were given up since this process started.",
            next_step="The log says why, under `record not writable` or `records not written`.",
        )
    if backlog > _BACKLOG_WARNING:
        return Check(
            name="record",
            state="warning",
            message=f"{backlog} records wait to be written.",
            next_step="The database is slower than the traffic: look at its disk and its load.",
        )
    waiting = f"{backlog} wait to be written" if backlog else "nothing waits"
    return Check(name="record", state="ok", message=f"Every request is recorded before it is sent; {waiting}.")


async def _database(database: Database, clock: Clock) -> tuple[Check, ...]:
    try:
        async with database.read() as conn:
            facts = await engine_facts(conn, database.engine_name)
            enforced = database.engine_name != "postgresql" or await row_security.is_enforced(conn)
            now_us = clock.now_us()
    except KeysteadError as error:
        return (Check(name="database", state="failure", message=error.message, next_step=error.next_step),)
    return (
        _schema(database.engine_name, facts),
        _isolation(database.engine_name, enforced=enforced),
        _clocks(facts, now_us),
    )


def _schema(engine: str, facts: EngineFacts) -> Check:
    named = f"{'PostgreSQL' if engine == 'postgresql' else 'SQLite'} {facts.version}"
    if facts.schema == migrations.HEAD:
        return Check(
            name="database", state="ok", message=f"{named}, schema {facts.schema}, the newest of this version."
        )
    return Check(
        name="database",
        state="warning",
        message=f"{named}, schema {facts.schema}; this version of Keystead was made for {migrations.HEAD}.",
        next_step="Another version migrated it meanwhile: bring this process to that one, too.",
    )


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


def _clocks(facts: EngineFacts, now_us: int) -> Check:
    if facts.now_us is None:
        return Check(name="clock", state="ok", message="The database goes by this machine's clock.")
    apart_us = abs(facts.now_us - now_us)
    if apart_us < _CLOCKS_US:
        return Check(name="clock", state="ok", message=f"{apart_us // 1000} ms from the database's.")
    return Check(
        name="clock",
        state="warning",
        message=f"{apart_us / 1_000_000:.1f} s from the database's: limits and expiries are off by as much.",
        next_step="Let NTP keep both machines' clocks.",
    )


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


async def _vault(keyring: Keyring) -> Check:
    try:
        versions = await keyring.root_keys(DEPLOYMENT)
    except KeysteadError as error:
        return Check(
            name="vault",
            state="failure",
            message=error.message,
            next_step="Put the key file that sealed this database back: without it no credential opens.",
        )
    return Check(name="vault", state="ok", message=f"What is sealed opens; root key version {max(versions)}.")


async def _counters(rates: Rates) -> Check:
    answers = await rates.shared_counters_answer()
    if answers is None:
        return Check(
            name="rate_limits",
            state="ok",
            message="Counted in each process, by its share of every limit; without Redis.",
        )
    if answers:
        return Check(name="rate_limits", state="ok", message="Counted in Redis, for all processes together.")
    return Check(
        name="rate_limits",
        state="warning",
        message="Redis does not answer. Each process holds its share of every limit meanwhile: nobody gets more.",
        next_step="Look at Redis and at KEYSTEAD_REDIS_URL; counting goes back to it by itself.",
    )


def _background(jobs: Iterable[Job]) -> Check:
    wrong = [f"{job.name} ({job.state})" for job in jobs if job.state in {"failing", "late"}]
    if not wrong:
        return Check(name="background_work", state="ok", message="Every job's last round went well, and in time.")
    return Check(
        name="background_work",
        state="warning",
        message=f"Not as it should be: {', '.join(wrong)}.",
        next_step="Look for background_round_failed in the log: it holds the reason. It is tried again by itself.",
    )


def _job(rounds: Rounds, now_us: int) -> Job:
    late_us = _LATE_ROUNDS * int(rounds.every_s * 1_000_000) + _PATIENCE_US
    state: JobState = "ok"
    if rounds.failures:
        state = "failing"
    elif now_us - (rounds.done_at or rounds.begun_at) > late_us:
        state = "late"
    elif rounds.done_at is None:
        state = "waiting"
    return Job(
        name=rounds.name,
        state=state,
        every_s=rounds.every_s,
        done_at=None if rounds.done_at is None else utc(rounds.done_at),
        took_us=rounds.took_us,
        failures=rounds.failures,
    )


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


def _snapshot(looked_at: Deployment) -> Check:
    snapshot, now = looked_at.snapshot, looked_at.clock.now_us()
    age_s = (now - snapshot.compiled_at) // 1_000_000
    told = f"Revision {snapshot.revision}, compiled {age_s:,} s ago"
    poll = next((one for one in looked_at.rounds if one.name == "snapshot_poll"), None)
    if poll is not None and now - (poll.done_at or poll.begun_at) > _STALE_SNAPSHOT_ROUNDS * poll.every_s * 1_000_000:
        return Check(
            name="snapshot",
            state="failure",
            message=f"{told}. Changes of other processes are not seen: what was revoked there may be in use here.",
            next_step="Mend the database's connection, or restart this process.",
        )
    return Check(name="snapshot", state="ok", message=f"{told}; changes are looked for four times a second.")


def _prices(snapshot: Snapshot, now_us: int) -> Check:
    found = snapshot.price_book.catalogue.price_list
    age = (utc(now_us).date() - date.fromisoformat(found.built_on)).days
    if age <= _OLD_DAYS:
        return Check(name="prices", state="ok", message=f"Price list {found.version}.")
    return Check(
        name="prices",
        state="warning",
        message=f"Price list {found.version} is {age} days old: newer models have no price.",
        next_step="Take a signed update (keystead catalogue apply), or a newer version of Keystead.",
    )


def _notices(to: str) -> Check:
    if to:
        return Check(name="notices", state="ok", message=f"Alerts and weekly digests are sent to {to}.")
    return Check(
        name="notices",
        state="ok",
        message="Alerts are sent nowhere: they stand in the console. KEYSTEAD_ALERT_WEBHOOK_URL says where to.",
    )
