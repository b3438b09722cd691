"""May this key use this model now, by which rule, through which credentials, and for how much at most?

The answer comes from the same functions that decide real requests; nothing is asked of a provider and nothing is
held. What an organization's recognisers would find in a body is not known beforehand.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from keystead.dialects.body import read_json
from keystead.domain.access import VirtualKey
from keystead.domain.clock import Clock
from keystead.domain.errors import KeysteadError
from keystead.domain.grants import CONSENTABLE, Consent, Reason
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.inspect import DATA_CLASS, TAGS, inspect
from keystead.gateway.pipeline import question_of
from keystead.gateway.plan import Considered, Question, Step, plan_for
from keystead.gateway.snapshot import Snapshot
from keystead.gateway.walk import Case, Walk
from keystead.policy.access import Finding
from keystead.policy.consents import find_consent

_DIALECTS: Final = {Endpoint.MESSAGES: Dialect.ANTHROPIC, Endpoint.GENERATE: Dialect.GEMINI}
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


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What would be held, and in what."""

    kind: str
    name: str
    amount_pico: int
    currency: str
    limit_pico: int | None


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
    held: tuple[Held, ...]
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
    """What each grant that concerns the principal says about the first credential considered."""


class Explainer:
    """Answers hypotheses."""

    def __init__(self, *, snapshot: Callable[[], Snapshot], walk: Walk, clock: Clock) -> None:
        """Decide by the current snapshot, as the walk would."""
        self._snapshot = snapshot
        self._walk = walk
        self._clock = clock

    def explain(self, key: VirtualKey, hypothesis: Hypothesis) -> Explanation:
        """Return what would be decided for a request of `key`."""
        snapshot = self._snapshot()
        caller = snapshot.caller(key)
        ask = self._ask(hypothesis)
        data_class = ""
        question: Question | None = None
        try:
            ask, found = inspect(caller, ask)
            data_class = found.name
            question = question_of(caller, ask, found, self._clock.now_us())
            plan = plan_for(question)
        except KeysteadError as error:
            return Explanation(
                allowed=False,
                code=error.code,
                reason=error.message,
                rule="",
                data_class=data_class,
                attempts=(),
                considered=(),
                grants=_findings(question),
            )
        attempts = tuple(self._attempts(Case(caller=caller, ask=ask, plan=plan, means=snapshot.means)))
        return Explanation(
            allowed=any(not attempt.refusal for attempt in attempts),
            code="" if any(not attempt.refusal for attempt in attempts) else "not_affordable",
            reason=next((c.reason for c in plan.considered if c.allowed), ""),
            rule=plan.rule,
            data_class=data_class,
            attempts=attempts,
            considered=plan.considered,
            grants=_findings(question),
        )

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
        held: tuple[Held, ...] = ()
        try:
            holds = case.means.holds(case.caller, step, case.ask, consent)
            held = tuple(
                Held(
                    kind=hold.kind,
                    name=hold.name,
                    amount_pico=hold.amount,
                    currency=hold.currency,
                    limit_pico=hold.limit,
                )
                for hold in holds
            )
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
            held=held,
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
