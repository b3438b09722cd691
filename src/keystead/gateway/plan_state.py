"""The attempt for what concerns stored objects: with the credential that holds them, and with no other. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from keystead.domain.credential import Credential
from keystead.domain.errors import ConflictError, InvalidRequestError, NotFoundError
from keystead.domain.money import USD
from keystead.domain.stored import Reference, Workload
from keystead.domain.traffic import Endpoint, Owner
from keystead.gateway.candidates import candidates_for, model_on, refuse_unusable_name
from keystead.gateway.narrowed import check_endpoint
from keystead.gateway.plan import (
    Considered,
    Plan,
    Question,
    Step,
    denied,
    judge,
    plan_for,
    planned,
    resolved,
    step_on,
)
from keystead.metering.ceiling import Ceiling
from keystead.providers.table import PROVIDERS
from keystead.routing.resolve import Candidate, resolve

_NO_COST: Final = Ceiling(
    pico=0, currency=USD, input_tokens_most=0, output_tokens_most=0, basis="what is stored is looked at"
)
_WITHOUT_MODEL: Final = frozenset(
    {
        Endpoint.RESPONSE_STATE,
        Endpoint.FILES,
        Endpoint.BATCHES,
        Endpoint.CACHED_CONTENTS,
        Endpoint.VECTOR_STORES,
        Endpoint.CONVERSATIONS,
    }
)
"""Endpoints whose calls concern no model, unless they say which."""


def plan_follow_up(question: Question, *, credential_id: str) -> Plan:
    """Decide the attempt for a call about, or on top of, what is stored under one credential: that or nothing.

    Raises:
        NotFoundError: the caller may not use the credential (the same answer as for an id that never was).
        ConflictError: it is revoked, or has no active key: what it holds cannot be reached.
        PolicyDenied: as `plan_for`.
    """
    check_endpoint(question.caller.key, question.endpoint)
    candidate = _holder(question, credential_id)
    if question.endpoint in _WITHOUT_MODEL and not question.model:
        return _without_model(question, [candidate], rule="stored_with_credential", most=_NO_COST)
    refuse_unusable_name(question.model, question.caller.rules.credentials, [candidate])
    model = resolve(question.model, [candidate], preferred=True).model
    considered, step = judge(question, candidate, model)
    if step is None:
        raise denied(considered)
    return planned(question, rule="continued_with_credential", groups=((step,),), considered=(considered,))


def plan_keeping(question: Question, *, named: str) -> Plan:
    """Decide where something is kept that no model is named for, such as a file: own credentials before others.

    Args:
        question: what is asked.
        named: the credential that the caller names; empty for any.

    Raises:
        NotFoundError: no credential, or none of that name, can keep it.
        PolicyDenied: as `plan_for`.
    """
    check_endpoint(question.caller.key, question.endpoint)
    return _without_model(question, keepers(question, named), rule="kept_with_credential", most=_NO_COST)


def plan_with_own(question: Question, brought: Reference) -> Plan:
    """Decide as usual, but with the organization's own credentials alone: what lies in their accounts is theirs to name.

    Raises:
        NotFoundError: none is left (the same answer as for an id that is somebody else's).
        KeysteadError: as `plan_for`.
    """
    plan = plan_for(question)
    groups = tuple(tuple(step for step in group if not step.is_platform) for group in plan.groups)
    if not any(groups):
        raise brought.not_found()
    return planned(question, rule=plan.rule, groups=groups, considered=plan.considered, route=plan.route)


def keepers(question: Question, named: str) -> list[Candidate]:
    """Return the credentials that could keep something, those that `named` means first of all.

    Raises:
        NotFoundError: there is none.
    """
    key, credentials = question.caller.key, question.caller.rules.credentials
    found = candidates_for(key, credentials, dialect=question.dialect, endpoint=question.endpoint)
    if named:
        found = [each for each in found if named in {each.credential.name, each.credential.id}]
    elif key.credential_ids is None:
        found = sorted(found, key=lambda each: each.credential.owner is Owner.PLATFORM)
    if not found:
        raise NotFoundError(
            f"No credential that this key may use keeps {question.endpoint.value.replace('_', ' ')} here.",
            code="no_credential",
            next_step="Add one of a provider that does, or name another with `x-keystead-credential`.",
        )
    return found


def plan_lines(question: Question, candidates: Sequence[Candidate], line: Question) -> tuple[Considered, Step]:
    """Choose the credential for the lines of a batch.

    Args:
        question: about the batch, or about the file with its lines.
        candidates: those that could take it.
        line: about one of its lines, as if it were sent by itself.

    Raises:
        NotFoundError, InvalidRequestError, PolicyDenied: as `plan_for`; or the line calls the model by a name that is
            not its provider's own.
    """
    check_endpoint(question.caller.key, line.endpoint)
    served = [
        each
        for each in candidates
        if (line.dialect, line.endpoint) in PROVIDERS[each.credential.provider].endpoints
        and question.caller.rules.access.decide_without_model(
            question.caller.subject, each.credential, question.endpoint, question.facts
        ).allowed
    ]
    judged = [judge(line, each, model_on(line.model, each)) for each in served]
    _, step = resolved(line, served, judged)
    if step.model != line.model:
        raise InvalidRequestError(
            f"A batch goes to the provider as it is: write the model as {step.model!r}.",
            code="model_not_plain",
            param="model",
            next_step="Choose the credential with the header `x-keystead-credential`.",
        )
    considered = next(seen for seen, each in judged if each is step)
    return considered, msgspec.structs.replace(step, wire=(question.dialect, question.endpoint))


def plan_workload(question: Question, considered: Considered, step: Step, workload: Workload) -> Plan:
    """Return the plan for a batch whose lines have been decided about."""
    most = Ceiling(
        pico=workload.most_pico,
        currency=workload.currency,
        input_tokens_most=0,
        output_tokens_most=0,
        basis=f"{workload.lines} lines",
    )
    step = msgspec.structs.replace(step, most=most)
    return planned(question, rule="lines_of_batch", groups=((step,),), considered=(considered,))


def plan_upload(question: Question, considered: Considered, step: Step) -> Plan:
    """Return the plan for keeping a file whose lines have been decided about; that alone costs nothing."""
    step = msgspec.structs.replace(step, most=_NO_COST, model="")
    return planned(question, rule="lines_of_batch", groups=((step,),), considered=(considered,))


def _holder(question: Question, credential_id: str) -> Candidate:
    caller = question.caller
    usable = [each for each in caller.rules.credentials if each.id == credential_id]
    candidates = candidates_for(caller.key, usable, dialect=question.dialect, endpoint=question.endpoint)
    if candidates and candidates[0].native:
        return candidates[0]
    if not usable or usable[0].active is None:
        raise ConflictError(
            "The credential that holds this is revoked, or has no active key.",
            code="holder_unavailable",
            next_step="What lies in that account cannot be reached until it has an active key; make it anew elsewhere.",
        )
    raise NotFoundError("There is no such object.", code="object_not_found")


def _without_model(question: Question, candidates: Sequence[Candidate], *, rule: str, most: Ceiling) -> Plan:
    considered: list[Considered] = []
    for candidate in candidates:
        seen, step = _judged(question, candidate.credential)
        considered.append(seen)
        if step is not None:
            step = msgspec.structs.replace(step, most=most)
            return planned(question, rule=rule, groups=((step,),), considered=tuple(considered))
    raise denied(considered[0], also=considered[1:])


def _judged(question: Question, credential: Credential) -> tuple[Considered, Step | None]:
    rules = question.caller.rules
    verdict = rules.access.decide_without_model(question.caller.subject, credential, question.endpoint, question.facts)
    code, reason = "" if verdict.allowed else "not_granted", verdict.reason
    if verdict.allowed:
        unfit = rules.classes.why_not(question.data_class, credential, question.now_us)
        if unfit is not None:
            code, reason = "data_class_refused", unfit
    seen = Considered(credential=credential.name, model="", allowed=not code, reason=reason, code=code)
    return seen, None if code else step_on(question, credential, "", verdict.grant_id)
