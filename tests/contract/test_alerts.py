"""Alerts on each engine: opened, counted and resolved from what the journal wrote and from how things stand."""

import asyncio
from typing import Any, Final

import pytest
from sqlalchemy import exc, insert, update

from keystead.alerts import keys, store
from keystead.alerts.store import KEPT_US, Alerts
from keystead.alerts.views import AlertKind, KeyRefused, state_of
from keystead.domain.clock import DAY_US
from keystead.domain.errors import ConflictError, NotFoundError
from keystead.domain.ids import OrganizationId
from keystead.domain.money import PICO_PER_UNIT
from keystead.domain.traffic import ErrorClass
from keystead.ledger.store import Ledger
from keystead.limits.store import Budgets
from keystead.limits.views import NewBudget
from keystead.storage import governance, schema
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.plans import plans_of
from tests.fakes.watched import ORGANIZATION, TEAM, Scene, scene_on

REFUSED: Final = AlertKind.CREDENTIAL_REFUSED


@pytest.fixture
async def scene(database: Database, clock: FakeClock) -> Scene:
    return await scene_on(database, clock)


async def test_a_refused_key_opens_one_alert_that_counts_and_resolves_when_it_works_again(scene: Scene) -> None:
    await scene.call(ErrorClass.AUTH_FAILED, 401)
    await scene.call(ErrorClass.AUTH_FAILED, 401, model_sent="gpt-5-mini")
    [opened] = await scene.look()
    assert (opened.kind, opened.subject_id, opened.subject, opened.count) == (REFUSED, "cred_1", "main", 2)
    assert isinstance(opened.detail, KeyRefused)
    assert (opened.detail.upstream_status, opened.detail.model, opened.detail.version) == (401, "gpt-5-mini", 1)
    assert await scene.look() == [opened], "what is counted is not counted again"

    await scene.call(ErrorClass.AUTH_FAILED, 401)
    [counted] = await scene.look()
    assert (counted.id, counted.count, state_of(counted)) == (opened.id, 3, "open")
    await scene.call()
    [resolved] = await scene.look()
    assert (resolved.id, state_of(resolved)) == (opened.id, "resolved")
    assert await scene.told() == [("alert.opened", REFUSED), ("alert.resolved", REFUSED)]

    await scene.call(ErrorClass.AUTH_FAILED, 401)
    assert [(state_of(alert), alert.count) for alert in await scene.look()] == [("resolved", 3), ("open", 1)]
    samples = [sample for metric in scene.metrics.alerts.collect() for sample in metric.samples]
    assert {tuple(one.labels.values()): one.value for one in samples if one.name.endswith("_total")} == {
        (REFUSED, "opened"): 2,
        (REFUSED, "resolved"): 1,
    }


async def test_a_success_that_came_before_the_last_failure_mends_nothing(scene: Scene) -> None:
    await scene.call(ErrorClass.AUTH_FAILED, 401)
    await scene.look()
    await scene.call()
    await scene.call(ErrorClass.AUTH_FAILED, 401)
    assert [(alert.count, state_of(alert)) for alert in await scene.look()] == [(2, "open")]


async def test_each_cause_has_its_alert_and_only_of_own_keys(scene: Scene) -> None:
    await scene.call(ErrorClass.OUT_OF_FUNDS, 402)
    await scene.call(ErrorClass.PERMISSION_DENIED, 403)
    await scene.call(ErrorClass.AUTH_FAILED, 401, owner="platform", credential_id="cred_pool")
    await scene.call(ErrorClass.THROTTLED, 429)
    found = {(alert.kind, alert.subject_id) for alert in await scene.look()}
    assert found == {(REFUSED, "cred_1"), (AlertKind.CREDENTIAL_OUT_OF_FUNDS, "cred_1")}


async def test_a_right_that_lacks_for_one_model_is_not_there_because_another_is_served(scene: Scene) -> None:
    await scene.call(ErrorClass.PERMISSION_DENIED, 403, model_sent="o9")
    await scene.call()
    assert [state_of(alert) for alert in await scene.look()] == ["open"]
    await scene.call(model_sent="o9")
    assert [state_of(alert) for alert in await scene.look()] == ["resolved"]


