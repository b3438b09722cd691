"""What two sets of rules plan for one recorded request. Pure.

Tags are not recorded. Where a condition asks for one, both sides are asked once for each thing that it may come to. If
only one answer fits what was decided then, or the answer never depends on the tags, that is it; else nobody can say.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from keystead.gateway.replay.side import Decided, Refusal, Side, key_of, steps_of
from keystead.metering.outline import Outline
from keystead.metering.recorded import Recorded
from keystead.policy.facts import Supposed, Supposition

BY_RULES: Final = frozenset(
    {
        "data_class_refused",
        "data_class_unknown",
        "endpoint_not_allowed",
        "key_revoked",
        "model_ambiguous",
        "model_not_allowed",
        "model_not_found",
        "no_credential",
        "not_granted",
        "unknown_data_class",
    }
)
"""What a request is refused with when the rules plan nothing for it."""

BY_MEANS: Final = frozenset(
    {
        "budget_exceeded",
        "consent_cap_reached",
        "no_consent",
        "out_of_credits",
        "output_limit",
        "rate_limit_too_small",
        "rate_limited",
        "unpriced_refused",
    }
)
"""What it is refused with when there is no room, or no consent, for what they plan."""

_MOST_CONDITIONS: Final = 3
"""Conditions over tags that are tried out for a request: 27 answers."""
_LONGEST: Final = 120
"""Characters of a condition that are told."""
_MOST_KEPT: Final = 10_000
"""Answers remembered. Bounded, because callers choose names of models."""


class Undecidable(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody can say what would have been decided."""

    code: str
    reason: str


class AsRecorded(msgspec.Struct, frozen=True):
    """The rules that are compared do not decide about it: it is as it was."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules of today and the other ones plan."""

    today: Decided
    other: Decided


Found = Pair | Undecidable | AsRecorded


class _Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides say, once for each thing that conditions over tags may come to."""

    pairs: Sequence[Pair]
    conditions: tuple[str, ...]
    """Those that were tried out."""
    complete: bool = True


class Pairs:
    """Asks both sides, and remembers what they said about requests that are alike."""

    def __init__(self, today: Side, other: Side, *, recognizers_differ: bool) -> None:
        """Compare `other` with `today`; what their recognisers would find in a body is for nobody to say."""
        self._today = today
        self._other = other
        self._recognizers_differ = recognizers_differ
        self._classes_differ = today.rules.classes.ladder != other.rules.classes.ladder
        self._consents_differ = today.rules.consents != other.rules.consents
        self._kept: dict[tuple[object, ...], tuple[float, _Answers]] = {}

    def of(self, recorded: Recorded) -> Found:
        """Return what both sides plan for a request."""
        found = None if recorded.tried else self._without_attempt(recorded)
        if found is not None:
            return found
        outline = recorded.outline
        if outline is None:
            return Undecidable(
                code="not_recorded", reason="It was recorded by a version that did not keep what a decision looks at."
            )
        if outline.found is None:
            return Undecidable(
                code="content_unknown", reason="It was refused before what recognisers found in it was kept."
            )
        return _settled(self._answers(recorded, outline), recorded)

    def _without_attempt(self, recorded: Recorded) -> Undecidable | AsRecorded | None:
        """Return what can be said of a request that was not made before both sides are asked; None for nothing."""
        code = recorded.error_code if recorded.refused else ""
        outline = recorded.outline
        if code in _UNKNOWN:
            differ = {
                "blocked_content": self._recognizers_differ,
                "unknown_data_class": self._classes_differ,
                "no_consent": self._consents_differ,
            }
            return _UNKNOWN[code] if differ[code] else AsRecorded()
        if code not in BY_RULES | BY_MEANS:
            return AsRecorded()
        if outline is not None and outline.stored:
            return Undecidable(
                code="credential_unknown",
                reason="It was about a stored response, and refused before the credential of that was kept.",
            )
        return None

    def _answers(self, recorded: Recorded, outline: Outline) -> _Answers:
        key = (
            recorded.virtual_key_id,
            recorded.dialect,
            recorded.endpoint,
            recorded.model,
            recorded.stream,
            outline.said,
            outline.found,
            outline.alternatives,
            outline.tagged,
            recorded.tried[0].credential_id if outline.stored else None,
        )
        until, answers = self._kept.get(key, (0.0, None))
        if answers is None or recorded.started_at >= until:
            answers = self._ask(recorded, outline)
            until = min(side.same_until(recorded) for side in (self._today, self._other))
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = (until, answers)
        return answers

    def _ask(self, recorded: Recorded, outline: Outline) -> _Answers:
        if not outline.tagged:
            return _Answers(pairs=[self._pair(recorded, outline, {})], conditions=())
        pairs: list[Pair] = []
        conditions: set[str] = set()
        supposed: list[dict[Supposition, bool | None]] = [{}]
        while supposed:
            truths = supposed.pop()
            tags = Supposed(truths)
            pair = self._pair(recorded, outline, tags)
            if tags.open is None:
                pairs.append(pair)
                continue
            conditions.add(tags.open[0])
            if len(truths) == _MOST_CONDITIONS:
                return _Answers(pairs=pairs, conditions=tuple(sorted(conditions)), complete=False)
            supposed.extend({**truths, tags.open: truth} for truth in (True, False, None))
        return _Answers(pairs=pairs, conditions=tuple(sorted(conditions)))

    def _pair(self, recorded: Recorded, outline: Outline, tags: Supposed | Mapping[str, str]) -> Pair:
        today, other = (side.decide(recorded, outline, tags) for side in (self._today, self._other))
        return Pair(today=today, other=other)


_UNKNOWN: Final = {
    "blocked_content": Undecidable(
        code="content_unknown", reason="A recogniser blocked it, and what it said is not kept."
    ),
    "unknown_data_class": Undecidable(
        code="class_unknown", reason="It named a data class that was not there, and is not kept."
    ),
    "no_consent": Undecidable(
        code="cause_unknown", reason="It had no consent, and why an own key could not serve is not kept."
    ),
}
"""What cannot be decided again where the rules differ that it was refused by."""


def _settled(answers: _Answers, recorded: Recorded) -> Pair | Undecidable:
    """Return the one pair that fits what was decided then, or one that stands for all of them."""
    if answers.complete:
        fitting = [pair for pair in answers.pairs if _fits(pair.today, recorded)] or answers.pairs
        shapes = {(_shape(pair.today), _shape(pair.other)) for pair in fitting}
        if len(shapes) == 1 or all(today == other for today, other in shapes):
            return fitting[0]
    conditions = ", ".join(f"`{condition[:_LONGEST]}`" for condition in answers.conditions)
    return Undecidable(code="tags_unknown", reason=f"Its tags decide, which are not recorded: {conditions}.")


def _fits(decided: Decided, recorded: Recorded) -> bool:
    """Say whether the rules of today decide so far as was decided then."""
    if isinstance(decided, Refusal):
        return recorded.refused and recorded.error_code in BY_RULES
    if not recorded.tried:
        return recorded.error_code not in BY_RULES
    first = recorded.tried[0]
    return (first.credential_id, first.model) in {key_of(step) for step in (*steps_of(decided), *decided.reserve)}


def _shape(decided: Decided) -> object:
    """Return what of a decision counts for what becomes of the request."""
    if isinstance(decided, Refusal):
        return None
    return decided.route, tuple(tuple(map(key_of, group)) for group in (*decided.groups, decided.reserve))
