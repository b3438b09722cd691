"""Routes on each engine: created, listed, changed, deleted, and compiled for the data plane."""

from typing import Any

import pytest
from sqlalchemy import insert, update

from keystead.domain.errors import CallerError, ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.ids import CredentialId, OrganizationId, new_id
from keystead.domain.routes import ModelRoute, RouteAttempt
from keystead.routing.store import (
    MAX_ATTEMPTS,
    MAX_WEIGHT,
    AttemptGiven,
    ModelRoutes,
    RouteView,
    model_routes,
)
from keystead.storage.database import Database
from keystead.storage.schema import credentials
from tests.fakes.clock import FakeClock

OURS = OrganizationId("org_1")
THEIRS = OrganizationId("org_2")
PROVIDERS = ("openai", "anthropic", "azure")
OWN = AttemptGiven(credential="main", model="gpt-5")
ANY = AttemptGiven(provider="anthropic", model="claude-sonnet-4-5")


class House:
    """Two organizations with a credential each and a platform credential, each call in a transaction of its own."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self.routes = ModelRoutes(clock, providers=PROVIDERS)

    async def add_credential(self, identifier: str, *, organization_id: str, name: str, owner: str = "own") -> None:
        row = {
            "id": identifier,
            "organization_id": organization_id,
            "name": name,
            "provider": "openai",
            "origin": "https://api.openai.com",
            "settings": "{}",
            "owner": owner,
            "region": "",
            "on_disconnect": "drain",
            "terms": "{}",
            "created_at": 1,
            "created_by": "mem_1",
        }
        async with self.database.write() as conn:
            await conn.execute(insert(credentials).values(row))

    async def create(self, *attempts: AttemptGiven, **changes: Any) -> RouteView:
        self.clock.advance(1)
        given: dict[str, Any] = {
            "organization_id": OURS,
            "actor_id": "mem_1",
            "name": "coding",
            "strategy": "ordered",
            "sticky": False,
            "attempts": attempts or (OWN, ANY),
        }
        async with self.database.write() as conn:
            return await self.routes.create(conn, **(given | changes))

    async def change(self, model_route: str = "coding", **changes: Any) -> RouteView:
        given: dict[str, Any] = {"organization_id": OURS, "model_route": model_route}
        async with self.database.write() as conn:
            return await self.routes.change(conn, **(given | changes))

    async def get(self, model_route: str, organization_id: OrganizationId = OURS) -> RouteView:
        async with self.database.read() as conn:
            return await self.routes.get(conn, organization_id, model_route)

    async def delete(self, model_route: str, organization_id: OrganizationId = OURS) -> RouteView:
        async with self.database.write() as conn:
            return await self.routes.delete(conn, organization_id=organization_id, model_route=model_route)

    async def listed(self, organization_id: OrganizationId = OURS, **page: Any) -> list[RouteView]:
        async with self.database.read() as conn:
            return await self.routes.list(conn, organization_id, **page)

    async def compiled(self) -> list[ModelRoute]:
        async with self.database.read() as conn:
            return await model_routes(conn)

    async def refused(self, *attempts: AttemptGiven, **changes: Any) -> CallerError:
        """Try to create what is refused, see that nothing of it stays, and return the refusal."""
        before = await self.compiled()
        with pytest.raises(CallerError) as caught:
            await self.create(*attempts, **changes)
        assert await self.compiled() == before
        return caught.value


@pytest.fixture
async def house(database: Database, clock: FakeClock) -> House:
    house = House(database, clock)
    await house.add_credential("cred_1", organization_id=OURS, name="main")
    await house.add_credential("cred_2", organization_id=THEIRS, name="theirs")
    await house.add_credential("cred_3", organization_id="org_operator", name="credits", owner="platform")
    return house


async def test_a_route_is_kept_as_it_was_written(house: House) -> None:
    timed = AttemptGiven(credential="cred_1", model="gpt-5-mini", weight=7, first_byte_timeout_s=2.5)
    created = await house.create(timed, ANY, strategy="weighted", sticky=True, unsupported="drop")
    assert await house.get("coding") == await house.get(created.id) == created
    assert await house.listed() == [created]
    assert (created.created_at, created.created_by) == (house.clock.now_us(), "mem_1")
    first, second = created.attempts
    assert (first.credential_id, first.credential, first.provider) == ("cred_1", "main", None)
    assert (second.credential_id, second.credential, second.provider) == (None, None, "anthropic")
    assert await house.compiled() == [
        ModelRoute(
            id=created.id,
            organization_id=OURS,
            name="coding",
            strategy="weighted",
            sticky=True,
            unsupported="drop",
            attempts=(
                RouteAttempt(
                    credential_id=CredentialId("cred_1"), model="gpt-5-mini", weight=7, first_byte_timeout_s=2.5
                ),
                RouteAttempt(provider="anthropic", model="claude-sonnet-4-5"),
            ),
        )
    ]


async def test_a_route_may_have_a_real_models_name_and_send_that_model(house: House) -> None:
    created = await house.create(OWN, name="gpt-5")
    assert (created.name, created.attempts[0].model) == ("gpt-5", "gpt-5")


async def test_what_an_attempt_sends_is_a_model_whatever_routes_there_are(house: House) -> None:
    await house.create(name="coding")
    created = await house.create(AttemptGiven(credential="main", model="coding"), name="other")
    assert created.attempts[0].model == "coding"


async def test_the_platforms_credentials_can_be_named_and_own_ones_go_before_them(house: House) -> None:
    created = await house.create(OWN, AttemptGiven(credential="credits", model="gpt-5"))
    assert [attempt.credential_id for attempt in created.attempts] == ["cred_1", "cred_3"]
    await house.add_credential("cred_4", organization_id=OURS, name="credits")
    created = await house.create(AttemptGiven(credential="credits", model="gpt-5"), name="other")
    assert created.attempts[0].credential_id == "cred_4"


async def test_routes_are_listed_newest_first_in_pages(house: House) -> None:
    created = [await house.create(name=f"route-{number}") for number in range(5)][::-1]
    await house.create(ANY, organization_id=THEIRS)
    first = await house.listed(limit=2)
    assert first == created[:2]
    assert await house.listed(before=first[-1].id) == created[2:]


async def test_a_change_replaces_what_is_given_and_nothing_else(house: House) -> None:
    created = await house.create()
    changed = await house.change(attempts=[ANY])
    assert changed.attempts == (created.attempts[1],)
    assert (changed.id, changed.strategy, changed.created_at) == (created.id, created.strategy, created.created_at)
    changed = await house.change(created.id, strategy="weighted", sticky=True)
    assert (changed.strategy, changed.sticky, changed.attempts) == ("weighted", True, (created.attempts[1],))
    assert await house.get("coding") == changed


async def test_a_change_that_is_refused_changes_nothing(house: House) -> None:
    created = await house.create(strategy="weighted", sticky=True)
    with pytest.raises(InvalidRequestError) as caught:
        await house.change(strategy="fastest", attempts=[ANY])
    assert caught.value.param == "sticky"
    with pytest.raises(NotFoundError):
        await house.change(attempts=[AttemptGiven(credential="theirs", model="gpt-5")])
    assert await house.get("coding") == created


async def test_a_deleted_route_is_gone_and_its_name_free(house: House) -> None:
    created = await house.create()
    assert await house.delete("coding") == created
    assert await house.compiled() == []
    with pytest.raises(NotFoundError):
        await house.get(created.id)
    assert (await house.create()).id != created.id


async def test_a_route_outlives_its_credential_and_says_its_name(house: House) -> None:
    created = await house.create(OWN)
    async with house.database.write() as conn:
        await conn.execute(update(credentials).where(credentials.c.id == "cred_1").values(revoked_at=5))
    assert await house.get("coding") == created
    refusal = await house.refused(OWN, name="other")
    assert (refusal.code, refusal.param) == ("credential_not_found", "attempts[0].credential")


async def test_another_organizations_route_is_not_found_like_one_that_never_was(house: House) -> None:
    created = await house.create()
    for reference in (created.id, "coding", new_id("route", 1)):
        messages = set()
        for act in (house.get, house.delete):
            with pytest.raises(NotFoundError) as caught:
                await act(reference, THEIRS)
            messages.add((caught.value.message.replace(reference, "…"), caught.value.code))
        with pytest.raises(NotFoundError) as caught:
            await house.change(reference, organization_id=THEIRS, strategy="fastest")
        messages.add((caught.value.message.replace(reference, "…"), caught.value.code))
        assert messages == {("There is no route '…'.", "route_not_found")}
    assert await house.listed(THEIRS) == []
    assert await house.get("coding") == created


async def test_another_organizations_credential_is_unknown_like_one_that_never_was(house: House) -> None:
    for reference in ("theirs", "cred_2", "nobody"):
        refusal = await house.refused(AttemptGiven(credential=reference, model="gpt-5"))
        assert isinstance(refusal, NotFoundError)
        assert refusal.message == f"There is no usable credential {reference!r}."


async def test_a_name_is_a_routes_alone(house: House, subtests: pytest.Subtests) -> None:
    await house.create()
    for name in ("coding", "main", "openai"):
        with subtests.test(name=name):
            refusal = await house.refused(name=name)
            assert isinstance(refusal, ConflictError)
            assert (refusal.code, refusal.param) == ("name_taken", "name")


async def test_each_organization_has_names_of_its_own(house: House) -> None:
    await house.create()
    await house.create(ANY, organization_id=THEIRS)
    await house.create(ANY, organization_id=THEIRS, name="main")
    assert len(await house.compiled()) == 3


async def test_a_name_that_could_mean_something_else_is_refused(house: House, subtests: pytest.Subtests) -> None:
    cases: tuple[str, ...] = (
        "",
        "a/b",
        "a b",
        ".a",
        "-a",
        "a*",
        "a?",
        "[a]",
        "ä",
        "a\n",
        "a" * 101,
        "route_01mcc5rm00fhbbhdzpnc3nr3pf",
    )
    for name in cases:
        with subtests.test(name=name):
            refusal = await house.refused(name=name)
            assert isinstance(refusal, InvalidRequestError)
            assert (refusal.code, refusal.param) == ("invalid_name", "name")


async def test_an_attempt_that_is_not_one_is_refused_with_its_place(house: House, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[AttemptGiven, str], ...] = (
        (AttemptGiven(model="gpt-5"), "attempts[1]"),
        (AttemptGiven(model="gpt-5", credential="main", provider="openai"), "attempts[1]"),
        (AttemptGiven(model="gpt-5", provider="nobody"), "attempts[1].provider"),
        (AttemptGiven(model="", provider="openai"), "attempts[1].model"),
        (AttemptGiven(model="gpt 5", provider="openai"), "attempts[1].model"),
        (AttemptGiven(model="sk-proj-abcdefgh", provider="openai"), "attempts[1].model"),
        (AttemptGiven(model="gpt-5", provider="openai", weight=0), "attempts[1].weight"),
        (AttemptGiven(model="gpt-5", provider="openai", weight=-1), "attempts[1].weight"),
        (AttemptGiven(model="gpt-5", provider="openai", weight=MAX_WEIGHT + 1), "attempts[1].weight"),
        *(
            (
                AttemptGiven(model="gpt-5", provider="openai", first_byte_timeout_s=bad),
                "attempts[1].first_byte_timeout_s",
            )
            for bad in (0.0, -1.0, 1e309, float("nan"), 7200.1)
        ),
        (AttemptGiven(model="gpt-5", credential="cred_1"), "attempts[1]"),
    )
    for attempt, param in cases:
        with subtests.test(attempt=attempt):
            refusal = await house.refused(OWN, attempt)
            assert isinstance(refusal, InvalidRequestError)
            assert refusal.param == param


async def test_a_route_has_some_attempts_and_not_too_many(house: House, subtests: pytest.Subtests) -> None:
    for count in (0, MAX_ATTEMPTS + 1):
        with subtests.test(count=count):
            attempts = [AttemptGiven(provider="openai", model=f"model-{number}") for number in range(count)]
            refusal = await house.refused(attempts=attempts)
            assert (type(refusal), refusal.param) == (InvalidRequestError, "attempts")


@pytest.mark.parametrize(
    ("strategy", "sticky", "param"),
    [("random", False, "strategy"), ("ordered", True, "sticky"), ("fastest", True, "sticky")],
)
async def test_a_strategy_that_makes_no_sense_is_refused(
    house: House, strategy: str, param: str, *, sticky: bool
) -> None:
    refusal = await house.refused(strategy=strategy, sticky=sticky)
    assert (type(refusal), refusal.param) == (InvalidRequestError, param)
