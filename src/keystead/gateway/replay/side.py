"""One set of rules, and what it plans for a recorded request. Pure."""

import re
from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.errors import KeysteadError
from keystead.gateway.means import Means
from keystead.gateway.narrowed import check_alternatives
from keystead.gateway.order import in_order
from keystead.gateway.plan import Plan, Question, Step, plan_for
from keystead.gateway.plan_state import plan_follow_up
from keystead.gateway.rules import Caller, Rules, caller_of
from keystead.metering.outline import Outline
from keystead.metering.recorded import Recorded
from keystead.policy.facts import Facts, Supposed

StepKey = tuple[str, str]
"""A credential's id, and the model as its provider calls it."""

_TIME: Final = re.compile(r"\btime\b")
_HOUR: Final = re.compile(r"\b(?:hour|weekday)\b")
_QUARTER_US: Final = 900_000_000
"""In every time zone an hour and a weekday begin with a quarter of an hour of UTC."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A request is not allowed."""

    code: str
    reason: str


Decided = Plan | Refusal


class Side:
    """One set of rules."""

    def __init__(
        self, rules: Rules, keys: Iterable[VirtualKey], means: Means, *, withdrawn: frozenset[str] = frozenset()
    ) -> None:
        """Decide by `rules`, at the prices in `means`, for `keys`; those in `withdrawn` may do nothing.

        A key that was revoked since it was used counts as it did then: it is the rules that are compared.
        """
        self.rules = rules
        self.means = means
        self._keys = {key.id: key for key in keys}
        self._withdrawn = withdrawn
        self._callers: dict[str, Caller] = {}
        self._ends = sorted(credential.terms.ends_at for credential in rules.credentials if credential.terms.ends_at)

    def caller(self, recorded: Recorded) -> Caller | None:
        """Return who asked, None if the key is not there."""
        key = self._keys.get(recorded.virtual_key_id)
        if key is None:
            return None
        caller = self._callers.get(key.id)
        if caller is None:
            caller = self._callers[key.id] = caller_of(key, self.rules)
        return caller

    def decide(self, recorded: Recorded, outline: Outline, tags: Supposed | Mapping[str, str]) -> Decided:
        """Return what may be tried, or why nothing may."""
        caller = self.caller(recorded)
        if caller is None or caller.key.id in self._withdrawn:
            return Refusal(code="key_revoked", reason="The virtual key is revoked, or its owner disabled.")
        if outline.said and self.rules.classes.get(outline.said) is None:
            return Refusal(code="unknown_data_class", reason=f"There is no data class {outline.said!r}.")
        try:
            question = self._question(caller, recorded, outline, tags)
            if outline.stored:
                plan = plan_follow_up(question, credential_id=recorded.tried[0].credential_id)
            else:
                plan = plan_for(question)
            if outline.alternatives:
                for step in steps_of(plan):
                    check_alternatives(caller.key, step.credential)
        except KeysteadError as error:
            return Refusal(code=error.code, reason=error.message)
        return plan

    def same_until(self, recorded: Recorded) -> float:
        """Return until when the same request would be decided about alike, as far as time decides. Unix µs."""
        caller = self.caller(recorded)
        if caller is None:
            return inf
        at = recorded.started_at
        access, subject = self.rules.access, caller.subject
        ends = [end for end in self._ends if end > at][:1]
        expiry = access.expires(subject, now_us=at)
        conditions = " ".join(access.conditions(subject))
        if _TIME.search(conditions):
            return at
        quarter = [at - at % _QUARTER_US + _QUARTER_US] if _HOUR.search(conditions) else []
        return min([*ends, *quarter, *([expiry] if expiry is not None else [])], default=inf)

    def path(self, recorded: Recorded, plan: Plan) -> tuple[Step, ...]:
        """Return the steps in the order in which they are tried.

        Where chance or the figures of the moment decide the order, the record says how they did.
        """
        steps = in_order(
            plan,
            affinity=recorded.virtual_key_id,
            draw=0.0,
            price_of=lambda step: self.means.price_of(step, recorded),
            latency_of=lambda _step: None,
        )
        if not _by_chance(plan):
            return steps
        made = [(tried.credential_id, tried.model) for tried in recorded.tried]
        return tuple(sorted(steps, key=lambda step: made.index(key_of(step)) if key_of(step) in made else len(made)))

    def _question(
        self, caller: Caller, recorded: Recorded, outline: Outline, tags: Supposed | Mapping[str, str]
    ) -> Question:
        data_class = self.rules.classes.highest([*caller.data_classes, outline.said, *(outline.found or ())])
        return Question(
            caller=caller,
            dialect=recorded.dialect,
            endpoint=recorded.endpoint,
            model=recorded.model,
            data_class=data_class,
            facts=Facts(
                model=recorded.model,
                endpoint=recorded.endpoint,
                dialect=recorded.dialect,
                stream=recorded.stream,
                tags=tags,
                team=caller.key.team_id,
                principal=caller.key.principal_id,
                data_class=data_class.name,
                time_us=recorded.started_at,
                time_zone=self.rules.time_zone,
            ),
            now_us=recorded.started_at,
        )


def key_of(step: Step) -> StepKey:
    """Return what tells a step from others."""
    return step.credential.id, step.model


def steps_of(plan: Plan) -> tuple[Step, ...]:
    """Return the steps that somebody named, in no order that means anything."""
    return tuple(step for group in plan.groups for step in group)


def _by_chance(plan: Plan) -> bool:
    route = plan.route
    return route is not None and (route.strategy == "fastest" or (route.strategy == "weighted" and not route.sticky))
