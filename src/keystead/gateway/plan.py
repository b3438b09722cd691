"""From a virtual key and an ask to the one attempt that will be made. Pure."""

from collections.abc import Sequence

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential, SealedVersion
from keystead.domain.errors import NotFoundError
from keystead.domain.traffic import Dialect, Endpoint
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
    choice = resolve(model, candidates, preferred=key.credential_ids is not None)
    check_narrowing(model, choice, key.models)
    decision = {"rule": choice.rule, "credential": choice.credential.name, "candidates": len(candidates)}
    return _plan(choice.credential, choice.model, decision)


def plan_follow_up(key: VirtualKey, credentials: Sequence[Credential], *, credential_id: str, dialect: Dialect) -> Plan:
    """Decide the attempt for a call about something stored under one credential: that credential or nothing.

    Raises:
        NotFoundError: the credential is gone, or the virtual key may not use it (the same answer as for an id that
            never was).
    """
    for candidate in candidates_for(key, credentials, dialect=dialect, endpoint=Endpoint.RESPONSE_STATE):
        if candidate.credential.id == credential_id:
            return _plan(candidate.credential, "", {"rule": "stored_with_credential"})
    raise NotFoundError("There is no such response.", code="response_not_found")


def _plan(credential: Credential, model: str, decision: dict[str, object]) -> Plan:
    assert credential.active is not None, "candidates are usable"
    return Plan(
        credential=credential,
        version=credential.active,
        provider=PROVIDERS[credential.provider],
        model=model,
        decision=msgspec.json.encode(decision).decode(),
    )
