"""Credentials' lists of models on each engine: taken up by one process, kept, and read again only where they changed."""

from keystead.catalogue import store
from keystead.catalogue.offers import Offer
from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.models import ListedModel
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.storage.database import Database

OURS = OrganizationId("org_1")


def credential(name: str = "main", version: int = 1) -> Credential:
    return Credential(
        id=CredentialId(f"cred_{name}"),
        organization_id=OURS,
        name=name,
        provider="openai",
        origin="https://api.openai.com",
        settings={},
        owner=Owner.OWN,
        region="",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        active=SealedVersion(version=version, state=VersionState.ACTIVE, sealed=b""),
    )


MAIN = credential()


async def claim(database: Database, who: Credential, seen: store.Due | None, *, now_us: int) -> bool:
    async with database.write() as conn:
        return await store.claim(conn, who, seen, now_us=now_us)


async def keep(database: Database, *names: str, now_us: int, due_at: int = 100) -> None:
    async with database.write() as conn:
        await store.keep(conn, MAIN, [ListedModel(id=name) for name in names], now_us=now_us, due_at=due_at)


async def due(database: Database) -> store.Due | None:
    async with database.read() as conn:
        return (await store.dues(conn)).get(MAIN.id)


async def test_of_two_processes_one_takes_a_list_up(database: Database) -> None:
    assert await claim(database, MAIN, None, now_us=1)
    assert not await claim(database, MAIN, None, now_us=1)
    seen = await due(database)
    assert seen is not None
    assert seen.version == 1
    assert seen.due_at > 1, "whoever took it up is given time"
    assert await claim(database, MAIN, seen, now_us=2)
    assert not await claim(database, MAIN, seen, now_us=2)
    assert await claim(database, credential("other"), None, now_us=2)


async def test_a_new_key_is_seen_to_want_a_list(database: Database) -> None:
    assert await claim(database, MAIN, None, now_us=1)
    seen = await due(database)
    assert await claim(database, credential(version=2), seen, now_us=2)
    assert (await due(database)) != seen


async def test_a_list_is_kept_changed_and_survives_a_failure(database: Database) -> None:
    async with database.read() as conn:
        assert await store.get(conn, OURS, MAIN.id) == store.Kept(checked_at=None, changed_at=None, error="", models=())
    await keep(database, "a", "b", now_us=10)
    await keep(database, "a", "b", now_us=20, due_at=200)
    async with database.read() as conn:
        kept = await store.get(conn, OURS, MAIN.id)
        assert (kept.checked_at, kept.changed_at, [m.id for m in kept.models]) == (20, 10, ["a", "b"])
        assert await store.get(conn, OrganizationId("org_2"), MAIN.id) == store.Kept(
            checked_at=None, changed_at=None, error="", models=()
        )
    async with database.write() as conn:
        await store.keep_failure(conn, MAIN, "No.\x00\ud800" * 500, now_us=30, due_at=300)
    async with database.read() as conn:
        failed = await store.get(conn, OURS, MAIN.id)
    assert (failed.checked_at, failed.changed_at, failed.models) == (30, 10, kept.models)
    assert failed.error.startswith("No.  No.")
    assert len(failed.error) == 300
    assert await due(database) == store.Due(version=1, due_at=300)


async def test_a_list_that_has_not_changed_is_not_read_again(database: Database) -> None:
    await keep(database, "a", now_us=10)
    assert await claim(database, credential("never-asked"), None, now_us=1)
    async with database.read() as conn:
        first = await store.offers(conn, {})
    assert {key: set(offer.present) for key, offer in first.items()} == {MAIN.id: {"a"}}
    await keep(database, "a", now_us=20)
    async with database.read() as conn:
        assert (await store.offers(conn, first))[MAIN.id] is first[MAIN.id]
    await keep(database, "b", now_us=30)
    async with database.read() as conn:
        second = await store.offers(conn, first)
    assert isinstance(second[MAIN.id], Offer)
    assert set(second[MAIN.id].present) == {"b"}
