"""Models that a request names beside the one that was decided about, and what must be allowed like one. Pure."""

from collections.abc import Iterable

import msgspec

from keystead.domain.errors import PolicyDenied
from keystead.gateway.plan import Question, Step, judge
from keystead.routing.resolve import Candidate


def check_beside(question: Question, step: Step, models: Iterable[str]) -> None:
    """See that each of `models`, too, may be used on the step's credential.

    Raises:
        PolicyDenied: the key's narrowing, the grants or the data class forbid one.
    """
    for model in models:
        name = f"{step.credential.name}/{model}"
        facts = msgspec.structs.replace(question.facts, model=name)
        asked = msgspec.structs.replace(question, model=name, facts=facts)
        considered, allowed = judge(asked, Candidate(credential=step.credential), model)
        if allowed is None:
            raise PolicyDenied(
                f"Beside its model, this names {model!r}. {considered.reason}",
                code=considered.code,
                param="model",
                next_step="Both must be allowed: the virtual key's models and the grants say what is.",
            )
