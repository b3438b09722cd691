"""Grants, data classes, recognisers and consents in the database, on each engine."""

from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.errors import ConflictError, InvalidRequestError, KeysteadError, NotFoundError
from keystead.domain.grants import Reason, Requirement
from keystead.domain.ids import OrganizationId, TeamId
from keystead.domain.traffic import Endpoint, Owner
from keystead.policy import class_store, store
from keystead.policy.class_store import DataClassStore, RecognizerStore
from keystead.policy.store import LONGEST_CONSENT_US, Consents, Grants
from keystead.policy.views import (
    ConsentView,
    GrantView,
    NewConsent,
    NewGrant,
    NewRecognizer,
    RecognizerView,
)
from keystead.storage import schema
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock

ORG = OrganizationId("org_1")
OTHER = OrganizationId("org_2")
OPERATOR = OrganizationId("org_operator")
DAY_US = 86_400_000_000


class Rooms:
    """The stores, and what a call to each usually says."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.grants = Grants(clock)
        self.classes = DataClassStore(clock)
        self.recognizers = RecognizerStore(clock)
        self.consents = Consents(clock)

    async def grant(self, conn: AsyncConnection, organization_id: OrganizationId = ORG, **changes: Any) -> GrantView:
        usual: dict[str, Any] = {"effect": "allow", "subject_kind": "team", "subject_id": "team_1"}
        new = NewGrant(**(usual | changes))
        return await self.grants.create(conn, organization_id=organization_id, actor_id="mem_1", new=new)

    async def consent(
        self, conn: AsyncConnection, organization_id: OrganizationId = ORG, **changes: Any
    ) -> ConsentView:
        usual: dict[str, Any] = {
            "team_ids": None,
            "models": None,
            "data_classes": ("internal",),
            "reasons": (Reason.DOWN,),
            "daily_cap_pico": 10**12,
            "monthly_cap_pico": 10**13,
            "expires_at": self.clock.now_us() + 30 * DAY_US,
        }
        new = NewConsent(**(usual | changes))
        return await self.consents.give(conn, organization_id=organization_id, actor_id="mem_1", new=new)

    async def set_class(self, conn: AsyncConnection, name: str, rank: int | None = None, **requirement: Any) -> None:
        asked = Requirement(**requirement)
        await self.classes.set(conn, organization_id=ORG, actor_id="mem_1", name=name, rank=rank, requirement=asked)

    async def recognizer(
        self, conn: AsyncConnection, organization_id: OrganizationId = ORG, **changes: Any
    ) -> RecognizerView:
        usual: dict[str, Any] = {"name": "cards", "kind": "payment_card", "action": "block"}
        new = NewRecognizer(**(usual | changes))
        return await self.recognizers.add(conn, organization_id=organization_id, actor_id="mem_1", new=new)


@pytest.fixture
def rooms(clock: FakeClock) -> Rooms:
    return Rooms(clock)


async def add_credential(conn: AsyncConnection, identifier: str, organization_id: str, name: str, owner: Owner) -> None:
    await conn.execute(
        insert(schema.credentials).values(
            id=identifier,
            organization_id=organization_id,
            name=name,
            provider="openai",
            origin="https://api.openai.com",
            settings="{}",
            owner=owner.value,
            region="",
            on_disconnect="drain",
            terms="{}",
            created_at=1,
            created_by="mem_1",
        )
    )


@pytest.fixture
async def credentials(database: Database) -> None:
    async with database.write() as conn:
        await add_credential(conn, "cred_own", ORG, "openai", Owner.OWN)
        await add_credential(conn, "cred_theirs", OTHER, "secret", Owner.OWN)
        await add_credential(conn, "cred_platform", OPERATOR, "openai", Owner.PLATFORM)
        await add_credential(conn, "cred_sold", OPERATOR, "sold", Owner.PLATFORM)


async def test_a_grant_is_kept_as_it_was_given(database: Database, rooms: Rooms, credentials: None) -> None:
    async with database.write() as conn:
        given = await rooms.grant(
            conn,
            effect="deny",
            credentials=("openai", "cred_sold", "cred_own"),
            models=("gpt-5*", "openai/*", "gpt-5*"),
            endpoints=(Endpoint.CHAT, Endpoint.EMBEDDINGS),
            condition="hour >= 8",
            note="only by day",
            expires_at=rooms.clock.now_us() + DAY_US,
        )
        plain = await rooms.grant(conn)
    assert given == GrantView(
        id=given.id,
        organization_id=ORG,
        effect="deny",
        subject_kind="team",
        subject_id="team_1",
        credential_ids=("cred_own", "cred_sold"),  # type: ignore[arg-type]
        models=("gpt-5*", "openai/*"),
        endpoints=(Endpoint.CHAT, Endpoint.EMBEDDINGS),
        condition="hour >= 8",
        note="only by day",
        expires_at=rooms.clock.now_us() + DAY_US,
        created_at=rooms.clock.now_us(),
        created_by="mem_1",
        revoked_at=None,
    )
    assert (plain.credential_ids, plain.models, plain.endpoints, plain.expires_at) == (None, None, None, None)
    async with database.read() as conn:
        assert await rooms.grants.get(conn, ORG, given.id) == given
        assert {grant.id for grant in await store.grants(conn)} == {given.id, plain.id}


async def test_a_grant_that_is_not_one_is_refused_with_the_reason_and_nothing_is_kept(
    database: Database, rooms: Rooms, credentials: None, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"effect": "maybe"}, "effect"),
        ({"models": ()}, "models"),
        ({"models": ("gpt 5",)}, "models"),
        ({"models": ("gpt-[5",)}, "models"),
        ({"models": ("m",) * 501}, "models"),
        ({"endpoints": ()}, "endpoints"),
        ({"credentials": ()}, "credentials"),
        ({"credentials": ("nothing",)}, "credentials"),
        ({"credentials": ("openai", "secret")}, "credentials"),
        ({"credentials": ("cred_theirs",)}, "credentials"),
        ({"condition": "request.modle == 'x'"}, "condition"),
        ({"note": "two\nlines"}, "note"),
        ({"expires_at": 1}, "expires_at"),
    )
    for changes, param in cases:
        with subtests.test(changes=changes):
            async with database.write() as conn:
                with pytest.raises(KeysteadError) as refused:
                    await rooms.grant(conn, **changes)
            assert isinstance(refused.value, (InvalidRequestError, NotFoundError))
            assert refused.value.param == param
            async with database.read() as conn:
                assert await store.grants(conn) == []


async def test_a_revoked_grant_is_listed_and_no_longer_counts(database: Database, rooms: Rooms) -> None:
    async with database.write() as conn:
        grant = await rooms.grant(conn)
        rooms.clock.advance(1)
        first = await rooms.grants.revoke(conn, organization_id=ORG, grant_id=grant.id)
        rooms.clock.advance(1)
        assert await rooms.grants.revoke(conn, organization_id=ORG, grant_id=grant.id) == first
    assert first.revoked_at == grant.created_at + 1_000_000
    async with database.read() as conn:
        assert await store.grants(conn) == []
        assert await rooms.grants.list(conn, ORG) == [first]
        assert await rooms.grants.list(conn, ORG, in_force_only=True) == []


async def test_grants_are_listed_newest_first_in_pages_and_for_some_subjects(database: Database, rooms: Rooms) -> None:
    given = []
    async with database.write() as conn:
        for number in range(4):
            rooms.clock.advance(1)
            given.append(await rooms.grant(conn, subject_id=f"team_{number % 2}"))
        await rooms.grant(conn, organization_id=OTHER)
        newest = given[::-1]
        assert await rooms.grants.list(conn, ORG, limit=3) == newest[:3]
        assert await rooms.grants.list(conn, ORG, before=newest[2].id) == newest[3:]
        assert await rooms.grants.list(conn, ORG, subject_ids={"team_1"}) == [given[3], given[1]]
        assert await rooms.grants.list(conn, ORG, subject_ids=()) == []


async def test_what_is_another_organizations_is_not_found_like_what_never_was(database: Database, rooms: Rooms) -> None:
    async with database.write() as conn:
        grant, consent = await rooms.grant(conn), await rooms.consent(conn)
        recognizer = await rooms.recognizer(conn)
        await rooms.set_class(conn, "phi", 350, baa=True)
        messages = set()
        for identifier in (grant.id, "grt_00000000000000000000000000"):
            for call in (
                rooms.grants.get(conn, OTHER, identifier),
                rooms.grants.revoke(conn, organization_id=OTHER, grant_id=identifier),
            ):
                with pytest.raises(NotFoundError) as missing:
                    await call
                messages.add(missing.value.message)
        with pytest.raises(NotFoundError):
            await rooms.consents.revoke(conn, organization_id=OTHER, consent_id=consent.id)
        with pytest.raises(NotFoundError):
            await rooms.recognizers.remove(conn, organization_id=OTHER, recognizer=recognizer.id)
        with pytest.raises(NotFoundError):
            await rooms.classes.remove(conn, organization_id=OTHER, name="phi")
        assert await rooms.grants.list(conn, OTHER) == []
        assert await rooms.recognizers.list(conn, OTHER) == []
        assert (await rooms.classes.classes(conn, OTHER)).get("phi") is None
        assert await rooms.grants.get(conn, ORG, grant.id) == grant
    assert messages == {"There is no such grant."}


async def test_there_is_an_end_to_what_an_organization_can_have_in_force(
    database: Database, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_GRANTS", 2)
    monkeypatch.setattr(class_store, "MAX_RECOGNIZERS", 1)
    async with database.write() as conn:
        await rooms.grant(conn)
        second = await rooms.grant(conn)
        with pytest.raises(ConflictError) as full:
            await rooms.grant(conn)
        assert full.value.code == "too_many"
        await rooms.grant(conn, organization_id=OTHER)
        await rooms.grants.revoke(conn, organization_id=ORG, grant_id=second.id)
        await rooms.grant(conn)
        await rooms.recognizer(conn)
        with pytest.raises(ConflictError):
            await rooms.recognizer(conn, name="more")


async def test_a_consent_is_kept_with_who_gave_it(database: Database, rooms: Rooms) -> None:
    async with database.write() as conn:
        given = await rooms.consent(
            conn,
            team_ids=(TeamId("team_1"),),
            models=("gpt-5*",),
            data_classes=("public", "internal"),
            reasons=(Reason.DOWN, Reason.THROTTLED, Reason.OUT_OF_FUNDS),
            note="board, 3 March",
        )
    assert (given.created_by, given.note, given.team_ids, given.models) == (
        "mem_1",
        "board, 3 March",
        ("team_1",),
        ("gpt-5*",),
    )
    assert (given.daily_cap_pico, given.monthly_cap_pico) == (10**12, 10**13)
    async with database.read() as conn:
        assert await rooms.consents.get(conn, ORG, given.id) == given
        assert await store.consents(conn) == [given]
    async with database.write() as conn:
        revoked = await rooms.consents.revoke(conn, organization_id=ORG, consent_id=given.id)
        assert revoked.revoked_at == rooms.clock.now_us()
        assert await store.consents(conn) == []
        assert await rooms.consents.list(conn, ORG) == [revoked]
        assert await rooms.consents.list(conn, ORG, in_force_only=True) == []


async def test_a_consent_that_is_not_one_is_refused_with_the_reason_and_nothing_is_kept(
    database: Database, rooms: Rooms, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"expires_at": 0}, "expires_at", "expiry_passed"),
        ({"expires_at": 1_767_225_600_000_000}, "expires_at", "expiry_passed"),
        ({"expires_at": 1_767_225_600_000_000 + LONGEST_CONSENT_US + 1}, "expires_at", "expiry_too_far"),
        ({"daily_cap_pico": 0}, "daily_cap", "invalid_request"),
        ({"monthly_cap_pico": -1}, "monthly_cap", "invalid_request"),
        ({"monthly_cap_pico": 2**63}, "monthly_cap", "invalid_request"),
        ({"reasons": ()}, "reasons", "invalid_request"),
        ({"reasons": (Reason.DOWN, Reason.AUTH_FAILED)}, "reasons", "reason_not_consentable"),
        ({"data_classes": ()}, "data_classes", "invalid_request"),
        ({"data_classes": ("internal", "phi")}, "data_classes", "data_class_unknown"),
        ({"data_classes": ("internal", "restricted")}, "data_classes", "own_key_only"),
        ({"team_ids": ()}, "teams", "invalid_request"),
        ({"models": ("",)}, "models", "pattern_invalid"),
        ({"note": "x" * 501}, "note", "invalid_request"),
    )
    for changes, param, code in cases:
        with subtests.test(changes=changes):
            async with database.write() as conn:
                with pytest.raises(InvalidRequestError) as refused:
                    await rooms.consent(conn, **changes)
            assert (refused.value.param, refused.value.code) == (param, code)
            async with database.read() as conn:
                assert await store.consents(conn) == []


async def test_an_own_class_is_set_changed_and_removed(database: Database, rooms: Rooms) -> None:
    async with database.write() as conn:
        await rooms.set_class(conn, "patient", 350, baa=True, regions=("eu",))
        await rooms.set_class(conn, "patient", None, baa=True, regions=("eu", "de"), most_retention_days=7)
        await rooms.set_class(conn, "confidential", None, no_training=True, dpa=True)
        classes = await rooms.classes.classes(conn, ORG)
        assert [(one.name, one.rank) for one in classes.ladder] == [
            ("public", 100),
            ("internal", 200),
            ("confidential", 300),
            ("patient", 350),
            ("restricted", 400),
        ]
        patient = classes.get("patient")
        assert patient is not None
        assert patient.requirement == Requirement(
            regions=("eu", "de"), most_retention_days=7, baa=True, no_training=True, dpa=True
        )
        assert {one.name for one in await store.data_classes(conn)} == {"patient", "confidential"}
        await rooms.classes.remove(conn, organization_id=ORG, name="patient")
        left = await rooms.classes.remove(conn, organization_id=ORG, name="confidential")
        assert left.get("patient") is None
        assert await store.data_classes(conn) == []
        with pytest.raises(NotFoundError):
            await rooms.classes.remove(conn, organization_id=ORG, name="confidential")


async def test_a_class_that_cannot_be_is_refused_with_the_reason(
    database: Database, rooms: Rooms, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[dict[str, Any], tuple[str, str]], ...] = (
        ({"name": "Patient", "rank": 350}, ("invalid_name", "name")),
        ({"name": "", "rank": 350}, ("invalid_name", "name")),
        ({"name": "patient", "rank": None}, ("invalid_request", "rank")),
        ({"name": "patient", "rank": 0}, ("invalid_request", "rank")),
        ({"name": "patient", "rank": 1001}, ("invalid_request", "rank")),
        ({"name": "patient", "rank": 400}, ("rank_taken", "rank")),
        ({"name": "confidential", "rank": 301}, ("invalid_request", "rank")),
        ({"name": "restricted", "rank": None, "no_training": True}, ("own_key_only", "requirement.own_key_only")),
        ({"name": "patient", "rank": 350, "regions": ("EU",)}, ("invalid_request", "regions")),
        ({"name": "patient", "rank": 350, "most_retention_days": -1}, ("invalid_request", "most_retention_days")),
        ({"name": "patient", "rank": 350, "regions": ("us",)}, ("regions_conflict", "requirement.regions")),
    )
    async with database.write() as conn:
        await rooms.set_class(conn, "european", 150, regions=("eu",))
    for asked, refusal in cases:
        with subtests.test(asked=asked):
            with pytest.raises(KeysteadError) as refused:
                async with database.write() as conn:
                    await rooms.set_class(conn, **asked)
            assert (refused.value.code, refused.value.param) == refusal
            async with database.read() as conn:
                assert [one.name for one in await store.data_classes(conn)] == ["european"]


async def test_a_class_that_somebody_names_is_not_removed(database: Database, rooms: Rooms) -> None:
    async with database.write() as conn:
        await rooms.set_class(conn, "phi", 350, baa=True)
        consent = await rooms.consent(conn, data_classes=("phi",))
        recognizer = await rooms.recognizer(conn, action="raise", data_class="phi")
        team = {"id": "team_1", "organization_id": ORG, "name": "Ward", "data_class": "phi", "created_at": 1}
        await conn.execute(insert(schema.teams).values(team))
        for user, pull in (
            ("The team 'Ward'", lambda: conn.execute(schema.teams.update().values(data_class=""))),
            (
                "The recogniser 'cards'",
                lambda: rooms.recognizers.remove(conn, organization_id=ORG, recognizer=recognizer.id),
            ),
            (
                f"The consent {consent.id}",
                lambda: rooms.consents.revoke(conn, organization_id=ORG, consent_id=consent.id),
            ),
        ):
            with pytest.raises(ConflictError) as used:
                await rooms.classes.remove(conn, organization_id=ORG, name="phi")
            assert used.value.message == f"{user} names the data class 'phi'."
            await pull()
        assert (await rooms.classes.remove(conn, organization_id=ORG, name="phi")).get("phi") is None


async def test_a_recogniser_is_added_listed_and_removed(database: Database, rooms: Rooms) -> None:
    async with database.write() as conn:
        cards = await rooms.recognizer(conn)
        rooms.clock.advance(1)
        own = await rooms.recognizer(
            conn, name="apollo", kind="pattern", pattern="APOLLO-[0-9]+", action="raise", data_class="confidential"
        )
        assert await rooms.recognizers.list(conn, ORG) == [own, cards]
        assert await store.recognizers(conn) == [cards, own]
        assert await rooms.recognizers.get(conn, ORG, "apollo") == own
        assert await rooms.recognizers.remove(conn, organization_id=ORG, recognizer="apollo") == own
        assert await store.recognizers(conn) == [cards]


async def test_a_recogniser_that_is_not_one_is_refused_with_the_reason(
    database: Database, rooms: Rooms, subtests: pytest.Subtests
) -> None:
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"name": "cards"}, "name_taken", "name"),
        ({"name": "two words"}, "invalid_name", "name"),
        ({"kind": "passport"}, "invalid_request", "kind"),
        ({"kind": "pattern"}, "pattern_invalid", "pattern"),
        ({"kind": "pattern", "pattern": "("}, "pattern_invalid", "pattern"),
        ({"pattern": "x"}, "invalid_request", "pattern"),
        ({"action": "log"}, "invalid_request", "action"),
        ({"action": "raise"}, "data_class_unknown", "data_class"),
        ({"action": "raise", "data_class": "phi"}, "data_class_unknown", "data_class"),
        ({"data_class": "restricted"}, "invalid_request", "data_class"),
    )
    async with database.write() as conn:
        cards = await rooms.recognizer(conn)
    for changes, code, param in cases:
        with subtests.test(changes=changes):
            async with database.write() as conn:
                with pytest.raises(KeysteadError) as refused:
                    await rooms.recognizer(conn, **{"name": "other", **changes})
                assert (refused.value.code, refused.value.param) == (code, param)
                assert await store.recognizers(conn) == [cards]
