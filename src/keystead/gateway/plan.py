"""From a virtual key and an ask to the one attempt that will be made. Pure."""

from collections.abc import Sequence

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential, SealedVersion
from keystead.domain.errors import NotFoundError, PolicyDenied
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.providers.table import PROVIDERS, Provider
from keystead.routing.resolve import Candidate, check_narrowing, resolve


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The decision: which credential and version, which provider, which name of the model, and why."""

    credential: Credential
    version: SealedVersion
    provider: Provider
    model: str
    decision: str
    """JSON for the record, so that "why this key" has an answer afterwards."""


def candidates_for(
    key: VirtualKey, credentials: Sequence[Credential], *, dialect: Dialect, endpoint: Endpoint
) -> list[Candidate]:
    """Return the usable credentials that `key` may use and whose provider serves `endpoint` in `dialect`.

    In the key's own order of preference when it is narrowed to credentials.
    """
    able = {
        credential.id: Candidate(credential=credential, makes=PROVIDERS[credential.provider].native_models)
        for credential in credentials
        if credential.active is not None and (dialect, endpoint) in PROVIDERS[credential.provider].endpoints
    }
    if key.credential_ids is None:
        return list(able.values())
    return [able[identifier] for identifier in key.credential_ids if identifier in able]


def plan_for(
    key: VirtualKey, credentials: Sequence[Credential], *, dialect: Dialect, endpoint: Endpoint, model: str
) -> Plan:
    """Decide the attempt for `model`.

    Raises:
        NotFoundError, InvalidRequestError: see routing.resolve.
        PolicyDenied: the virtual key is not narrowed to that model.
    """
    candidates = candidates_for(key, credentials, dialect=dialect, endpoint=endpoint)
    _refuse_unusable_name(model, credentials, candidates)
    choice = resolve(model, candidates, preferred=key.credential_ids is not None)
    check_narrowing(model, choice, key.models)
    decision = {"rule": choice.rule, "credential": choice.credential.name, "candidates": len(candidates)}
    return _plan(choice.credential, choice.model, decision)


def plan_follow_up(key: VirtualKey, credentials: Sequence[Credential], *, credential_id: str, ask: Ask) -> Plan:
    """Decide the attempt for a call about, or on top of, what is stored under one credential: that or nothing.

    Raises:
        NotFoundError: the credential is gone, or the virtual key may not use it (the same answer as for an id that
            never was).
        PolicyDenied: as `plan_for`.
    """
    held = [credential for credential in credentials if credential.id == credential_id]
    candidates = candidates_for(key, held, dialect=ask.dialect, endpoint=ask.endpoint)
    if not candidates:
        raise NotFoundError("There is no such response.", code="response_not_found")
    if ask.endpoint is Endpoint.RESPONSE_STATE:
        return _plan(candidates[0].credential, "", {"rule": "stored_with_credential"})
    _refuse_unusable_name(ask.model, credentials, candidates)
    choice = resolve(ask.model, candidates, preferred=True)
    check_narrowing(ask.model, choice, key.models)
    return _plan(choice.credential, choice.model, {"rule": "continued_with_credential"})


def check_alternatives(key: VirtualKey, plan: Plan, ask: Ask) -> None:
    """Refuse a list of other models to fall back on (OpenRouter's `models`) where not every model is allowed.

    Raises:
        PolicyDenied: the key or the credential is narrowed to models, and the body names more than the one checked.
    """
    narrowed = key.models is not None or plan.credential.models is not None
    if narrowed and ask.json is not None and "models" in ask.json.members:
        raise PolicyDenied(
            "This virtual key may not let the provider choose among `models`.",
            code="model_not_allowed",
            param="models",
            next_step="Name the one model in `model`, and leave `models` out.",
        )


def _refuse_unusable_name(model: str, credentials: Sequence[Credential], candidates: Sequence[Candidate]) -> None:
    """Refuse `name/model` when `name` is a credential that cannot serve it now.

    Without this a model of a revoked credential would be taken for a bare one and go, name and all, to the only
    credential that is left: a prompt that was meant for one contract would run under another.

    Raises:
        NotFoundError: the same as for a model that no credential serves.
    """
    name, slash, _ = model.partition("/")
    if not slash or all(credential.name != name for credential in credentials):
        return
    if all(name not in {candidate.credential.name, candidate.credential.provider} for candidate in candidates):
        raise NotFoundError(
            f"No credential serves the model {model!r}.",
            code="model_not_found",
            param="model",
            next_step=f"The credential {name!r} is revoked, has no active key, or is not for this key or this API.",
        )


def _plan(credential: Credential, model: str, decision: dict[str, object]) -> Plan:
    assert credential.active is not None, "candidates are usable"
    return Plan(
        credential=credential,
        version=credential.active,
        provider=PROVIDERS[credential.provider],
        model=model,
        decision=msgspec.json.encode(decision).decode(),
    )
