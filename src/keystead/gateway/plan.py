"""From a caller and an ask to the attempts that may be made, each with the rule that allows it. Pure.

A plan is what a request may do; in which order, and whether a later attempt is needed, is seen when it is walked.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from keystead.domain.credential import Credential, SealedVersion
from keystead.domain.errors import NotFoundError, PolicyDenied
from keystead.domain.grants import DataClass
from keystead.domain.routes import ModelRoute, RouteAttempt
from keystead.domain.traffic import Dialect, Endpoint, Owner
from keystead.gateway.candidates import as_rules_name, candidates_of, model_on, passing_through, refuse_unusable_name
from keystead.gateway.family import choose, is_family, named_in, no_member
from keystead.gateway.narrowed import check_endpoint
from keystead.gateway.rules import Caller
from keystead.gateway.translate import wire_to
from keystead.gateway.translation import Wire
from keystead.metering.ceiling import Ceiling
from keystead.policy.facts import Facts
from keystead.providers.row import Provider
from keystead.providers.table import PROVIDERS
from keystead.routing.resolve import Candidate, finds, is_within, resolve, split_name

_REFUSALS_KEPT: Final = 8
"""Credentials whose refusal is kept in a record; `explain` shows all of them."""

_NEARNESS: Final = ("model_not_allowed", "not_granted", "data_class_refused")
"""Refusals by how little is missing: the nearest to being allowed is the one that is told."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that may be made: which credential and version, which provider, which name of the model."""

    credential: Credential
    version: SealedVersion
    provider: Provider
    model: str
    wire: Wire
    """What is spoken to the provider; where it is not what the caller speaks, the request is translated."""
    grant_id: str | None
    """The grant that allows it; None for what only a consent can allow."""
    first_byte_timeout_s: float | None = None
    most: Ceiling | None = None
    """The most it can cost, where that does not follow from its body."""

    @property
    def lane(self) -> str:
        """What breakers and retries are counted for: a new version of the key starts with a clean sheet."""
        return f"{self.credential.id}@{self.version.version}"

    @property
    def estimates(self) -> bool:
        """Say whether the provider has no counter for what is asked, so that nobody but the gateway counts."""
        return self.wire[1] is Endpoint.COUNT_TOKENS and self.wire not in self.provider.endpoints

    @property
    def is_platform(self) -> bool:
        """Say whether it runs on the platform's money."""
        return self.credential.owner is Owner.PLATFORM


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that was looked at, and what was decided about it."""

    credential: str
    model: str
    allowed: bool
    reason: str
    code: str = ""
    """For a refusal: which kind it is."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What may be tried for a request."""

    rule: str
    """How the model's name was understood."""
    groups: tuple[tuple[Step, ...], ...]
    """For a route: the steps of each of its attempts, in the route's order. Else one group of one step."""
    reserve: tuple[Step, ...] = ()
    """Platform steps that nobody named, for a fallback under a consent."""
    route: ModelRoute | None = None
    considered: tuple[Considered, ...]
    data_class: str
    decision: str
    """JSON for the record, so that "why this key" has an answer afterwards."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided about: everything a decision may look at."""

    caller: Caller
    dialect: Dialect
    endpoint: Endpoint
    model: str
    data_class: DataClass
    facts: Facts
    now_us: int


def plan_for(question: Question) -> Plan:
    """Decide what may be tried for the model asked for.

    Raises:
        NotFoundError, InvalidRequestError: see routing.resolve.
        PolicyDenied: a credential serves the model and a grant, the data class or the key's narrowing forbids it.
    """
    caller = question.caller
    rules = caller.rules
    check_endpoint(caller.key, question.endpoint)
    candidates = candidates_of(caller, dialect=question.dialect, endpoint=question.endpoint)
    if question.endpoint is Endpoint.PASSTHROUGH:
        candidates = passing_through(question.model, candidates)
    elif (route := rules.routes.get(question.model)) is not None:
        return _routed(question, route, candidates)
    refuse_unusable_name(question.model, rules.credentials, candidates)
    if is_family(question.model, candidates):
        return _of_family(question, candidates)
    judged = [judge(question, candidate, model_on(question.model, candidate)) for candidate in candidates]
    choice, step = resolved(question, candidates, judged)
    return planned(
        question,
        rule=choice,
        groups=((step,),),
        reserve=_reserve(question, step, candidates),
        considered=tuple(considered for considered, _ in judged),
    )


