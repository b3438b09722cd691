"""The second wall: on PostgreSQL a transaction that is narrowed to an organization cannot reach another's rows.

Every suite that runs on PostgreSQL runs as a role that the policies bind (`tests.conftest.OWNER`), so that the journal,
the snapshot, recovery and the partitions are seen to work under them in their own suites.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    Table,
    delete,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import GatewayError
from keystead.domain.ids import new_id
from keystead.domain.traffic import Owner
from keystead.metering.request_log import list_requests
from keystead.metering.usage_views import RequestFilter
from keystead.storage import governance, migrate, migrations, row_security, schema
from keystead.storage.columns import metadata
from keystead.storage.database import Database
from keystead.storage.partitions import PARTITIONED
from keystead.storage.postgres import open_postgres
from keystead.storage.row_security import OrganizationView
from tests.conftest import PostgresServer
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent

OURS: Final = "org_ours"
THEIRS: Final = "org_theirs"
OF_NO_ORGANIZATION: Final = {"catalogue_updates", "instances", "snapshot_revision"}
TABLES: Final = [table for table in metadata.sorted_tables if table.name not in OF_NO_ORGANIZATION]


@pytest.fixture
async def postgres(postgres_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    opened = await open_postgres(postgres_url, clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
def ours(postgres: Database) -> OrganizationView:
    return OrganizationView(postgres, OURS)


def organization_of(table: Table) -> Column[Any]:
    """Return the column that says whose a row is."""
    return table.c[{"organizations": "id", "root_keys": "scope"}.get(table.name, "organization_id")]


def row_of(table: Table, organization_id: str, **given: Any) -> dict[str, Any]:
    """Return a row with every column that needs a value."""
    row = {column.name: value_of(column, organization_id) for column in table.columns if not column.nullable}
    return row | {organization_of(table).name: organization_id} | given


def value_of(column: Column[Any], organization_id: str) -> Any:
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, Integer):
        return 1
    if isinstance(column.type, LargeBinary):
        return f"sealed for {organization_id}".encode()
    return f"{organization_id}_{column.name}"[: getattr(column.type, "length", None)]


async def owners(connection: AsyncConnection, table: Table) -> list[str]:
    """Return whose rows there are, for a statement that does not say whose it wants."""
    column = organization_of(table)
    return list((await connection.execute(select(column).order_by(column))).scalars())


async def fill(database: Database, table: Table) -> None:
    """Add one row of each organization, as the gateway itself does: not narrowed."""
    async with database.write() as connection:
        await connection.execute(insert(table), [row_of(table, OURS), row_of(table, THEIRS)])


def test_every_table_says_whose_its_rows_are_or_is_known_to_be_of_no_organization() -> None:
    assert governance.grants.metadata is metadata, "both modules of tables count"
    assert {table.name for table in metadata.sorted_tables} - {table.name for table in TABLES} == OF_NO_ORGANIZATION
    # The policy lets through what is of nobody: there is no such thing.
    assert not [table.name for table in TABLES if organization_of(table).nullable]


# --- What a narrowed transaction reaches ------------------------------------------------------------------------


async def test_statements_that_forget_the_organization_reach_our_own_rows_alone(
    postgres: Database, ours: OrganizationView, subtests: pytest.Subtests
) -> None:
    for table in TABLES:
        with subtests.test(table=table.name):
            await fill(postgres, table)
            column = organization_of(table)
            async with ours.read() as connection:
                assert await owners(connection, table) == [OURS]
                assert (await connection.execute(select(column).where(column == THEIRS))).all() == []
            async with ours.write() as connection:
                assert (await connection.execute(update(table).values({column: column}))).rowcount == 1
                assert (await connection.execute(delete(table))).rowcount == 1
            async with postgres.read() as connection:
                assert await owners(connection, table) == [THEIRS]


async def test_no_row_is_added_to_another_organization_or_handed_over_to_it(
    postgres: Database, ours: OrganizationView, subtests: pytest.Subtests
) -> None:
    for table in TABLES:
        with subtests.test(table=table.name):
            column = organization_of(table)
            async with ours.write() as connection:
                await connection.execute(insert(table).values(row_of(table, OURS)))
            for statement in (insert(table).values(row_of(table, THEIRS)), update(table).values({column: THEIRS})):
                with pytest.raises(GatewayError) as refused:
                    async with ours.write() as connection:
                        await connection.execute(statement)
                assert "violates row-level security policy" in str(refused.value.__cause__)
            async with postgres.read() as connection:
                assert await owners(connection, table) == [OURS]


async def test_the_gateways_own_transactions_reach_everything(postgres: Database, subtests: pytest.Subtests) -> None:
    for table in TABLES:
        with subtests.test(table=table.name):
            await fill(postgres, table)
            column = organization_of(table)
            async with postgres.read() as connection:
                assert await owners(connection, table) == [OURS, THEIRS]
            async with postgres.write() as connection:
                assert (await connection.execute(update(table).values({column: column}))).rowcount == 2
                assert (await connection.execute(delete(table))).rowcount == 2


async def test_a_connection_comes_back_as_it_was_lent(postgres: Database) -> None:
    await fill(postgres, schema.teams)
    for _ in range(3):
        for organization_id in (OURS, THEIRS):
            view = OrganizationView(postgres, organization_id)
            async with view.read() as connection:
                assert await owners(connection, schema.teams) == [organization_id]
            async with view.write() as connection:
                assert await owners(connection, schema.teams) == [organization_id]
        async with postgres.read() as connection:
            assert await owners(connection, schema.teams) == [OURS, THEIRS]
        async with postgres.write() as connection:
            assert await owners(connection, schema.teams) == [OURS, THEIRS]


async def test_a_block_that_fails_leaves_nothing_narrowed(postgres: Database, ours: OrganizationView) -> None:
    await fill(postgres, schema.teams)

    async def fail() -> None:
        async with ours.write() as connection:
            await connection.execute(delete(schema.teams))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with postgres.write() as connection:
        assert await owners(connection, schema.teams) == [OURS, THEIRS]


async def test_there_is_no_view_of_no_organization(database: Database) -> None:
    with pytest.raises(ValueError, match="of one organization"):
        OrganizationView(database, "")


async def test_a_view_reads_and_writes_on_both_engines(database: Database) -> None:
    view = OrganizationView(database, OURS)
    async with view.write() as connection:
        await connection.execute(insert(schema.teams).values(row_of(schema.teams, OURS)))
    async with view.read() as connection:
        assert await owners(connection, schema.teams) == [OURS]
    with pytest.raises(GatewayError):
        async with view.read() as connection:
            await connection.execute(delete(schema.teams))


async def test_a_credential_of_the_platform_is_there_for_everybody_to_name_and_for_nobody_to_change(
    postgres: Database, ours: OrganizationView
) -> None:
    credentials, versions = schema.credentials, schema.credential_versions
    async with postgres.write() as connection:
        platform = row_of(credentials, THEIRS, owner=Owner.PLATFORM.value)
        own = row_of(credentials, THEIRS, id="cred_own", name="own", owner=Owner.OWN.value)
        await connection.execute(insert(credentials), [platform, own])
        await connection.execute(insert(versions).values(row_of(versions, THEIRS, credential_id=platform["id"])))
    async with ours.write() as connection:
        assert (await connection.execute(select(credentials.c.id))).scalars().all() == [platform["id"]]
        assert await owners(connection, versions) == [], "neither its keys nor what is known of them"
        assert (await connection.execute(select(credentials.c.id).with_for_update())).all() == []
        assert (await connection.execute(update(credentials).values(region="eu"))).rowcount == 0
        assert (await connection.execute(delete(credentials))).rowcount == 0


# --- What stands in the catalogue -------------------------------------------------------------------------------

STANDING: Final = text(
    "SELECT relname, relrowsecurity AND relforcerowsecurity AS forced,"
    " coalesce(inhparent::regclass::text, relname) AS of_table, polname, polcmd::text AS command,"
    " polpermissive AS permissive, polroles = '{0}' AS everybodys, polwithcheck IS NULL AS checks_the_same,"
    " pg_get_expr(polqual, pg_class.oid) AS visible"
    " FROM pg_class LEFT JOIN pg_policy ON polrelid = pg_class.oid LEFT JOIN pg_inherits ON inhrelid = pg_class.oid"
    " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
)


async def standing(database: Database) -> list[Any]:
    async with database.read() as connection:
        return list((await connection.execute(STANDING)).all())


def visible_of(row: Any) -> str:
    """Return what a policy lets through, as if every table called its column the same."""
    column = organization_of(metadata.tables[row.of_table]).name
    visible: str = row.visible.replace(f"({column})::text", "…").replace(column, "…")
    return visible


async def test_every_table_and_every_partition_has_the_same_policy(postgres: Database, clock: FakeClock) -> None:
    await postgres.ensure_partitions(clock.now_us())
    found = [row for row in await standing(postgres) if row.relname not in OF_NO_ORGANIZATION | {"alembic_version"}]
    policies = [row for row in found if row.polname == row_security.POLICY]
    assert {row.relname for row in policies} == {row.relname for row in found}
    for row in policies:
        assert row.forced, row.relname
        assert (row.command, row.permissive, row.everybodys, row.checks_the_same) == ("*", True, True, True)
    assert len({visible_of(row) for row in policies}) == 1
    assert {row.of_table for row in policies if row.relname != row.of_table} == {table for table, _ in PARTITIONED}
    others = [(row.relname, row.polname, row.command) for row in found if row.polname != row_security.POLICY]
    assert others == [("credentials", "platform", "r")]


@pytest.mark.parametrize("partition", ["requests_default", "requests_2026_01", "attempts_default", "attempts_2026_01"])
async def test_whoever_reads_a_partition_directly_is_narrowed_too(
    postgres: Database, ours: OrganizationView, clock: FakeClock, partition: str
) -> None:
    await postgres.ensure_partitions(clock.now_us())
    if partition.endswith("default"):
        clock.jump(-400 * 86_400)
    for organization_id in (OURS, THEIRS):
        await postgres.journal.intend(request_intent(clock, organization_id=organization_id), attempt_intent(clock))
    # Such a query is nobody's in the program: an operator's own, with the setting.
    query = text(f"SELECT organization_id FROM {partition}")
    async with ours.read() as connection:
        assert list((await connection.execute(query)).scalars()) == [OURS]
    async with postgres.read() as connection:
        assert sorted((await connection.execute(query)).scalars()) == [OURS, THEIRS]


async def test_an_older_database_gets_the_policies_on_the_partitions_it_has(
    postgres_server: PostgresServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = new_id("older", clock.now_us())
    database = await open_postgres(await postgres_server.create_database(name), clock=clock)
    with monkeypatch.context() as older:
        older.setattr(migrations, "HEAD", "0002")
        await migrate.to_newest(database)
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE requests_2025_12 PARTITION OF requests FOR VALUES FROM (0) TO (9)"))
    await database.migrate()
    with_policy = {row.relname for row in await standing(database) if row.polname == row_security.POLICY and row.forced}
    assert {"requests", "requests_2025_12", "requests_default", "attempts_default"} <= with_policy
    await database.close()
    await postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


# --- Whom it binds ----------------------------------------------------------------------------------------------


async def test_the_suites_run_as_a_role_that_the_policies_bind(postgres: Database) -> None:
    async with postgres.read() as connection:
        assert await row_security.is_enforced(connection)


async def test_a_role_that_the_policies_do_not_bind_is_noticed(
    postgres_url: str, postgres_server: PostgresServer, clock: FakeClock
) -> None:
    superuser = await open_postgres(postgres_server.url_of("keystead_test", role="postgres"), clock=clock)
    async with superuser.read() as connection:
        assert not await row_security.is_enforced(connection)
    await superuser.close()


async def test_a_table_whose_policy_is_switched_off_is_noticed(postgres: Database) -> None:
    async with postgres.write() as connection:
        await connection.execute(text("ALTER TABLE teams DISABLE ROW LEVEL SECURITY"))
        assert not await row_security.is_enforced(connection)
        await connection.rollback()


# --- What it costs ----------------------------------------------------------------------------------------------

MANY_REQUESTS: Final = text(
    "INSERT INTO requests SELECT (jsonb_populate_record(requests, jsonb_build_object("
    "'id', 'req_' || n, 'started_at', started_at + n, 'organization_id', 'org_' || n % 20))).*"
    " FROM requests, generate_series(1, 20000) AS n"
)


async def plan_of_the_list(connection: AsyncConnection, organization_id: str) -> str:
    """Return PostgreSQL's plan of the very statement that lists requests."""
    ran: list[tuple[str, Any]] = []

    def note(_connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        ran.append((statement, parameters))

    event.listen(connection.sync_connection, "before_cursor_execute", note)
    page = await list_requests(connection, organization_id=organization_id, filters=RequestFilter())
    event.remove(connection.sync_connection, "before_cursor_execute", note)
    assert len(page.requests) == 50
    [(statement, parameters)] = ran
    found = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
    return "\n".join(found.scalars())


async def test_the_list_of_requests_is_read_through_its_index(postgres: Database, clock: FakeClock) -> None:
    await postgres.ensure_partitions(clock.now_us())
    await postgres.journal.intend(request_intent(clock), attempt_intent(clock))
    async with postgres.write() as connection:
        await connection.execute(MANY_REQUESTS)
        await connection.execute(text("ANALYZE requests"))
    async with OrganizationView(postgres, "org_7").read() as connection:
        plan = await plan_of_the_list(connection, "org_7")
    assert "requests_2026_01_organization_id_started_at_idx" in plan
    assert "Seq Scan on requests_2026_01" not in plan, "the other months are empty: it matters not how those are read"
    assert "InitPlan" in plan, "the setting is read once"
