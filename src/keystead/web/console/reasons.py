"""A decision as a chain of steps: what each had to say, which one refused, and what would have to change. Pure."""

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlencode

import msgspec

from keystead.web.admin.explain import ExplanationShown

StepState = Literal["yes", "no", "unreached"]
Stage = Literal["key", "request", "model", "grants", "terms", "limits", "money"]

_TITLES: Final[Mapping[Stage, str]] = {
    "key": "The key",
    "request": "How sensitive it is",
    "model": "The model's name",
    "grants": "Who may use what",
    "terms": "The credential's terms",
    "limits": "Limits",
    "money": "Money",
}
"""In the order in which they are asked."""

_STAGE_OF: Final[Mapping[str, Stage]] = {
    "invalid_key": "key",
    "network_not_allowed": "key",
    "endpoint_not_allowed": "key",
    "model_not_allowed": "key",
    "unknown_data_class": "request",
    "invalid_tags": "request",
    "blocked_content": "request",
    "not_granted": "grants",
    "data_class_refused": "terms",
    "output_limit": "limits",
    "not_affordable": "money",
}
"""Which step refuses with which code; every other one is about the model's name."""

_CHANGES: Final[Mapping[str, str]] = {
    "invalid_key": "Make another key and use that one.",
    "network_not_allowed": "Call from a network of the key, or make a key for that network.",
    "endpoint_not_allowed": "Make a key that may use this endpoint; what a key is narrowed to is not changed.",
    "model_not_allowed": "Make a key that may use this model; what a key is narrowed to is not changed.",
    "unknown_data_class": "Send the name of a data class that there is.",
    "model_ambiguous": "Name the credential as well, as credential/model, or make a route that says which one comes first.",
    "no_credential": "Add a provider key to the vault.",
    "data_class_refused": "Use a credential whose terms promise what is missing, or record that this one's do.",
    "output_limit": "Ask for fewer output tokens, or raise the limit.",
    "not_affordable": "Raise the budget, top up credits, or give a consent that covers it.",
}
_GRANT: Final = "Give a grant for it."
_DENY: Final = "End the deny that forbids it, or narrow it; a deny wins over every allow."
_ELSEWHERE: Final = "is for other credentials."
"""How a grant is told that has nothing to do with it."""
_MODEL_CHANGE: Final = "Check the name, or add a credential or a route that serves it."

_KINDS: Final[Mapping[str, Stage]] = {
    "virtual_key": "key",
    "data_class": "request",
    "recognizers": "request",
    "route": "model",
    "limit": "limits",
    "budget": "money",
    "consent": "money",
}

_QUIET: Final[Mapping[Stage, str]] = {
    "key": "In force, and narrowed to nothing that matters here.",
    "request": "Nobody said that it is more than usually sensitive.",
    "model": "Some credential serves it.",
    "grants": "Granted.",
    "terms": "They promise what its data class needs.",
    "limits": "No limit is about it.",
    "money": "There is room for it.",
}


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Where something can be changed."""

    text: str
    to: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One question, and its answer."""

    title: str
    state: StepState
    says: tuple[str, ...]
    change: str = ""
    """What would have to change; empty unless it refuses."""
    links: tuple[Link, ...] = ()


def steps(found: ExplanationShown, *, model: str, subject: str) -> list[Step]:
    """Return the chain of a decision.

    Args:
        found: the decision.
        model: what was asked for.
        subject: for whom a grant would be given, as the form of grants names it; empty for who cannot give one.
    """
    refusing = None if found.allowed else _STAGE_OF.get(found.code, "model")
    order = list(_TITLES)
    until = order.index(refusing) if refusing else len(order)
    mends = _links(found, model, subject)
    return [_step(stage, (place > until) - (place < until), found, mends) for place, stage in enumerate(order)]


def _step(stage: Stage, side: int, found: ExplanationShown, mends: list[Link]) -> Step:
    """Return a step before (-1), at (0) or after (1) the one that refuses."""
    if side > 0:
        return Step(title=_TITLES[stage], state="unreached", says=())
    says = tuple(_says(stage, found))
    if side < 0:
        return Step(title=_TITLES[stage], state="yes", says=says or (_QUIET[stage],))
    return Step(
        title=_TITLES[stage],
        state="no",
        says=tuple(dict.fromkeys((found.reason, *says) if found.reason else says)),
        change=_change(found),
        links=tuple(mends),
    )


def _change(found: ExplanationShown) -> str:
    if found.code == "not_granted":
        return _DENY if _denies(found) else _GRANT
    return _CHANGES.get(found.code, _MODEL_CHANGE)


def _denies(found: ExplanationShown) -> list[str]:
    """Return the deny by which it is refused, if it is one: others may apply to other credentials."""
    return [one.grant_id for one in found.grants if one.effect == "deny" and one.grant_id in found.reason]


def _says(stage: Stage, found: ExplanationShown) -> list[str]:
    said = [rule.says for rule in found.rules if _KINDS.get(rule.kind) == stage]
    if stage == "grants":
        refused = found.code == "not_granted"
        said += [
            finding.reason
            for finding in found.grants
            if (finding.applies or refused)
            and finding.grant_id not in found.reason
            and not finding.reason.endswith(_ELSEWHERE)
        ]
    if stage == "terms":
        said += [
            f"{one.credential}: {one.reason}"
            for one in found.considered
            if not one.allowed and one.code == "data_class_refused"
        ]
    if stage == "money":
        said += [f"{one.credential}: {one.refusal}" for one in found.attempts if one.refusal]
    return said


def _links(found: ExplanationShown, model: str, subject: str) -> list[Link]:
    """Return where the refusal can be mended."""
    if found.code == "not_granted":
        denies = _denies(found)
        ends = [Link(text="End this deny", to=f"/console/permissions/grants/{name}/revoke") for name in denies]
        if denies or not subject:
            return ends
        query = urlencode({"subject": subject, "models": model})
        return [Link(text=f"Grant {model}", to=f"/console/permissions/grants/new?{query}")]
    if found.code == "data_class_refused":
        return [Link(text="The vault", to="/console/vault")]
    if found.code in {"invalid_key", "endpoint_not_allowed", "model_not_allowed", "network_not_allowed"}:
        return [Link(text="Make a key", to="/console/keys/new")]
    return []