def planned(
    question: Question,
    *,
    rule: str,
    groups: tuple[tuple[Step, ...], ...],
    considered: tuple[Considered, ...],
    reserve: tuple[Step, ...] = (),
    route: ModelRoute | None = None,
) -> Plan:
    """Return the plan of these groups, with the decision in words for the record."""
    first = next(step for group in groups for step in group)
    decision: dict[str, Any] = {
        "rule": rule,
        "credential": first.credential.name,
        "grant": first.grant_id,
        "data_class": question.data_class.name,
        "candidates": len(considered),
    }
    if first.model != split_name(question.model, [Candidate(credential=first.credential)])[1]:
        decision["model"] = first.model
    if first.wire != (question.dialect, question.endpoint):
        decision["translated_to"] = "/".join(first.wire)
    if route is not None:
        decision["route"] = route.id
        decision["strategy"] = route.strategy
    refused = {c.credential: c.reason for c in considered if not c.allowed}
    if refused:
        decision["refused"] = dict(list(refused.items())[:_REFUSALS_KEPT])
    return Plan(
        rule=rule,
        groups=groups,
        reserve=reserve,
        route=route,
        considered=considered,
        data_class=question.data_class.name,
        decision=msgspec.json.encode(decision).decode(),
    )


def judge(question: Question, candidate: Candidate, model: str) -> tuple[Considered, Step | None]:
    """Decide about `model` on one credential: the key's narrowing, the grants, then the data class."""
    caller, credential = question.caller, candidate.credential
    model = as_rules_name(model, credential)

    def refused(code: str, reason: str) -> tuple[Considered, None]:
        return Considered(credential=credential.name, model=model, allowed=False, reason=reason, code=code), None

    if caller.key.models is not None and not is_within(question.model, credential, model, caller.key.models):
        return refused("model_not_allowed", f"This virtual key may not use the model {question.model!r}.")
    verdict = caller.rules.access.decide(caller.subject, credential, model, question.endpoint, question.facts)
    if not verdict.allowed:
        return refused("not_granted", verdict.reason)
    unfit = caller.rules.classes.why_not(question.data_class, credential, question.now_us)
    if unfit is not None:
        return refused("data_class_refused", unfit)
    allowed = Considered(credential=credential.name, model=model, allowed=True, reason=verdict.reason)
    return allowed, step_on(question, credential, model, verdict.grant_id)


def step_on(question: Question, credential: Credential, model: str, grant_id: str | None) -> Step:
    """Return the attempt on a credential that was decided for."""
    provider = PROVIDERS[credential.provider].serving(model)
    asked = (question.dialect, question.endpoint)
    wire = wire_to(provider, asked) or asked  # what this one model is not asked for is refused before it is sent
    assert credential.active is not None, "candidates are usable"
    return Step(
        credential=credential,
        version=credential.active,
        provider=provider,
        model=model,
        wire=wire,
        grant_id=grant_id,
    )


def resolved(
    question: Question, candidates: Sequence[Candidate], judged: Sequence[tuple[Considered, Step | None]]
) -> tuple[str, Step]:
    """Choose among the allowed: own credentials first, the platform's only where no own one serves the model."""
    preferred = question.caller.key.credential_ids is not None
    steps = {step.credential.id: step for _, step in judged if step is not None}
    allowed = [candidate for candidate in candidates if candidate.credential.id in steps]
    # `name/model` means that name also when nobody of that name may serve: it is no other credential's model.
    named, _ = split_name(question.model, candidates)
    if named is not None:
        allowed = [c for c in allowed if named in {c.credential.name, c.credential.provider}]
    own = [candidate for candidate in allowed if candidate.credential.owner is not Owner.PLATFORM]
    for pool in (own, allowed):
        try:
            choice = resolve(question.model, pool, preferred=preferred)
        except NotFoundError:
            continue
        return choice.rule, steps[choice.credential.id]
    # Nothing allowed serves it. If something forbidden does, that is the answer; else there is no such model here.
    resolve(question.model, candidates, preferred=True)
    forbidden = [
        considered
        for candidate, (considered, _) in zip(candidates, judged, strict=True)
        if not considered.allowed
        and named in {None, candidate.credential.name, candidate.credential.provider}
        and finds(question.model, candidate)
    ]
    raise denied(max(forbidden, key=lambda considered: _NEARNESS.index(considered.code)))


