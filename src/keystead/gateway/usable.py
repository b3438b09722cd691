"""Which models a virtual key may ask for, under the names that work for it. Pure.

A model is told by its own name where that name alone leads to it, and as `provider/model` or `credential/model` elsewhere.
Grants, narrowings and the data class are asked as for a request; what depends on the body or on the moment is not known
beforehand, and neither is a model that nobody has told of, which may be asked for all the same.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from keystead.domain.errors import KeysteadError
from keystead.domain.traffic import Owner
from keystead.gateway.candidates import candidates_of
from keystead.gateway.known import KnownModel
from keystead.gateway.plan import Question, judge, plan_for
from keystead.routing.resolve import Candidate, finds, fits, resolve


class UsableModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that may be asked for."""

    name: str
    """What to ask for."""
    names: frozenset[str]
    """Every name it has here: its own, and with its provider or credential before it."""
    provider: str
    """Who serves it; empty for one of the organization's routes."""
    known: KnownModel | None
    """None for a route."""


def usable_models(question: Question) -> list[UsableModel]:
    """Return the organization's routes, then what is behind its credentials; `question` says who asks, and how."""
    rules = question.caller.rules
    found = [
        UsableModel(name=name, names=frozenset({name}), provider="", known=None)
        for name in rules.routes
        if _is_planned(msgspec.structs.replace(question, model=name))
    ]
    candidates = candidates_of(question.caller, dialect=question.dialect, endpoint=question.endpoint)
    taken = set(rules.routes)
    for candidate in candidates:
        for model in _usable_on(question, candidate, candidates):
            if model.name not in taken:
                taken.add(model.name)
                found.append(model)
    return found


def _usable_on(question: Question, candidate: Candidate, candidates: Sequence[Candidate]) -> Iterator[UsableModel]:
    credential = candidate.credential
    alone = sum(1 for other in candidates if other.credential.provider == credential.provider) == 1
    prefix = credential.provider if alone else credential.name
    today = datetime.fromtimestamp(question.now_us / 1_000_000, UTC).date().isoformat()
    for model in question.caller.rules.known.of(credential):
        if model.listed is None and model.retires and model.retires <= today:
            continue
        qualified = f"{prefix}/{model.name}"
        name = model.name if _leads_to(model.name, candidate, candidates, question) else qualified
        if judge(msgspec.structs.replace(question, model=name), candidate, model.name)[1] is not None:
            named = {name, qualified, f"{credential.name}/{model.name}"}
            yield UsableModel(name=name, names=frozenset(named), provider=credential.provider, known=model)


def _leads_to(model: str, candidate: Candidate, candidates: Sequence[Candidate], question: Question) -> bool:
    """Say whether the model's own name is enough to get it from this credential."""
    told = candidate.credential.models is not None or model in candidate.offers
    if not told and not fits(model, candidate.makes):
        return False  # it might be found by being the only one; the next credential would change that
    own = [c for c in candidates if c.credential.owner is not Owner.PLATFORM]
    pool = own if any(finds(model, c) for c in own) else candidates
    try:
        chosen = resolve(model, pool, preferred=question.caller.key.credential_ids is not None)
    except KeysteadError:
        return False
    return chosen.credential.id == candidate.credential.id and chosen.model == model


def _is_planned(question: Question) -> bool:
    try:
        plan_for(question)
    except KeysteadError:
        return False
    return True
