"""Rules from values, and a gateway in memory that decides about requests by them and records what became of them.

It decides in the order of the real one (who, which credential, how fast, how much) and keeps its books in the plainest
way: a list of what was spent and held, added up anew for every question.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from keystead.dialects.asked import Asked
from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import KeysteadError
from keystead.domain.grants import Consent, DataClass, Grant, Reason
from keystead.domain.ids import CredentialId, OrganizationId, TeamId, VirtualKeyId
from keystead.domain.means import Budget, Hold, RateLimit
from keystead.domain.records import FREE
from keystead.domain.routes import ModelRoute
from keystead.domain.traffic import Dialect, Endpoint, ErrorClass, OnDisconnect, Owner, State
from keystead.domain.usage import NOTHING, Reading, Usage, UsageSource
from keystead.gateway.consent import consent_for
from keystead.gateway.means import Means, posts
from keystead.gateway.pace import Pace
from keystead.gateway.plan import Plan, Question, Step, plan_for
from keystead.gateway.rules import Caller, Rules, caller_of
from keystead.identity.views import TeamFacts
from keystead.limits.holds import BudgetRules
from keystead.limits.rates import Admission, RateRules, Rates
from keystead.metering.outline import Outline
from keystead.metering.prices import load_snapshot
from keystead.metering.pricing import cost_of
from keystead.metering.recorded import Recorded, Tried
from keystead.policy.access import AccessRules
from keystead.policy.classes import DataClasses
from keystead.policy.facts import Facts
from keystead.routing.verdict import reason_of
from tests.fakes.clock import FakeClock

ORGANIZATION: Final = OrganizationId("org_1")
TEAM: Final = TeamId("team_1")
MODEL: Final = "gpt-5"


def credential(name: str, *, owner: Owner = Owner.OWN, **more: Any) -> Credential:
    values: dict[str, Any] = {
        "id": CredentialId(f"cred_{name}"),
        "organization_id": ORGANIZATION if owner is Owner.OWN else OrganizationId("org_operator"),
        "name": name,
        "provider": "openai",
        "origin": f"https://{name}.example",
        "settings": {},
        "owner": owner,
        "region": "",
        "models": None,
        "on_disconnect": OnDisconnect.DRAIN,
        "active": SealedVersion(version=1, state=VersionState.ACTIVE, sealed=b""),
    }
    return Credential(**values | more)


def grant(name: str = "all", **changes: Any) -> Grant:
    values: dict[str, Any] = {
        "id": f"grt_{name}",
        "organization_id": ORGANIZATION,
        "effect": "allow",
        "subject_kind": "organization",
        "subject_id": ORGANIZATION,
        "credential_ids": None,
        "models": None,
        "endpoints": None,
        "condition": "",
        "expires_at": None,
    }
    return Grant(**values | changes)


def budget(limit_pico: int, **changes: Any) -> Budget:
    values: dict[str, Any] = {
        "id": "bud_1",
        "organization_id": ORGANIZATION,
        "name": "all",
        "scope_kind": "organization",
        "scope_id": ORGANIZATION,
        "period": "day",
        "rolling_hours": 0,
        "limit_pico": limit_pico,
        "currency": "USD",
        "hard": True,
        "alert_percent": 80,
        "unpriced": "refuse",
        "unpriced_hold_pico": 0,
        "ends_at": None,
    }
    return Budget(**values | changes)


def rate_limit(measure: str, most: int, **changes: Any) -> RateLimit:
    values: dict[str, Any] = {
        "id": f"lim_{measure}",
        "organization_id": ORGANIZATION,
        "name": measure,
        "scope_kind": "organization",
        "scope_id": ORGANIZATION,
        "measure": measure,
        "most": most,
    }
    return RateLimit(**values | changes)


def virtual_key(name: str = "key", **changes: Any) -> VirtualKey:
    values: dict[str, Any] = {
        "id": VirtualKeyId(f"vk_{name}"),
        "organization_id": ORGANIZATION,
        "team_id": TEAM,
        "principal_kind": "member",
        "principal_id": "mem_1",
        "name": name,
        "digest": b"",
        "models": None,
        "credential_ids": None,
        "expires_at": None,
        "revoked_at": None,
    }
    return VirtualKey(**values | changes)


def rules(
    *credentials: Credential,
    grants: Iterable[Grant] = (),
    routes: Iterable[ModelRoute] = (),
    budgets: Iterable[Budget] = (),
    limits: Iterable[RateLimit] = (),
    consents: Iterable[Consent] = (),
    classes: Iterable[DataClass] = (),
    team_class: str = "",
    time_zone: str = "UTC",
    prepaid_account: str | None = None,
) -> Rules:
    """Return an organization's rules; without grants everybody may use every own credential."""
    team = TeamFacts(id=TEAM, organization_id=ORGANIZATION, parent_id=None, data_class=team_class, cost_centers=())
    return Rules(
        organization_id=ORGANIZATION,
        time_zone=time_zone,
        credentials=credentials,
        teams={TEAM: team},
        access=AccessRules(list(grants) or [grant()]),
        classes=DataClasses(classes),
        recognizers=None,
        routes={route.name: route for route in routes},
        consents=tuple(consents),
        budgets=BudgetRules(budgets),
        rates=RateRules(limits),
        prepaid_account=prepaid_account,
    )


