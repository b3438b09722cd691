"""Which credentials can be asked at all, whatever may then be decided about them. Pure."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from keystead.catalogue.offers import Offer
from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential
from keystead.domain.errors import NotFoundError
from keystead.domain.ids import CredentialId
from keystead.domain.traffic import Dialect, Endpoint, Owner
from keystead.gateway.rules import Caller
from keystead.gateway.translate import wire_to
from keystead.providers.table import PROVIDERS
from keystead.routing.resolve import Candidate, split_name

_NONE: Final[Mapping[CredentialId, Offer]] = MappingProxyType({})
_GOOGLE_FOLDER: Final = "models/"


def candidates_of(caller: Caller, *, dialect: Dialect, endpoint: Endpoint) -> list[Candidate]:
    """Return the candidates for a caller among all that its organization has, each with its provider's own list."""
    rules = caller.rules
    return candidates_for(caller.key, rules.credentials, dialect=dialect, endpoint=endpoint, offers=rules.known.offers)


def candidates_for(
    key: VirtualKey,
    credentials: Sequence[Credential],
    *,
    dialect: Dialect,
    endpoint: Endpoint,
    offers: Mapping[CredentialId, Offer] = _NONE,
) -> list[Candidate]:
    """Return the usable credentials that `key` is not narrowed from and whose provider can be asked.

    `offers` are their providers' own lists. In the key's own order of preference when it is narrowed to credentials.
    """
    asked = (dialect, endpoint)
    able = {
        credential.id: Candidate(
            credential=credential,
            makes=PROVIDERS[credential.provider].native_models,
            offers=offers[credential.id].present if credential.id in offers else (),
            native=asked in PROVIDERS[credential.provider].endpoints,
        )
        for credential in credentials
        if credential.active is not None and wire_to(PROVIDERS[credential.provider], asked) is not None
    }
    if key.credential_ids is None:
        return list(able.values())
    return [able[identifier] for identifier in key.credential_ids if identifier in able]


def refuse_unusable_name(model: str, credentials: Sequence[Credential], candidates: Sequence[Candidate]) -> None:
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


def as_rules_name(model: str, credential: Credential) -> str:
    """Return the name that rules are about: Google takes `models/gemini-3-pro` for `gemini-3-pro` in both its APIs."""
    if Dialect.GEMINI in PROVIDERS[credential.provider].dialects:
        while model.startswith(_GOOGLE_FOLDER):
            model = model.removeprefix(_GOOGLE_FOLDER)
    return model


def model_on(asked: str, candidate: Candidate) -> str:
    """Return what the candidate's provider calls the model that is asked for."""
    return split_name(asked, [candidate])[1]


def passing_through(model: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return those that a pass-through names, of the organization's own.

    A path of one provider means nothing at another, and behind the platform's account stand all its customers' objects.
    """
    name = model.partition("/")[0]
    own = [c for c in candidates if c.credential.owner is not Owner.PLATFORM]
    return [c for c in own if name in {c.credential.name, c.credential.provider}]
