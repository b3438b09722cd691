"""What is told, and what is recorded, about a request that is refused before any attempt. Pure."""

from typing import Any, Final

import msgspec

from keystead.domain.errors import KeysteadError, NotFoundError, PolicyDenied
from keystead.domain.traffic import Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.inspect import data_class_of
from keystead.gateway.plan import Plan
from keystead.gateway.rules import Caller

_ABOUT_MODELS: Final = frozenset({"model_not_allowed", "not_granted", "data_class_refused"})


def class_so_far(caller: Caller, ask: Ask) -> str:
    """Return the data class of a request that nothing was planned for.

    Empty where it named none that exists, or where recognisers might have raised it.
    """
    if caller.rules.recognizers is not None and ask.raised_to is None:
        return ""
    try:
        return data_class_of(caller, ask).name
    except KeysteadError:
        return ""


def hidden_model(error: KeysteadError, ask: Ask) -> KeysteadError | None:
    """Return what is told, in place of a refusal, about a model that is asked after and not asked for something.

    What others may use is to such a caller as if it never was. `explain` says why to who may know.
    """
    if ask.endpoint is not Endpoint.MODELS or not ask.model or error.code not in _ABOUT_MODELS:
        return None
    return NotFoundError(
        f"There is no model {ask.model!r} here.",
        code="model_not_found",
        param="model",
        next_step="GET /v1/models lists what this key may use.",
    )


def refusal_decision(error: KeysteadError, plan: Plan | None) -> str:
    """Return the decision to be recorded for a refusal: what was planned, and why nothing came of it.

    The words are kept where they are about rules and models. Others may repeat what the caller sent.
    """
    decision: dict[str, Any] = msgspec.json.decode(plan.decision) if plan else {}
    if isinstance(error, PolicyDenied) or error.param == "model":
        decision["reason"] = error.message
    return msgspec.json.encode(decision).decode()