@pytest.mark.parametrize(
    ("error_class", "change", "resolved"),
    [
        (ErrorClass.AUTH_FAILED, {"state": "revoked"}, True),
        (ErrorClass.OUT_OF_FUNDS, {"state": "revoked"}, True),
        (ErrorClass.AUTH_FAILED, {"probe_result": '{"outcome":"valid"}'}, True),
        (ErrorClass.AUTH_FAILED, {"probe_result": '{"outcome":"invalid"}'}, False),
        (ErrorClass.OUT_OF_FUNDS, {"probe_result": '{"outcome":"valid"}'}, False),
    ],
)
async def test_a_key_that_is_replaced_or_found_good_needs_no_alert(
    scene: Scene, error_class: ErrorClass, change: dict[str, Any], *, resolved: bool
) -> None:
    await scene.call(error_class, 401)
    await scene.look()
    async with scene.database.write() as conn:
        await conn.execute(update(schema.credential_versions).values(change | {"probed_at": scene.clock.now_us()}))
    assert [state_of(alert) for alert in await scene.look()] == ["resolved" if resolved else "open"]


async def test_two_that_look_at_once_count_each_failure_once(scene: Scene) -> None:
    for _ in range(5):
        await scene.call(ErrorClass.AUTH_FAILED, 401)
    outcomes = await asyncio.gather(*[scene.watch.look() for _ in range(4)], return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, exc.IntegrityError) for outcome in outcomes)
    assert [alert.count for alert in await scene.look()] == [5]


async def test_many_failures_are_counted_in_parts(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "BATCH", 2)
    for _ in range(5):
        await scene.call(ErrorClass.AUTH_FAILED, 401)
    assert [alert.count for alert in await scene.look()] == [5]


async def test_a_budget_alerts_with_its_teams_when_it_refuses_and_resolves_with_its_end(scene: Scene) -> None:
    new = NewBudget(name="daily", scope_kind="team", scope_id=TEAM, period="day", limit_pico=PICO_PER_UNIT)
    async with scene.database.write() as conn:
        budgets = Budgets(scene.clock)
        budget = await budgets.create(conn, organization_id=ORGANIZATION, actor_id="mem_1", new=new)
    await scene.refused(budget.id)
    await scene.refused(budget.id)
    [alert] = await scene.look()
    assert (alert.kind, alert.team_id, alert.count) == (AlertKind.BUDGET_REACHED, TEAM, 2)
    await scene.refused(budget.id)
    assert [alert.count for alert in await scene.look()] == [3]
    assert [alert.count for alert in await scene.look()] == [3]
    scene.clock.advance(2 * 3600)
    assert [state_of(alert) for alert in await scene.look()] == ["resolved"], "most of it is left"
    scene.clock.advance(1)
    await scene.refused(budget.id)
    await scene.look()
    async with scene.database.write() as conn:
        await budgets.end(conn, organization_id=ORGANIZATION, budget=budget.id)
    assert [state_of(alert) for alert in await scene.look()] == ["resolved", "resolved"]


async def test_a_budget_alerts_as_it_fills_in_the_time_zone_of_its_organization(scene: Scene) -> None:
    new = NewBudget(
        name="soft", scope_kind="organization", scope_id=ORGANIZATION, period="day", limit_pico=100, hard=False
    )
    async with scene.database.write() as conn:
        await conn.execute(update(schema.organizations).values(time_zone="Asia/Tokyo"))
        budget = await Budgets(scene.clock).create(conn, organization_id=ORGANIZATION, actor_id="mem_1", new=new)
        counter = {"counter_id": budget.id, "organization_id": ORGANIZATION, "ceiling": 0, "held": 0}
        began_at = scene.clock.now_us() - 9 * 3600 * 1_000_000  # midnight in Tokyo, as the clock starts at one of UTC
        await conn.execute(insert(governance.counters).values(counter | {"bucket_at": began_at, "spent": 80}))
    assert [alert.kind for alert in await scene.look()] == [AlertKind.BUDGET_NEAR]
    async with scene.database.write() as conn:
        await conn.execute(update(governance.counters).values(spent=100))
    assert {alert.kind for alert in await scene.look()} == {AlertKind.BUDGET_NEAR, AlertKind.BUDGET_REACHED}
    scene.clock.advance(86_400)
    assert {state_of(alert) for alert in await scene.look()} == {"resolved"}


