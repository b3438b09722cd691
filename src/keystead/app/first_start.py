"""What must be there before a worker can serve: data folder, database, root key, organization, sandbox.

Runs in the parent process at every start, does only what is missing, and is safe when replicas start at once.
"""

import os
from pathlib import Path

import msgspec
from sqlalchemy import select

from keystead.app.alert_webhook import alert_webhook
from keystead.app.catalogue_keys import load_catalogue_keys
from keystead.app.webhook_secrets import load_webhook_secrets
from keystead.domain.clock import Clock
from keystead.domain.errors import InvalidRequestError, VaultError
from keystead.domain.ids import OrganizationId
from keystead.domain.secret import Secret
from keystead.identity.bootstrap import bootstrap
from keystead.identity.sign_in import SignIn
from keystead.ledger.store import Ledger
from keystead.providers.egress import EgressGuard
from keystead.settings import Settings
from keystead.storage import schema
from keystead.storage.database import Database
from keystead.storage.engine import open_database
from keystead.vault.credentials import Credentials
from keystead.vault.kek.local import LocalKek
from keystead.vault.keyring import DEPLOYMENT, Keyring
from keystead.web.sandbox import ensure_sandbox

ADMIN_TOKEN_FILE = "admin.token"  # noqa: S105 - a file's name


class FirstStart(msgspec.Struct, frozen=True, kw_only=True):
    """What the very first start made; shown once."""

    virtual_key: Secret
    admin_token_file: Path
    kek_file: Path
    console_link: Secret
    """The last part of the address at which the first member chooses a password."""


async def prepare(settings: Settings, clock: Clock) -> FirstStart | None:
    """Make what is missing; return the first secrets if this was the first start.

    Raises:
        GatewayError: a webhook cannot be used, or its secret is not one (see `webhook_secrets`).
        InvalidRequestError: the data folder cannot be made.
        VaultError: the root key file is missing although keys are sealed with it, is readable by others, or is not
            the one the keys were sealed with.
    """
    load_webhook_secrets(settings.topup_webhook_secret_file, variable="KEYSTEAD_TOPUP_WEBHOOK_SECRET_FILE")
    alert_webhook(settings, EgressGuard(settings.egress_allow))
    load_catalogue_keys(settings.catalogue_keys_file)
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequestError(
            f"The data folder {settings.home} cannot be made: {error.strerror}.",
            next_step="Set KEYSTEAD_HOME to a folder that this user may make and write to.",
        ) from None
    database = await open_database(
        database_url=settings.database_url, home=settings.home, clock=clock, synchronous=settings.sqlite_synchronous
    )
    try:
        await database.migrate()
        keyring = Keyring(database, await _load_kek(settings, database), clock)
        await keyring.ensure(DEPLOYMENT)
        first = await _bootstrap(settings, database, keyring, clock)
        for organization_id in await _organizations(database):
            await keyring.ensure(organization_id)
            async with database.write() as conn:
                await ensure_sandbox(conn, Credentials(keyring, clock), organization_id)
        async with database.write() as conn:
            await Ledger(clock).ensure_accounts(conn)
    finally:
        await database.close()
    return first


async def _load_kek(settings: Settings, database: Database) -> LocalKek:
    if settings.kek_file.exists() or settings.kek_file.is_symlink():
        return LocalKek.load(settings.kek_file)
    async with database.read() as conn:
        sealed = (await conn.execute(select(schema.root_keys.c.scope).limit(1))).first()
    if sealed is not None:
        raise VaultError(
            f"The root key file {settings.kek_file} is missing, and this database holds keys sealed with it.",
            code="kek_missing",
            next_step="Put the file back from its backup. Nobody can open the keys without it.",
        )
    return LocalKek.create(settings.kek_file)


async def _bootstrap(settings: Settings, database: Database, keyring: Keyring, clock: Clock) -> FirstStart | None:
    pepper = await keyring.pepper()
    token_file = settings.home / ADMIN_TOKEN_FILE
    async with database.write() as conn:
        made = await bootstrap(conn, clock=clock, pepper=pepper)
        if made is None:
            return None
        link = await SignIn(clock).link(conn, made.member, made.organization.id, actor_id=made.member.id)
        # Before the commit: a crash in between leaves a file nobody can use, not an organization nobody can enter.
        _write_private(token_file, made.admin_token.reveal())
    return FirstStart(
        virtual_key=made.virtual_key, admin_token_file=token_file, kek_file=settings.kek_file, console_link=link
    )


async def _organizations(database: Database) -> list[OrganizationId]:
    async with database.read() as conn:
        rows = await conn.execute(select(schema.organizations.c.id).order_by(schema.organizations.c.id))
        return [OrganizationId(row.id) for row in rows]


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
