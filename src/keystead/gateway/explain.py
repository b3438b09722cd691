"""May this key use this model now, by which rule, through which credentials, and for how much at most?

The answer comes from the same functions that decide real requests; nothing is asked of a provider and nothing is
held. Whether limits per minute would have room is not asked, and what an organization's recognisers would find in a body
is not known beforehand.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from keystead.dialects.body import read_json
from keystead.domain.access import PrincipalKind, VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.errors import KeysteadError, PolicyDenied
from keystead.domain.grants import CONSENTABLE, Consent, Reason
from keystead.domain.ids import OrganizationId, TeamId, VirtualKeyId
from keystead.domain.means import Hold, HoldRefusedError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.inspect import DATA_CLASS, TAGS, inspect, said_class
from keystead.gateway.pace import check_length, limits_on
from keystead.gateway.pipeline import question_of
from keystead.gateway.plan import Considered, Plan, Question, Step, plan_for
from keystead.gateway.rules import Caller, caller_of
from keystead.gateway.said import Said, about_class, about_key, about_limits, about_recognizers, about_route
from keystead.gateway.snapshot import Snapshot
from keystead.gateway.trip import Case
from keystead.gateway.usable import UsableModel, usable_models
from keystead.gateway.walk import Walk
from keystead.policy.access import Finding
from keystead.policy.consents import find_consent

_DIALECTS: Final = {
    Endpoint.MESSAGES: Dialect.ANTHROPIC,
    Endpoint.GENERATE: Dialect.GEMINI,
    Endpoint.CONVERSE: Dialect.BEDROCK,
}
"""What an endpoint is usually called in; everything else in OpenAI's."""


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was not made."""

    model: str
    endpoint: Endpoint
    dialect: Dialect | None
    stream: bool
    data_class: str
    tags: dict[str, str]
    body_bytes: int
    max_output_tokens: int | None
    address: str
    """Where it comes from; empty: from wherever it may."""


_CHAT: Final = Hypothesis(
    model="any",
    endpoint=Endpoint.CHAT,
    dialect=Dialect.OPENAI,
    stream=True,
    data_class="",
    tags={},
    body_bytes=0,
    max_output_tokens=None,
    address="",
)
"""What is most likely wanted of a model, whichever it is."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that would be made, if those before it did not answer."""

    credential: str
    provider: str
    model: str
    owner: str
    grant_id: str | None
    breaker: str
    consents: dict[str, str]
    """For a platform credential after an own one: by reason, the consent that lets it step in or why none does."""
    most_pico: int | None
    """The most that it can cost; None if nobody knows."""
    currency: str
    most_basis: str
    holds: tuple[Hold, ...]
    """What would be held for it."""
    refusal: str
    """Why it would not be made after all; empty if it would."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The decision and everything that took part in it."""

    allowed: bool
    code: str
    reason: str
    rule: str
    data_class: str
    attempts: tuple[Attempt, ...]
    considered: tuple[Considered, ...]
    grants: tuple[Finding, ...]
    """What each grant that concerns the principal says about the credentials."""
    rules: tuple[Said, ...]
    """What else took part."""


def unmade_key(
    organization_id: OrganizationId,
    team_id: TeamId,
    kind: PrincipalKind,
    principal_id: str,
    disabled_at: int | None,
) -> VirtualKey:
    """Return a key as it would be made for a principal in a team, narrowed to nothing. It has no id."""
    return VirtualKey(
        id=VirtualKeyId(""),
        organization_id=organization_id,
        team_id=team_id,
        principal_kind=kind,
        principal_id=principal_id,
        name="",
        digest=b"",
        models=None,
        credential_ids=None,
        expires_at=None,
        revoked_at=disabled_at,
    )


Full = Callable[[Sequence[Hold]], Awaitable[Hold | None]]
"""Returns the first hold for which there is no room now."""


class _Decision(msgspec.Struct, kw_only=True):
    """What is decided, as far as it has come."""

    question: Question | None = None
    plan: Plan | None = None
    refusal: KeysteadError | None = None
    rules: list[Said] = []