async def test_credits_contracts_consents_and_keys_alert_as_they_run_out(scene: Scene) -> None:
    soon = scene.clock.now_us() + 3 * DAY_US
    key = {
        "organization_id": ORGANIZATION,
        "team_id": TEAM,
        "principal_kind": "member",
        "principal_id": "mem_1",
        "digest": b"",
        "data_class": "",
        "created_by": "mem_1",
        "expires_at": soon,
    }
    consent = {
        "id": "con_1",
        "organization_id": ORGANIZATION,
        "data_classes": '["public"]',
        "reasons": '["down"]',
        "daily_cap_pico": 100,
        "monthly_cap_pico": 100,
        "note": "",
        "created_at": 1,
        "created_by": "mem_1",
        "expires_at": soon,
    }
    async with scene.database.write() as conn:
        account = await Ledger(scene.clock).open_account(conn, ORGANIZATION, actor_id="ledger")
        await conn.execute(insert(schema.virtual_keys).values(key | {"id": "vk_1", "name": "old", "created_at": 1}))
        young = {"id": "vk_2", "name": "young", "created_at": scene.clock.now_us()}
        await conn.execute(insert(schema.virtual_keys).values(key | young))
        await conn.execute(insert(governance.consents).values(consent))
        await conn.execute(update(schema.credentials).values(terms=f'{{"ends_at":{soon}}}'))
        spent = update(governance.counters).where(governance.counters.c.counter_id == account)
        await conn.execute(spent.values(spent=governance.counters.c.ceiling * 9 // 10))
    found = {alert.kind: alert for alert in await scene.look()}
    assert {kind: alert.subject_id for kind, alert in found.items()} == {
        AlertKind.CREDITS_LOW: account,
        AlertKind.CREDENTIAL_CONTRACT_ENDS: "cred_1",
        AlertKind.CONSENT_ENDS: "con_1",
        AlertKind.VIRTUAL_KEY_EXPIRES: "vk_1",
    }
    assert found[AlertKind.VIRTUAL_KEY_EXPIRES].team_id == TEAM
    async with scene.database.write() as conn:
        top_up: dict[str, Any] = {
            "organization_id": ORGANIZATION,
            "amount": 100 * PICO_PER_UNIT,
            "reference": "1",
            "actor_id": "mem_1",
        }
        await Ledger(scene.clock).top_up(conn, **top_up)
        for table in (schema.virtual_keys, governance.consents, schema.credentials):
            await conn.execute(update(table).values(revoked_at=scene.clock.now_us()))
    assert {state_of(alert) for alert in await scene.look()} == {"resolved"}


async def test_alerts_are_the_organizations_and_of_the_teams_asked_for(scene: Scene, clock: FakeClock) -> None:
    await scene.call(ErrorClass.AUTH_FAILED, 401)
    [alert] = await scene.look()
    alerts = Alerts(clock)
    async with scene.database.write() as conn:
        assert await alerts.list(conn, OrganizationId("org_2")) == []
        assert await alerts.list(conn, ORGANIZATION, team_ids=frozenset({TEAM})) == []
        for organization, team_ids in ((OrganizationId("org_2"), None), (ORGANIZATION, frozenset({TEAM}))):
            with pytest.raises(NotFoundError):
                await alerts.get(conn, organization, alert.id, team_ids=team_ids)
        assert await alerts.list(conn, ORGANIZATION, until=alert.first_at) == []
        assert await alerts.list(conn, ORGANIZATION, since=clock.now_us() + DAY_US) == [alert], "it is open still"


async def test_whoever_has_seen_an_alert_says_so_until_it_is_resolved(scene: Scene, clock: FakeClock) -> None:
    await scene.call(ErrorClass.AUTH_FAILED, 401)
    [alert] = await scene.look()
    whose: dict[str, Any] = {"organization_id": ORGANIZATION, "alert_id": alert.id}
    async with scene.database.write() as conn:
        seen = await Alerts(clock).acknowledge(conn, actor_id="mem_1", **whose)
        assert (state_of(seen), seen.acknowledged_by) == ("acknowledged", "mem_1")
        assert await Alerts(clock).acknowledge(conn, actor_id="mem_2", **whose) == seen
    await scene.call(ErrorClass.AUTH_FAILED, 401)
    assert [(state_of(one), one.count) for one in await scene.look()] == [("acknowledged", 2)]
    await scene.call()
    await scene.look()
    async with scene.database.write() as conn:
        with pytest.raises(ConflictError):
            await Alerts(clock).acknowledge(conn, actor_id="mem_1", **whose)


async def test_what_was_resolved_long_ago_is_forgotten(scene: Scene, clock: FakeClock) -> None:
    await scene.call(ErrorClass.AUTH_FAILED, 401)
    await scene.call()
    await scene.look()
    await scene.call(ErrorClass.AUTH_FAILED, 401)
    await scene.look()
    async with scene.database.write() as conn:
        assert await store.forget(conn, now=clock.now_us() + KEPT_US // 2) == 0
        assert await store.forget(conn, now=clock.now_us() + 2 * KEPT_US) == 1
    assert [state_of(alert) for alert in await scene.alerts()] == ["open"]


async def test_looking_for_failures_reads_the_index_of_those_and_not_the_log(database: Database) -> None:
    async def look() -> None:
        async with database.read() as conn:
            assert not await keys.are_waiting(conn)

    plans = await plans_of(database, look, reading="attempts")
    assert plans
    if database.engine_name == "sqlite":
        assert all("attempts USING INDEX ix_attempts_unnoticed" in plan for plan in plans)
