"""An installation of the first release keeps what it had when governance comes: roles, cost centres, keys, access."""

from collections.abc import AsyncIterator

import pytest
import structlog
from sqlalchemy import select, text

from keystead.domain.access import PERMISSIONS, Permission, Role
from keystead.identity import directory
from keystead.identity.directory import Directory
from keystead.storage import governance, migrate, migrations
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.databases import open_url

FIRST_RELEASE = """
INSERT INTO organizations (id, name, currency, created_at) VALUES ('org_1', 'Acme', 'EUR', 1);
INSERT INTO teams (id, organization_id, name, cost_center, created_at) VALUES
    ('team_1', 'org_1', 'Research', '4711', 2), ('team_2', 'org_1', 'Sales', 'default', 3);
INSERT INTO members (id, organization_id, team_id, name, role, created_at) VALUES
    ('mem_1', 'org_1', 'team_1', 'Ada', 'administrator', 2), ('mem_2', 'org_1', 'team_2', 'Ben', 'auditor', 3);
INSERT INTO admin_tokens (id, organization_id, member_id, name, digest, created_at) VALUES
    ('adm_1', 'org_1', 'mem_1', 'a', '', 2), ('adm_2', 'org_1', 'mem_2', 'b', '', 3);
INSERT INTO virtual_keys
    (id, organization_id, team_id, principal_kind, principal_id, name, digest, created_at, created_by) VALUES
    ('vk_1', 'org_1', 'team_1', 'service_account', 'sa_1', 'ci', '', 4, 'mem_1'),
    ('vk_2', 'org_1', 'team_2', 'service_account', 'sa_1', 'ci 2', '', 5, 'mem_1'),
    ('vk_3', 'org_1', 'team_2', 'member', 'mem_2', 'laptop', '', 6, 'mem_2')
"""


@pytest.fixture
async def upgraded(empty_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database of the first release with an organization in it, brought to this one."""
    database = await open_url(empty_url, clock)
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "HEAD", "0001")
        await migrate.to_newest(database)
    async with database.write() as conn:
        for statement in FIRST_RELEASE.split(";"):
            await conn.execute(text(statement))
    await database.migrate()
    yield database
    await database.close()


async def test_each_step_of_an_older_database_is_told_as_it_begins_and_a_new_or_newest_one_says_nothing(
    empty_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await open_url(empty_url, clock)
    try:
        with structlog.testing.capture_logs() as of_a_new_one, monkeypatch.context() as patched:
            patched.setattr(migrations, "HEAD", "0017")
            await migrate.to_newest(database)
        with structlog.testing.capture_logs() as told:
            await migrate.to_newest(database)
        with structlog.testing.capture_logs() as afterwards:
            await migrate.to_newest(database)
    finally:
        await database.close()
    steps = [line for line in told if line["event"] == "migrating"]
    assert steps[0]["revision"] == "0018"
    assert steps[-1]["revision"] == migrations.HEAD
    assert all("may take a while" in line["note"] and line["what"] for line in steps)
    assert (of_a_new_one, afterwards) == ([], [])


async def test_everybody_may_do_what_they_could_and_who_ran_it_is_owner_and_operator(upgraded: Database) -> None:
    async with upgraded.read() as conn:
        tokens = {token.id: token.administrator for token in await directory.admin_tokens(conn)}
    assert tokens["adm_1"].everywhere == PERMISSIONS[Role.OWNER]
    assert tokens["adm_2"].everywhere == PERMISSIONS[Role.AUDITOR]
    assert (tokens["adm_1"].operator, tokens["adm_2"].operator) == (True, False)
    assert tokens["adm_1"].may(Permission.PLATFORM_ORGANIZATIONS)


async def test_teams_keep_their_cost_centres_from_the_beginning(upgraded: Database) -> None:
    async with upgraded.read() as conn:
        facts = {one.id: one for one in await directory.team_facts(conn)}
        [organization] = await directory.organization_facts(conn)
    assert {str(team): one.cost_centers for team, one in facts.items()} == {
        "team_1": ((2, "4711"),),
        "team_2": ((3, "default"),),
    }
    assert all((one.parent_id, one.data_class) == (None, "") for one in facts.values())
    assert (organization.currency, organization.time_zone) == ("EUR", "UTC")


async def test_keys_work_on_and_their_service_account_can_be_disabled(upgraded: Database) -> None:
    async with upgraded.read() as conn:
        keys = {str(key.id): key for key in await directory.virtual_keys(conn)}
        account = await Directory().service_account(conn, "org_1", "sa_1")
    assert {key: (one.principal_id, one.endpoints, one.revoked_at) for key, one in keys.items()} == {
        "vk_1": ("sa_1", None, None),
        "vk_2": ("sa_1", None, None),
        "vk_3": ("mem_2", None, None),
    }
    assert (account.team_id, account.created_at, account.created_by, account.disabled_at) == (
        "team_1",
        4,
        "mem_1",
        None,
    )


async def test_every_key_may_still_use_every_own_credential(upgraded: Database) -> None:
    async with upgraded.read() as conn:
        [grant] = (await conn.execute(select(governance.grants))).mappings().all()
    assert (grant["effect"], grant["subject_kind"], grant["subject_id"]) == ("allow", "organization", "org_1")
    assert (grant["credentials"], grant["models"], grant["expires_at"], grant["revoked_at"]) == (None, None, None, None)
