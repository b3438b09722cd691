"""May this subject use this credential for this model? Compiled grants. Pure.

Deny by default; a deny wins over every allow; what a team is granted or denied holds for the teams below it. A
condition that cannot be decided allows nothing: an allow does not hold, a deny does.
"""

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Final, Literal

import msgspec

from keystead.domain.access import PrincipalKind
from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError
from keystead.domain.grants import Grant
from keystead.domain.ids import OrganizationId, TeamId
from keystead.domain.traffic import Endpoint, Owner
from keystead.policy.conditions import Condition, ConditionFailedError, compile_condition
from keystead.policy.facts import Facts

_WILD: Final = re.compile(r"[*?\[]")

_Names = tuple[str, str, str]
"""What a pattern may call a model: bare, `provider/model`, `credential-name/model`."""

Miss = Literal["", "credential", "endpoint", "model", "expired", "condition", "condition_failed"]
"""Why a grant does not apply; empty if it does."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: a principal, in a team, in an organization."""

    organization_id: OrganizationId
    team_ids: tuple[TeamId, ...]
    """The own team first, then the teams above it."""
    principal_kind: PrincipalKind
    principal_id: str
    team_name: str = ""
    """For people, in reasons; empty for the id."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided, by which grant, and a sentence that says so."""

    allowed: bool
    grant_id: str | None
    """The deny that forbids it or the allow that allows it; None where no grant does either."""
    reason: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one grant has to say about a request."""

    grant_id: str
    effect: Literal["allow", "deny"]
    applies: bool
    reason: str


class AccessRules:
    """Grants, compiled once and asked many times."""

    __slots__ = ("_by_subject", "_of", "_shared")

    def __init__(self, grants: Iterable[Grant]) -> None:
        """Compile. A grant whose condition does not compile (any more) is one that cannot be decided."""
        self._by_subject: dict[tuple[str, str, str], list[_Rule]] = {}
        self._of: dict[Subject, _Held] = {}
        self._shared: dict[tuple[tuple[str, str, str], ...], _Held] = {}
        for grant in grants:
            key = (grant.organization_id, grant.subject_kind, grant.subject_id)
            self._by_subject.setdefault(key, []).append(_Rule(grant))

    def decide(self, subject: Subject, credential: Credential, model: str, endpoint: Endpoint, facts: Facts) -> Verdict:
        """Decide whether `subject` may use `credential` for `model` (as its provider calls it) at `endpoint`."""
        if _is_foreign(subject, credential):
            return Verdict(allowed=False, grant_id=None, reason="The credential belongs to another organization.")
        denies, allows = self._held_by(subject).about(credential)
        names = _names_of(credential, model)
        for rule in denies:
            miss = rule.miss(names, endpoint, facts)
            if not miss or miss == "condition_failed":
                doubt = " Its condition could not be decided, so it is taken to hold." if miss else ""
                return Verdict(allowed=False, grant_id=rule.id, reason=f"Denied by grant {rule.title}.{doubt}")
        near: tuple[_Rule, Miss] | None = None
        for rule in allows:
            miss = rule.miss(names, endpoint, facts)
            if not miss:
                return Verdict(allowed=True, grant_id=rule.id, reason=f"Allowed by grant {rule.title}.")
            if near is None:
                near = (rule, miss)
        return Verdict(allowed=False, grant_id=None, reason=_nothing_allows(subject, credential, model, near))

    def decide_without_model(
        self, subject: Subject, credential: Credential, endpoint: Endpoint, facts: Facts
    ) -> Verdict:
        """Decide about what concerns no model, such as a file: an allow for any model is enough, a deny must be for all."""
        if _is_foreign(subject, credential):
            return Verdict(allowed=False, grant_id=None, reason="The credential belongs to another organization.")
        denies, allows = self._held_by(subject).about(credential)
        for rule in denies:
            if not rule.of_models and rule.miss(None, endpoint, facts) in {"", "condition_failed"}:
                return Verdict(allowed=False, grant_id=rule.id, reason=f"Denied by grant {rule.title}.")
        for rule in allows:
            if not rule.miss(None, endpoint, facts):
                return Verdict(allowed=True, grant_id=rule.id, reason=f"Allowed by grant {rule.title}.")
        return Verdict(allowed=False, grant_id=None, reason=_nothing_allows(subject, credential, endpoint.value, None))

    def findings(
        self, subject: Subject, credential: Credential, model: str, endpoint: Endpoint, facts: Facts
    ) -> tuple[Finding, ...]:
        """Return what every grant that concerns `subject` says, denies first, for an explanation."""
        names = _names_of(credential, model)
        found = []
        for rule in self._held_by(subject).rules:
            about = rule.is_about(credential)
            miss: Miss = rule.miss(names, endpoint, facts) if about else "credential"
            applies = not miss or (miss == "condition_failed" and rule.effect == "deny")
            found.append(Finding(grant_id=rule.id, effect=rule.effect, applies=applies, reason=_said(rule, miss)))
        return tuple(found)

    def conditional(self, subject: Subject) -> bool:
        """Say whether some grant that concerns `subject` has a condition, so that no decision outlives its request."""
        return self._held_by(subject).conditional

    def conditions(self, subject: Subject) -> tuple[str, ...]:
        """Return the conditions of the grants that concern `subject`."""
        return self._held_by(subject).conditions

    def expires(self, subject: Subject, *, now_us: int = 0) -> int | None:
        """Return when the next grant that concerns `subject` ends after `now_us`; None if none does."""
        return min((at for at in self._held_by(subject).expiries if at > now_us), default=None)

    def _held_by(self, subject: Subject) -> "_Held":
        held = self._of.get(subject)
        if held is None:
            organization_id = subject.organization_id
            concerned = (
                (organization_id, subject.principal_kind, subject.principal_id),
                *((organization_id, "team", team_id) for team_id in subject.team_ids),
                (organization_id, "organization", organization_id),
            )
            keys = tuple(key for key in concerned if key in self._by_subject)
            held = self._shared.get(keys)
            if held is None:
                held = self._shared[keys] = _Held([rule for key in keys for rule in self._by_subject[key]])
            self._of[subject] = held
        return held


class _Held:
    """The rules that concern a subject, the nearest first. Shared by all whom the same grants concern."""

    __slots__ = ("_about", "conditional", "conditions", "expiries", "rules")

    def __init__(self, rules: list["_Rule"]) -> None:
        self.rules = sorted(rules, key=lambda rule: rule.effect != "deny")
        self.conditions = tuple(rule.condition for rule in rules if rule.condition)
        self.conditional = bool(self.conditions)
        self.expiries = tuple(rule.expires_at for rule in rules if rule.expires_at is not None)
        self._about: dict[str, _DeniesAndAllows] = {}

    def about(self, credential: Credential) -> "_DeniesAndAllows":
        """Return the denies and the allows that are about a credential."""
        found = self._about.get(credential.id)
        if found is None:
            rules = [rule for rule in self.rules if rule.is_about(credential)]
            denies = tuple(rule for rule in rules if rule.effect == "deny")
            found = self._about[credential.id] = (denies, tuple(rules[len(denies) :]))
        return found


class _Rule:
    """A grant, compiled."""

    __slots__ = (
        "_condition",
        "_credentials",
        "_endpoints",
        "_models",
        "condition",
        "effect",
        "expires_at",
        "id",
        "title",
    )

    def __init__(self, grant: Grant) -> None:
        self.id = grant.id
        self.title = f"{grant.id} ({grant.note})" if grant.note else grant.id
        self.effect = grant.effect
        self.expires_at = grant.expires_at
        self.condition = grant.condition
        self._condition = _compiled(grant.condition)
        self._credentials = None if grant.credential_ids is None else frozenset(grant.credential_ids)
        self._endpoints = None if grant.endpoints is None else frozenset(grant.endpoints)
        self._models = None if grant.models is None else _Models(grant.models, fold=grant.effect == "deny")

    def is_about(self, credential: Credential) -> bool:
        """Say whether the grant is about that credential at all."""
        if self._credentials is None:
            # A deny of everything means everything; an allow of everything never means the platform's money.
            return self.effect == "deny" or credential.owner is not Owner.PLATFORM
        return credential.id in self._credentials

    @property
    def of_models(self) -> bool:
        """Say whether it is about some models only."""
        return self._models is not None

    def miss(self, names: _Names | None, endpoint: Endpoint, facts: Facts) -> Miss:
        """Say why the grant, which is about the credential, does not apply; the cheapest questions first.

        Without `names` no model is concerned, and none is asked about.
        """
        if not self._covers(endpoint):
            return "endpoint"
        if names is not None and self._models is not None and not self._models.hold(names):
            return "model"
        if self.expires_at is not None and self.expires_at <= facts.time_us:
            return "expired"
        return self._undecided(facts) if self.condition else ""

    def _covers(self, endpoint: Endpoint) -> bool:
        """An allow of every endpoint is one of those that the gateway knows: what is passed through must be named."""
        if self._endpoints is None:
            return endpoint is not Endpoint.PASSTHROUGH or self.effect == "deny"
        return endpoint in self._endpoints

    def _undecided(self, facts: Facts) -> Miss:
        if self._condition is None:
            return "condition_failed"
        try:
            return "" if self._condition.holds(facts) else "condition"
        except ConditionFailedError:
            return "condition_failed"


_DeniesAndAllows = tuple[tuple[_Rule, ...], tuple[_Rule, ...]]


class _Models:
    """Shell-style patterns. Most are a whole name or a beginning (`gpt-5*`), for which no expression is needed."""

    __slots__ = ("_beginnings", "_fold", "_names", "_others")

    def __init__(self, patterns: tuple[str, ...], *, fold: bool) -> None:
        """Compile. `fold`: without case, as some providers take names, so that `GPT-5` does not slip past a deny."""
        self._fold = fold
        if fold:
            patterns = tuple(pattern.lower() for pattern in patterns)
        wild = [pattern for pattern in patterns if _WILD.search(pattern)]
        self._names = frozenset(patterns)
        self._beginnings = tuple(pattern[:-1] for pattern in wild if _is_beginning(pattern))
        others = [translate(pattern) for pattern in wild if not _is_beginning(pattern)]
        self._others = re.compile("|".join(others)) if others else None

    def hold(self, names: _Names) -> bool:
        """Say whether one of the names fits one of the patterns."""
        if self._fold:
            names = names[0].lower(), names[1].lower(), names[2].lower()
        if not self._names.isdisjoint(names):
            return True
        bare, with_provider, with_credential = names
        beginnings, others = self._beginnings, self._others
        if beginnings and (
            bare.startswith(beginnings)
            or with_provider.startswith(beginnings)
            or with_credential.startswith(beginnings)
        ):
            return True
        return others is not None and any(others.match(name) for name in names)


def _is_beginning(pattern: str) -> bool:
    return pattern.endswith("*") and not _WILD.search(pattern[:-1])


def _compiled(text: str) -> Condition | None:
    if not text:
        return None
    try:
        return compile_condition(text)
    except InvalidRequestError:
        return None


def _names_of(credential: Credential, model: str) -> _Names:
    return model, f"{credential.provider}/{model}", f"{credential.name}/{model}"


def _is_foreign(subject: Subject, credential: Credential) -> bool:
    return credential.owner is not Owner.PLATFORM and credential.organization_id != subject.organization_id


_MISSES: Final = {
    "": "applies",
    "credential": "is for other credentials",
    "endpoint": "is for other endpoints",
    "model": "is for other models",
    "expired": "has expired",
    "condition": "has a condition that does not hold",
    "condition_failed": "has a condition that could not be decided",
}


def _said(rule: _Rule, miss: Miss) -> str:
    return f"The {rule.effect} {rule.title} {_MISSES[miss]}."


def _nothing_allows(subject: Subject, credential: Credential, model: str, near: tuple[_Rule, Miss] | None) -> str:
    who = f"team {subject.team_name or subject.team_ids[0]}" if subject.team_ids else "this caller"
    said = f"No grant lets {who} use credential {credential.name} for {model}."
    return said if near is None else f"{said[:-1]}; {near[0].id} {_MISSES[near[1]]}."