class Explainer:
    """Answers hypotheses."""

    def __init__(self, *, snapshot: Callable[[], Snapshot], walk: Walk, clock: Clock) -> None:
        """Decide by the current snapshot, as the walk would."""
        self._snapshot = snapshot
        self._walk = walk
        self._clock = clock

    async def explain(self, key: VirtualKey, hypothesis: Hypothesis, full: Full) -> Explanation:
        """Return what would be decided for a request of `key`; `full` says for what there is no room."""
        snapshot = self._snapshot()
        # A key that is not made has no id, by which the snapshot remembers callers.
        caller = snapshot.caller(key) if key.id else caller_of(key, snapshot.rules[key.organization_id])
        ask = self._ask(hypothesis)
        decision = self._decision(caller, ask)
        plan, refusal = decision.plan, decision.refusal
        attempts: list[Attempt] = []
        if plan is not None and refusal is None:
            case = Case(caller=caller, ask=ask, plan=plan, means=snapshot.means)
            attempts = [await _with_room(attempt, full) for attempt in self._attempts(case)]
        allowed = any(not attempt.refusal for attempt in attempts)
        reason = next((c.reason for c in plan.considered if c.allowed), "") if plan else ""
        return Explanation(
            allowed=allowed,
            code=refusal.code if refusal else "" if allowed else "not_affordable",
            reason=refusal.message if refusal else reason,
            rule=plan.rule if plan else "",
            data_class=decision.question.data_class.name if decision.question else "",
            attempts=tuple(attempts),
            considered=plan.considered if plan else (),
            grants=_findings(decision.question),
            rules=tuple(decision.rules),
        )

    async def models(self, key: VirtualKey) -> list[UsableModel]:
        """Return the models that `key` may call to chat with, as far as can be said beforehand.

        There may be more than a thousand, each to be decided about, so a thread does it.
        """
        caller = self._snapshot().caller(key)
        data_class = caller.rules.classes.highest(caller.data_classes)
        ask = self._ask(_CHAT)
        question = question_of(caller, ask, data_class, ask.started_at)
        return await asyncio.to_thread(usable_models, question)

    def _decision(self, caller: Caller, ask: Ask) -> _Decision:
        """Decide, in the order of a real request, until something refuses it."""
        decision = _Decision(rules=[*about_key(caller.key), *about_recognizers(caller)])
        now = self._clock.now_us()
        try:
            self._require_in_force(caller.key, now)
            if ask.address:
                caller.check_network(ask.address)
            ask, data_class = inspect(caller, ask)
            decision.rules += about_class(caller, header=said_class(ask), data_class=data_class)
            decision.question = question_of(caller, ask, data_class, now)
            decision.plan = plan_for(decision.question)
            limits = limits_on(caller, decision.plan)
            decision.rules += [*about_route(decision.plan.route), *about_limits(limits)]
            check_length(caller, limits, ask)
        except KeysteadError as error:
            decision.refusal = error
        return decision

    def _require_in_force(self, key: VirtualKey, now: int) -> None:
        if not key.id:
            if key.revoked_at is not None:
                raise PolicyDenied("They are disabled, and with them every key of theirs.", code="invalid_key")
        elif self._snapshot().in_force(key.id, now) is None:
            raise PolicyDenied("The virtual key is revoked or has expired.", code="invalid_key")

    def _ask(self, hypothesis: Hypothesis) -> Ask:
        now = self._clock.now_us()
        headers: dict[bytes, bytes] = {}
        if hypothesis.data_class:
            headers[DATA_CLASS] = hypothesis.data_class.encode()
        if hypothesis.tags:
            headers[TAGS] = ",".join(f"{name}={value}" for name, value in hypothesis.tags.items()).encode()
        body = {"model": hypothesis.model, "stream": hypothesis.stream}
        if hypothesis.max_output_tokens is not None:
            body["max_tokens"] = hypothesis.max_output_tokens
        raw = msgspec.json.encode(body)
        return Ask(
            request_id="",
            started_at=now,
            started_us=self._clock.monotonic_us(),
            method="POST",
            dialect=hypothesis.dialect or _DIALECTS.get(hypothesis.endpoint, Dialect.OPENAI),
            endpoint=hypothesis.endpoint,
            tail="",
            query=b"",
            headers=headers,
            model=hypothesis.model,
            stream=hypothesis.stream,
            body=raw.ljust(hypothesis.body_bytes),
            json=read_json(raw),
            address=hypothesis.address,
        )

    def _attempts(self, case: Case) -> list[Attempt]:
        own_seen = False
        attempts = []
        for step in self._walk.in_order(case):
            attempts.append(self._attempt(case, step, falls_back=step.is_platform and own_seen))
            own_seen = own_seen or not step.is_platform
        return attempts

    def _attempt(self, case: Case, step: Step, *, falls_back: bool) -> Attempt:
        consents = self._consents(case, step) if falls_back else {}
        consent = next((found for found in consents.values() if not isinstance(found, str)), None)
        refusal = "No consent lets the platform step in." if falls_back and consent is None else ""
        ceiling = case.means.ceiling(step, case.ask)
        holds: tuple[Hold, ...] = ()
        try:
            holds = case.means.holds(case.caller, step, case.ask, consent)
        except KeysteadError as error:
            refusal = error.message
        return Attempt(
            credential=step.credential.name,
            provider=step.provider.name,
            model=step.model,
            owner=step.credential.owner.value,
            grant_id=step.grant_id,
            breaker=self._walk.breaker(step).state,
            consents={
                reason.value: found if isinstance(found, str) else found.id for reason, found in consents.items()
            },
            most_pico=ceiling.pico,
            currency=ceiling.currency,
            most_basis=ceiling.basis,
            holds=holds,
            refusal=refusal,
        )

    def _consents(self, case: Case, step: Step) -> dict[Reason, Consent | str]:
        rules = case.caller.rules
        return {
            reason: find_consent(
                rules.consents,
                team_ids=case.caller.subject.team_ids,
                model=step.model,
                data_class=rules.classes.get(case.plan.data_class),
                reason=reason,
                now_us=self._clock.now_us(),
            )
            for reason in sorted(CONSENTABLE)
        }


async def _with_room(attempt: Attempt, full: Full) -> Attempt:
    """Return an attempt that is refused if there is no room for it now."""
    without = None if attempt.refusal else await full(attempt.holds)
    if without is None:
        return attempt
    return msgspec.structs.replace(attempt, refusal=HoldRefusedError(without).message)


def _findings(question: Question | None) -> tuple[Finding, ...]:
    if question is None or not question.caller.rules.credentials:
        return ()
    rules = question.caller.rules
    found: dict[tuple[str, str], Finding] = {}
    for credential in rules.credentials:
        for finding in rules.access.findings(
            question.caller.subject, credential, question.model, question.endpoint, question.facts
        ):
            key = (finding.grant_id, finding.effect)
            if key not in found or (finding.applies and not found[key].applies):
                found[key] = finding
    return tuple(found.values())