def means(clock: FakeClock | None = None) -> Means:
    """Return the prices of the shipped list."""
    return Means(
        price_book=_BOOK, credit_value_pico=10_000_000_000, revenue_account="acc_r", clock=clock or FakeClock()
    )


_BOOK: Final = load_snapshot()


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A request that somebody makes, and what providers would make of it."""

    at: int
    model: str = MODEL
    key: str = "vk_key"
    body_bytes: int = 400
    max_output_tokens: int | None = 100
    said: str = ""
    tags: Mapping[str, str] = {}
    stream: bool = False
    lasts_us: int = 1_000_000
    input_tokens: int = 100
    output_tokens: int = 50
    failing: Mapping[str, ErrorClass] = {}
    """What credentials answer instead of an answer, by name; at once."""


class Traffic:
    """A gateway in memory."""

    def __init__(self, by: Rules, *keys: VirtualKey) -> None:
        self._rules = by
        self._keys = {key.id: key for key in keys or (virtual_key(),)}
        self._clock = FakeClock()
        self._means = means(self._clock)
        self._rates = Rates(clock=self._clock)
        self._pace = Pace(self._rates, self._clock)
        self._counted: list[tuple[str, int, int]] = []
        """Counter, bucket, amount."""
        self._running: list[tuple[int, Sequence[Hold], Sequence[int], Admission | None, int]] = []
        self._number = 0

    async def record(self, *asked: Asking) -> list[Recorded]:
        """Take requests, oldest first; return their records."""
        return [await self._one(one) for one in asked]

    async def _one(self, asked: Asking) -> Recorded:
        self._number += 1
        await self._until(asked.at)
        caller = caller_of(self._keys[VirtualKeyId(asked.key)], self._rules)
        record = _record(asked, self._number, caller)
        try:
            plan = plan_for(_question(caller, asked))
            admission = await self._pace.admit(caller, plan, record)
        except KeysteadError as error:
            return _refused(record, error)
        tried, last = self._walk(caller, plan, asked, record)
        if isinstance(last, KeysteadError):
            await self._pace.done(admission, 0)
            return _refused(record, last)
        holds, spent, answered = last
        tokens = asked.input_tokens + asked.output_tokens if answered else 0
        ends_at = asked.at + (asked.lasts_us if answered else 0)
        self._running.append((ends_at, holds, spent, admission, tokens))
        return msgspec.structs.replace(
            record,
            state=State.SETTLED if answered else State.REJECTED,
            finished_at=ends_at,
            tried=tuple(tried),
            input_tokens=asked.input_tokens if answered else 0,
            output_tokens=asked.output_tokens if answered else 0,
        )

    def _walk(
        self, caller: Caller, plan: Plan, asked: Asking, record: Recorded
    ) -> tuple[list[Tried], KeysteadError | tuple[Sequence[Hold], Sequence[int], bool]]:
        tried: list[Tried] = []
        own_seen, reason, last = False, None, None
        refusal: KeysteadError | None = None
        for step in (*(step for group in plan.groups for step in group), *plan.reserve):
            try:
                consent = None
                if step.is_platform and own_seen:
                    consent = consent_for(
                        step, caller, plan, own_only=False, reason=reason, now_us=self._clock.now_us()
                    )
                own_seen = own_seen or not step.is_platform
                holds = self._means.holds(caller, step, record, consent)
                self._check(holds)
            except KeysteadError as error:
                refusal = error if refusal is None or error.code != "no_consent" else refusal
                continue
            failed = asked.failing.get(step.credential.name)
            made = self._tried(step, asked, holds, failed, reason)
            tried.append(made)
            spent = posts(holds, cost=made.cost, charged=made.charge_pico)
            if failed is None:
                self._add((hold, hold.amount) for hold in holds)
                return tried, (holds, spent, True)
            self._add(zip(holds, spent, strict=True))
            last = ((), (), False)
            reason = reason_of(failed)
            if reason is None:
                break
        assert last is not None or refusal is not None
        return tried, last or refusal  # type: ignore[return-value]

    def _tried(
        self, step: Step, asked: Asking, holds: Sequence[Hold], failed: ErrorClass | None, reason: Reason | None
    ) -> Tried:
        usage = Usage(input_tokens=asked.input_tokens, output_tokens=asked.output_tokens)
        reading = NOTHING if failed else Reading(usage=usage, source=UsageSource.PROVIDER)
        cost = FREE
        if not failed:
            cost = cost_of(
                self._means.price_book,
                organization_id=step.credential.organization_id,
                provider=step.provider.name,
                endpoint=Endpoint.CHAT,
                model_sent=step.model,
                region="",
                at=asked.at,
                reading=reading,
            )
        return Tried(
            credential_id=step.credential.id,
            provider=step.provider.name,
            model=step.model,
            is_platform=step.is_platform,
            finished_at=asked.at + (0 if failed else asked.lasts_us),
            reason=reason.value if reason else "",
            answered=failed is None,
            error_class=failed,
            reading=reading,
            cost=cost,
            charge_pico=self._means.charge(step, cost, holds),
        )

    def _check(self, holds: Sequence[Hold]) -> None:
        for hold in holds:
            if hold.kind == "credits" or hold.limit is None:
                continue
            counted = sum(
                amount for name, at, amount in self._counted if name == hold.counter_id and at >= hold.since_at
            )
            if counted + hold.amount > hold.limit:
                code = "budget_exceeded" if hold.kind == "budget" else "consent_cap_reached"
                raise KeysteadError(hold.name, code=code)

    def _add(self, amounts: Iterable[tuple[Hold, int]]) -> None:
        self._counted.extend((hold.counter_id, hold.bucket_at, amount) for hold, amount in amounts)

    async def _until(self, at: int) -> None:
        for ended in sorted((one for one in self._running if one[0] <= at), key=lambda one: one[0]):
            self._running.remove(ended)
            ended_at, holds, spent, admission, tokens = ended
            await self._pass(ended_at)
            self._add((hold, post - hold.amount) for hold, post in zip(holds, spent, strict=True))
            await self._pace.done(admission, tokens)
        await self._pass(at)

    async def _pass(self, at: int) -> None:
        """Let time pass, with what the gateway does every fifteen seconds."""
        if self._running or self._rates._open:
            for _ in range((at - self._clock.now_us()) // 15_000_000):
                self._clock.advance(15)
                await self._rates.renew()
        self._clock.advance((at - self._clock.now_us()) / 1_000_000)


def _question(caller: Caller, asked: Asking) -> Question:
    data_class = caller.rules.classes.highest([*caller.data_classes, asked.said])
    return Question(
        caller=caller,
        dialect=Dialect.OPENAI,
        endpoint=Endpoint.CHAT,
        model=asked.model,
        data_class=data_class,
        facts=Facts(
            model=asked.model,
            endpoint=Endpoint.CHAT,
            dialect=Dialect.OPENAI,
            stream=asked.stream,
            tags=asked.tags,
            team=caller.key.team_id,
            principal=caller.key.principal_id,
            data_class=data_class.name,
            time_us=asked.at,
            time_zone=caller.rules.time_zone,
        ),
        now_us=asked.at,
    )


def _record(asked: Asking, number: int, caller: Caller) -> Recorded:
    return Recorded(
        id=f"req_{number}",
        started_at=asked.at,
        finished_at=asked.at,
        team_id=caller.key.team_id,
        virtual_key_id=caller.key.id,
        dialect=Dialect.OPENAI,
        endpoint=Endpoint.CHAT,
        model=asked.model,
        stream=asked.stream,
        state=State.REJECTED,
        error_code="",
        input_tokens=0,
        output_tokens=0,
        outline=Outline(
            body_bytes=asked.body_bytes,
            asked=Asked(max_output_tokens=asked.max_output_tokens),
            said=asked.said,
            tagged=bool(asked.tags),
        ),
        tried=(),
    )


def _refused(record: Recorded, error: KeysteadError) -> Recorded:
    return msgspec.structs.replace(record, error_code=error.code)