def _of_family(question: Question, candidates: Sequence[Candidate]) -> Plan:
    """Plan for the newest model of a family that the key may use."""
    judged = [
        (candidate, found)
        for candidate in named_in(question.model, candidates)
        if (found := _newest(question, candidate, model_on(question.model, candidate))) is not None
    ]
    if not judged:
        raise no_member(question.model)
    steps = {candidate.credential.id: step for candidate, (_, step) in judged if step is not None}
    if not steps:
        raise denied(max((seen for _, (seen, _) in judged), key=lambda seen: _NEARNESS.index(seen.code)))
    able = [(candidate, steps[candidate.credential.id].model) for candidate, (_, step) in judged if step is not None]
    preferred = question.caller.key.credential_ids is not None
    step = steps[choose(question.model, able, question.caller.rules.known, preferred=preferred).credential.id]
    return planned(
        question,
        rule="newest_of_family",
        groups=((step,),),
        reserve=_reserve(question, step, candidates),
        considered=tuple(seen for _, (seen, _) in judged),
    )


def _newest(question: Question, candidate: Candidate, model: str) -> tuple[Considered, Step | None] | None:
    """Decide about a model or, of a family, about its newest member that is allowed; None if it has none there."""
    found = None
    for name in question.caller.rules.known.meant(candidate.credential, model, question.now_us):
        found = judge(question, candidate, name)
        if found[1] is not None:
            break
    return found


def _routed(question: Question, route: ModelRoute, candidates: Sequence[Candidate]) -> Plan:
    """Expand a route: each of its attempts to the credentials that may make it."""
    key = question.caller.key
    if key.models is not None and not any(
        is_within(route.name, c.credential, route.name, key.models) for c in candidates
    ):
        raise PolicyDenied(f"This virtual key may not use the model {route.name!r}.", code="model_not_allowed")
    groups: list[tuple[Step, ...]] = []
    considered: list[Considered] = []
    for attempt in route.attempts:
        steps: list[Step] = []
        for candidate in candidates:
            if not _meant(attempt, candidate.credential):
                continue
            found = _newest(_behind(question, route), candidate, attempt.model)
            if found is None:
                continue
            seen, step = found
            considered.append(seen)
            if step is not None:
                steps.append(msgspec.structs.replace(step, first_byte_timeout_s=attempt.first_byte_timeout_s))
        groups.append(tuple(steps))
    if not any(groups):
        if considered:
            raise denied(considered[0], also=considered[1:])
        raise NotFoundError(
            f"No credential that this key may use serves the route {route.name!r} here.",
            code="model_not_found",
            param="model",
            next_step="Its attempts need a credential whose provider speaks this API.",
        )
    first = next(step for group in groups for step in group)
    named = {step.credential.id for group in groups for step in group}
    reserve = tuple(step for step in _reserve(question, first, candidates) if step.credential.id not in named)
    return planned(
        question,
        rule=f"route:{route.name}",
        groups=tuple(groups),
        reserve=reserve,
        considered=tuple(considered),
        route=route,
    )


def _behind(question: Question, route: ModelRoute) -> Question:
    """A key narrowed to a route's name may use what is behind it."""
    key = question.caller.key
    if key.models is None or route.name not in key.models:
        return question
    opened = msgspec.structs.replace(key, models=None)
    return msgspec.structs.replace(question, caller=msgspec.structs.replace(question.caller, key=opened))


def _meant(attempt: RouteAttempt, credential: Credential) -> bool:
    if attempt.credential_id is not None:
        return credential.id == attempt.credential_id
    return credential.provider == attempt.provider


def _reserve(question: Question, first: Step, candidates: Iterable[Candidate]) -> tuple[Step, ...]:
    """Return the platform's credentials for the same model, if some consent might let them step in.

    What is denied stays denied; what is only not granted is for the consent to allow, when its time comes.
    """
    caller = question.caller
    if not caller.rules.consents or first.is_platform or question.data_class.requirement.own_key_only:
        return ()
    found = []
    for candidate in candidates:
        credential = candidate.credential
        if credential.owner is not Owner.PLATFORM or not _same_model(credential, candidate.makes, first):
            continue
        verdict = caller.rules.access.decide(caller.subject, credential, first.model, question.endpoint, question.facts)
        denied = not verdict.allowed and verdict.grant_id is not None
        if not denied and caller.rules.classes.why_not(question.data_class, credential, question.now_us) is None:
            found.append(step_on(question, credential, first.model, None))
    return tuple(found)


def _same_model(credential: Credential, makes: tuple[str, ...], first: Step) -> bool:
    if credential.models is None and credential.provider != first.provider.name:
        return False
    return finds(first.model, Candidate(credential=credential, makes=makes))


def denied(first: Considered, *, also: Sequence[Considered] = ()) -> PolicyDenied:
    """Return the refusal for what was considered and is not allowed."""
    reasons = dict.fromkeys([first.reason, *(considered.reason for considered in also)])
    return PolicyDenied(
        " ".join(reasons),
        code=first.code,
        param="model",
        next_step="`keystead explain` says which rule decided; ask who keeps the grants.",
    )
