"""Credentials on every engine: kept sealed, versioned, never shown, and nobody else's."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import ConflictError, IntegrityError, InvalidRequestError, NotFoundError, VaultError
from keystead.domain.grants import Terms
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.secret import Secret
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.storage import revision, schema
from keystead.storage.database import Database
from keystead.vault.credentials import Credentials
from keystead.vault.kek.local import LocalKek
from keystead.vault.keyring import CACHE_US, Keyring
from keystead.vault.lease import LeaseDoor
from keystead.vault.view import CredentialView, VersionView
from tests.fakes.clock import FakeClock

STAGED, ACTIVE, DRAINING, RETIRED, REVOKED = VersionState
OURS = OrganizationId("org_1")
THEIRS = OrganizationId("org_2")
ORIGIN = "https://api.openai.com"
CANDIDATE = Credential(
    id=CredentialId(""),
    organization_id=OURS,
    name="main",
    provider="openai",
    origin=ORIGIN,
    settings={"api_version": "2026-01-01"},
    owner=Owner.OWN,
    region="",
    models=("gpt-5*", "o4-mini"),
    on_disconnect=OnDisconnect.DRAIN,
    active=None,
)


def key(number: int) -> str:
    """A key of the shape that OpenAI prints, another for each number."""
    return f"sk-proj-canary{number:032d}"


class House:
    """The vault with two organizations, each call in a transaction of its own."""

    def __init__(self, database: Database, keyring: Keyring, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self.keyring = keyring
        self.credentials = Credentials(keyring, clock)
        self.door = LeaseDoor(keyring)

    async def add_in(
        self,
        conn: AsyncConnection,
        number: int,
        *,
        secret: Secret | None = None,
        activate: bool = True,
        allow_duplicate: bool = False,
        **changes: Any,
    ) -> CredentialView:
        """Add a credential named main with the key of that number."""
        return await self.credentials.add(
            conn,
            candidate=msgspec.structs.replace(CANDIDATE, **changes),
            actor_id="mem_1",
            key=secret or Secret(key(number)),
            activate=activate,
            allow_duplicate=allow_duplicate,
        )

    async def add(self, number: int = 1, **changes: Any) -> CredentialView:
        async with self.database.write() as conn:
            return await self.add_in(conn, number, **changes)

    def later(self) -> int:
        """Let a second pass and return the time it is then."""
        self.clock.advance(1)
        return self.clock.now_us()

    async def stage(self, number: int, credential: str = "main", **changes: Any) -> VersionView:
        given: dict[str, Any] = {"organization_id": OURS, "actor_id": "mem_2", "key": Secret(key(number))}
        async with self.database.write() as conn:
            return await self.credentials.stage(conn, credential=credential, **(given | changes))

    async def activate(self, version: int, organization_id: OrganizationId = OURS) -> CredentialView:
        async with self.database.write() as conn:
            return await self.credentials.activate(
                conn, organization_id=organization_id, credential="main", version=version
            )

    async def roll_back(self) -> int:
        async with self.database.write() as conn:
            return await self.credentials.rollback(conn, organization_id=OURS, credential="main")

    async def retire(self, version: int) -> CredentialView:
        async with self.database.write() as conn:
            return await self.credentials.retire(conn, organization_id=OURS, credential="main", version=version)

    async def revoke(self, version: int | None = None) -> CredentialView:
        async with self.database.write() as conn:
            return await self.credentials.revoke(conn, organization_id=OURS, credential="main", version=version)

    async def change_destination(self, origin: str) -> CredentialView:
        async with self.database.write() as conn:
            return await self.credentials.change_destination(
                conn, organization_id=OURS, credential="main", origin=origin
            )

    async def get(self, id_or_name: str = "main", organization_id: OrganizationId = OURS) -> CredentialView:
        async with self.database.read() as conn:
            return await self.credentials.get(conn, organization_id, id_or_name)

    async def sealed(self) -> list[Credential]:
        async with self.database.read() as conn:
            return list(await self.credentials.sealed(conn))

    async def for_probe(self, version: int) -> tuple[Credential, SealedVersion]:
        async with self.database.read() as conn:
            return await self.credentials.open_for_probe(conn, organization_id=OURS, credential="main", version=version)

    async def opened(self) -> str:
        """The key that new requests get."""
        [credential] = await self.sealed()
        assert credential.active is not None
        return (await self.door.lease(credential, credential.active)).reveal()

    async def rows(self) -> list[Any]:
        async with self.database.read() as conn:
            return list(await conn.execute(select(schema.credential_versions).order_by("version")))

    async def warm(self) -> None:
        """Open connections beforehand: making one takes so long that what was started at once would not overlap."""
        async with self.database.read(), self.database.read(), self.database.read():
            pass

    async def revision(self) -> int:
        async with self.database.read() as conn:
            return await revision.current(conn)


@pytest.fixture
async def house(database: Database, clock: FakeClock, tmp_path: Path) -> House:
    keyring = Keyring(database, LocalKek.create(tmp_path / "test-root.key"), clock)
    await keyring.ensure(OURS)
    await keyring.ensure(THEIRS)
    return House(database, keyring, clock)


def states(view: CredentialView) -> list[VersionState]:
    return [version.state for version in view.versions]


# --- keeping -----------------------------------------------------------------------------------------------


async def test_a_credential_is_kept_with_everything_that_was_said_about_it(house: House) -> None:
    now = house.clock.now_us()
    added = await house.add()

    assert added.id.startswith("cred_")
    assert added == await house.get("main") == await house.get(added.id)
    assert added == CredentialView(
        id=added.id,
        organization_id=OURS,
        name="main",
        provider="openai",
        origin=ORIGIN,
        settings={"api_version": "2026-01-01"},
        owner=Owner.OWN,
        region="",
        models=("gpt-5*", "o4-mini"),
        on_disconnect=OnDisconnect.DRAIN,
        terms=Terms(),
        margin_ppm=None,
        created_at=now,
        created_by="mem_1",
        revoked_at=None,
        versions=(
            VersionView(
                version=1, state=ACTIVE, mask="sk-proj-…0001", created_at=now, created_by="mem_1", activated_at=now
            ),
        ),
    )


async def test_all_models_are_not_no_models(house: House) -> None:
    everything = await house.add(1, name="everything", models=None)
    nothing = await house.add(2, name="nothing", models=())

    assert (everything.models, nothing.models) == (None, ())


async def test_the_key_that_was_entered_is_the_one_that_is_leased(house: House) -> None:
    await house.add()

    assert await house.opened() == key(1)


async def test_no_view_and_no_row_holds_the_key(house: House) -> None:
    await house.add()
    await house.stage(2)
    async with house.database.read() as conn:
        views = await house.credentials.list(conn, OURS)
        tables = [
            (await conn.execute(select(table))).all() for table in (schema.credentials, schema.credential_versions)
        ]

    [row, _] = await house.rows()
    for text in (msgspec.json.encode(views).decode(), repr(views), repr(tables)):
        assert "canary" not in text
    assert row.sealed not in msgspec.json.encode(views)
    assert not {"sealed", "fingerprint", "key"} & set(VersionView.__struct_fields__)


async def test_a_staged_credential_serves_nothing_yet(house: House) -> None:
    added = await house.add(activate=False)

    assert states(added) == [STAGED]
    assert [credential.active for credential in await house.sealed()] == [None]


async def test_what_cannot_be_an_inference_key_is_not_kept(house: House, subtests: pytest.Subtests) -> None:
    for bad in ("", "has space", "line\r\nbreak", f"sk-admin-{'x' * 40}", f"sk-ant-api03-{'x' * 40}"):
        with subtests.test(bad=bad):
            with pytest.raises(InvalidRequestError) as refusal:
                await house.add(secret=Secret(bad))

            assert refusal.value.param == "key"
            with pytest.raises(NotFoundError):
                await house.get()


async def test_a_name_that_could_mislead_is_refused(house: House, subtests: pytest.Subtests) -> None:
    for name in ("", " main", "main ", "a\nb", "a\u202eb", "x" * 101, "cred_1"):
        with subtests.test(name=name):
            with pytest.raises(InvalidRequestError) as refusal:
                await house.add(name=name)

            assert refusal.value.param == "name"


async def test_a_name_is_taken_once_in_an_organization(house: House) -> None:
    await house.add(1)

    with pytest.raises(ConflictError, match="named 'main' exists") as refusal:
        await house.add(2)
    assert refusal.value.code == "name_taken"

    assert (await house.add(2, organization_id=THEIRS)).name == "main"


async def test_an_organization_without_a_root_key_keeps_nothing(house: House) -> None:
    stranger = OrganizationId("org_3")

    with pytest.raises(VaultError, match="no root key"):
        await house.add(organization_id=stranger)
    with pytest.raises(NotFoundError):
        await house.get("main", stranger)


# --- duplicates --------------------------------------------------------------------------------------------


async def test_a_key_the_organization_holds_already_is_told_with_where(house: House) -> None:
    await house.add(1)
    await house.stage(2)

    with pytest.raises(ConflictError, match="version 2 of the credential 'main'") as refusal:
        await house.add(2, name="second")
    assert refusal.value.code == "duplicate_key"
    with pytest.raises(ConflictError, match="version 1 of the credential 'main'"):
        await house.stage(1)


async def test_a_duplicate_can_be_wanted(house: House) -> None:
    await house.add(1)

    assert states(await house.add(1, name="second", allow_duplicate=True)) == [ACTIVE]
    assert (await house.stage(1, allow_duplicate=True)).version == 2


async def test_two_organizations_with_one_key_do_not_learn_of_each_other(house: House) -> None:
    await house.add(1)
    await house.add(1, organization_id=THEIRS)

    ours, theirs = await house.rows()
    assert ours.fingerprint != theirs.fingerprint
    assert ours.sealed != theirs.sealed


async def test_a_revoked_key_may_come_back(house: House) -> None:
    await house.add(1)
    await house.revoke(1)

    assert (await house.stage(1)).version == 2


# --- versions ----------------------------------------------------------------------------------------------


async def test_rotation_goes_from_staged_over_active_to_draining_and_retired(house: House) -> None:
    await house.add(1)
    staged = await house.stage(2)
    assert (staged.version, staged.state, staged.created_by) == (2, STAGED, "mem_2")
    assert await house.opened() == key(1)

    activated_at = house.later()
    view = await house.activate(2)
    assert states(view) == [DRAINING, ACTIVE]
    assert view.versions[0].draining_at == view.versions[1].activated_at == activated_at
    assert await house.opened() == key(2)

    retired_at = house.later()
    view = await house.retire(1)
    assert states(view) == [RETIRED, ACTIVE]
    assert view.versions[0].retired_at == retired_at


async def test_a_request_that_began_on_the_old_version_can_end_on_it(house: House) -> None:
    await house.add(1)
    [pinned] = await house.sealed()
    assert pinned.active is not None
    await house.stage(2)
    await house.activate(2)

    assert (await house.door.lease(pinned, pinned.active)).reveal() == key(1)


async def test_rollback_brings_the_earlier_key_back_at_once(house: House) -> None:
    await house.add(1)
    await house.stage(2)
    await house.activate(2)

    assert await house.roll_back() == 1
    assert states(await house.get()) == [ACTIVE, DRAINING]
    assert await house.opened() == key(1)
    with pytest.raises(ConflictError, match="no earlier version"):
        await house.roll_back()


async def test_rollback_reaches_a_retired_version_and_not_a_revoked_one(house: House) -> None:
    await house.add(1)
    for number in (2, 3):
        await house.stage(number)
        house.later()
        await house.activate(number)
    await house.retire(1)
    await house.revoke(2)

    assert await house.roll_back() == 1
    assert await house.opened() == key(1)


async def test_draining_versions_retire_once_the_longest_request_must_be_over(house: House) -> None:
    await house.add(1)
    await house.add(11, name="second", organization_id=THEIRS)
    await house.stage(2)
    house.later()
    await house.activate(2)
    drained_at = house.clock.now_us()

    async with house.database.write() as conn:
        assert await house.credentials.retire_drained(conn, older_than_at=drained_at) == 0
        assert await house.credentials.retire_drained(conn, older_than_at=drained_at + 1) == 1
        assert await house.credentials.retire_drained(conn, older_than_at=drained_at + 1) == 0
    assert states(await house.get()) == [RETIRED, ACTIVE]


async def test_a_version_that_is_not_there_is_not_found(house: House, subtests: pytest.Subtests) -> None:
    cases: tuple[int, ...] = (
        0,
        2,
        -1,
        99,
    )
    await house.add(1)

    attempts: list[Callable[[int], Any]] = [house.activate, house.retire, house.revoke, house.for_probe]
    for version in cases:
        with subtests.test(version=version):
            for attempt in attempts:
                with pytest.raises(NotFoundError, match=f"no version {version}"):
                    await attempt(version)


async def test_of_two_activations_at_once_one_version_ends_up_active(house: House) -> None:
    await house.add(1)
    await house.stage(2)
    await house.stage(3)
    await house.warm()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(house.activate(2))
        group.create_task(house.activate(3))

    assert sorted(states(await house.get())) == [ACTIVE, DRAINING, DRAINING]
    assert len(await house.sealed()) == 1


async def test_keys_staged_at_once_get_versions_of_their_own(house: House) -> None:
    await house.add(1)
    await house.warm()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        staged = [group.create_task(house.stage(number)) for number in (2, 3, 4)]

    assert sorted(task.result().version for task in staged) == [2, 3, 4]


# --- revoking ----------------------------------------------------------------------------------------------


async def test_revoking_a_version_destroys_its_key(house: House) -> None:
    await house.add(1)
    await house.stage(2)
    revoked_at = house.later()
    view = await house.revoke(1)

    assert states(view) == [REVOKED, STAGED]
    assert view.versions[0].revoked_at == revoked_at
    assert view.revoked_at is None
    assert [row.sealed is None for row in await house.rows()] == [True, False]
    assert [credential.active for credential in await house.sealed()] == [None]
    with pytest.raises(ConflictError, match="revoked; its key is destroyed"):
        await house.for_probe(1)
    with pytest.raises(ConflictError, match="cannot become active"):
        await house.activate(1)


async def test_revoking_a_credential_destroys_every_key_and_is_final(house: House) -> None:
    await house.add(1)
    await house.stage(2)
    await house.activate(2)
    await house.stage(3)
    view = await house.revoke()

    assert states(view) == [REVOKED] * 3
    assert view.revoked_at == house.clock.now_us()
    assert [row.sealed for row in await house.rows()] == [None] * 3
    assert [credential.active for credential in await house.sealed()] == [None]
    attempts: list[Callable[[], Any]] = [
        lambda: house.stage(4),
        lambda: house.activate(3),
        house.roll_back,
        lambda: house.retire(1),
        lambda: house.change_destination("https://example.com"),
    ]
    for attempt in attempts:
        with pytest.raises(ConflictError, match="credential is revoked"):
            await attempt()


async def test_revoking_twice_changes_nothing(house: House) -> None:
    await house.add(1)
    first = await house.revoke()
    house.later()

    assert await house.revoke() == first
    assert await house.revoke(1) == first


# --- the destination ---------------------------------------------------------------------------------------


async def test_changing_the_destination_voids_every_key(house: House) -> None:
    await house.add(1)
    await house.stage(2)
    view = await house.change_destination("https://evil.example")

    assert view.origin == "https://evil.example"
    assert view.revoked_at is None
    assert states(view) == [REVOKED, REVOKED]
    assert [row.sealed for row in await house.rows()] == [None, None]
    assert [credential.active for credential in await house.sealed()] == [None]


async def test_a_new_key_for_the_new_destination_works_even_if_it_is_the_old_one(house: House) -> None:
    await house.add(1)
    await house.change_destination("https://proxy.example")
    await house.stage(1)
    await house.activate(2)

    assert await house.opened() == key(1)


async def test_terms_are_said_anew_as_a_whole_and_lost_with_the_destination(house: House) -> None:
    await house.add()
    said = Terms(regions=("eu",), retention_days=0, dpa_reference="DPA-7", ends_at=house.clock.now_us() + 1)
    for terms in (said, Terms(no_training=True), said):
        async with house.database.write() as conn:
            before = await revision.current(conn)
            view = await house.credentials.set_terms(conn, organization_id=OURS, credential="main", terms=terms)
            assert await revision.current(conn) == before + 1
        assert view.terms == terms
    assert [sealed.terms for sealed in await house.sealed()] == [said]
    async with house.database.write() as conn:
        with pytest.raises(NotFoundError):
            await house.credentials.set_terms(conn, organization_id=THEIRS, credential="main", terms=Terms())
    async with house.database.write() as conn:
        moved = await house.credentials.change_destination(
            conn, organization_id=OURS, credential="main", origin="https://eu.api.openai.com"
        )
    assert moved.terms == Terms()


async def test_the_same_destination_again_changes_nothing(house: House) -> None:
    added = await house.add(1)

    assert await house.change_destination(ORIGIN) == added
    assert await house.opened() == key(1)


@pytest.mark.parametrize(
    "change", [{"origin": "https://evil.example"}, {"provider": "anthropic"}, {"organization_id": THEIRS}]
)
async def test_a_destination_changed_behind_the_vaults_back_does_not_get_the_key(
    house: House, change: dict[str, str]
) -> None:
    await house.add(1)
    async with house.database.write() as conn:
        await conn.execute(update(schema.credentials).values(change))

    [credential] = await house.sealed()
    assert credential.active is not None
    with pytest.raises(IntegrityError) as failure:
        await house.door.lease(credential, credential.active)
    assert "canary" not in str(failure.value)


async def test_sealed_bytes_copied_between_rows_do_not_open(house: House) -> None:
    await house.add(1)
    await house.add(2, name="second")
    [first, second] = await house.sealed()
    assert first.active is not None
    assert second.active is not None

    with pytest.raises(IntegrityError):
        await house.door.lease(first, second.active)
    with pytest.raises(IntegrityError):
        await house.door.lease(first, msgspec.structs.replace(first.active, version=2))


# --- organizations -----------------------------------------------------------------------------------------


async def test_another_organizations_credential_is_as_absent_as_a_random_one(house: House) -> None:
    theirs = await house.add(1, organization_id=THEIRS)
    absent = f"cred_{'0' * 26}"

    async def errors(credential: str) -> list[dict[str, Any]]:
        found = []
        common: dict[str, Any] = {"organization_id": OURS, "credential": credential}
        async with house.database.write() as conn:
            calls: list[Callable[[], Any]] = [
                lambda: house.credentials.get(conn, OURS, credential),
                lambda: house.credentials.stage(conn, actor_id="mem_1", key=Secret(key(9)), **common),
                lambda: house.credentials.activate(conn, version=1, **common),
                lambda: house.credentials.rollback(conn, **common),
                lambda: house.credentials.retire(conn, version=1, **common),
                lambda: house.credentials.revoke(conn, version=None, **common),
                lambda: house.credentials.change_destination(conn, origin="https://evil.example", **common),
                lambda: house.credentials.record_probe(conn, version=1, result={}, **common),
                lambda: house.credentials.open_for_probe(conn, version=1, **common),
            ]
            for call in calls:
                with pytest.raises(NotFoundError) as refusal:
                    await call()
                found.append({"message": str(refusal.value), **vars(refusal.value)})
        return found

    assert await errors(theirs.id) == await errors("main") == await errors(absent)
    assert await house.get(theirs.id, THEIRS) == theirs


async def test_a_list_holds_the_organizations_own_oldest_first_revoked_ones_included(house: House) -> None:
    names = ["c", "a", "b"]
    for number, name in enumerate(names):
        house.later()
        await house.add(number, name=name)
    await house.add(9, organization_id=THEIRS)
    async with house.database.write() as conn:
        await house.credentials.revoke(conn, organization_id=OURS, credential="a", version=None)
        listed = await house.credentials.list(conn, OURS)

    assert [view.name for view in listed] == names
    assert [view for view in listed if view.revoked_at] == [await house.get("a")]
    assert all(len(view.versions) == 1 for view in listed)


async def test_the_snapshot_has_every_organizations_credentials(house: House) -> None:
    await house.add(1)
    house.later()
    await house.add(1, organization_id=THEIRS, on_disconnect=OnDisconnect.CANCEL)

    ours, theirs = await house.sealed()
    assert (ours.organization_id, theirs.organization_id) == (OURS, THEIRS)
    assert ours.settings == {"api_version": "2026-01-01"}
    assert ours.models == ("gpt-5*", "o4-mini")
    assert (ours.on_disconnect, theirs.on_disconnect) == (OnDisconnect.DRAIN, OnDisconnect.CANCEL)


# --- the lease ---------------------------------------------------------------------------------------------


async def test_a_lease_with_the_root_key_at_hand_asks_no_database_and_gives_way_to_no_one(house: House) -> None:
    await house.add(1)
    [credential] = await house.sealed()
    assert credential.active is not None

    lease = house.door.lease(credential, credential.active)
    with pytest.raises(StopIteration) as done:  # the first step is the last: it never waited for anything
        lease.send(None)
    assert done.value.value.reveal() == key(1)


async def test_a_lease_reads_the_root_key_again_after_five_minutes(house: House) -> None:
    await house.add(1)
    house.clock.advance(CACHE_US / 1_000_000)

    assert await house.opened() == key(1)


async def test_a_lease_without_the_right_kek_fails_and_says_so(house: House, tmp_path: Path) -> None:
    await house.add(1)
    stranger = Keyring(house.database, LocalKek.create(tmp_path / "other.key"), house.clock)
    [credential] = await house.sealed()
    assert credential.active is not None

    with pytest.raises(VaultError, match="wrapped by the KEK"):
        await LeaseDoor(stranger).lease(credential, credential.active)


# --- probes and the snapshot -------------------------------------------------------------------------------


async def test_a_staged_key_can_be_opened_for_a_probe_and_its_result_is_shown(house: House) -> None:
    await house.add(1)
    await house.stage(2)
    credential, version = await house.for_probe(2)

    assert (await house.door.lease(credential, version)).reveal() == key(2)
    assert credential.active is None

    result = {"ok": False, "outcome": "invalid", "status": 401}
    async with house.database.write() as conn:
        await house.credentials.record_probe(conn, organization_id=OURS, credential="main", version=2, result=result)
    shown = (await house.get()).versions[1]
    assert (shown.probe_result, shown.probed_at, shown.state) == (result, house.clock.now_us(), STAGED)


async def test_every_change_the_data_plane_must_see_touches_the_snapshot(house: House) -> None:
    changes: list[Callable[[], Any]] = [
        lambda: house.add(1),
        lambda: house.stage(2),
        lambda: house.activate(2),
        house.roll_back,
        lambda: house.revoke(1),
        lambda: house.change_destination("https://proxy.example"),
        house.revoke,
    ]
    touched = []
    for change in changes:
        before = await house.revision()
        await change()
        touched.append(await house.revision() > before)

    # A staged key serves nothing: the data plane need not look.
    assert touched == [True, False, True, True, True, True, True]


async def test_a_change_that_is_not_committed_leaves_nothing(house: House) -> None:
    async def change_and_fail() -> None:
        async with house.database.write() as conn:
            await house.add_in(conn, 1)
            raise RuntimeError("the audit event could not be written")

    with pytest.raises(RuntimeError, match="audit event"):
        await change_and_fail()

    assert await house.sealed() == []
    assert await house.rows() == []
