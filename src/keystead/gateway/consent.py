"""The consent that lets a platform credential step in for an own one. Pure."""

from keystead.domain.errors import PolicyDenied
from keystead.domain.grants import Consent, Reason
from keystead.gateway.plan import Plan, Step
from keystead.gateway.rules import Caller
from keystead.policy.consents import find_consent


def consent_for(
    step: Step, caller: Caller, plan: Plan, *, own_only: bool, reason: Reason | None, now_us: int
) -> Consent:
    """Return the consent by which `step` follows an own credential.

    Args:
        step: on a platform credential.
        caller: who asks.
        plan: what was decided about the request.
        own_only: the request forbids it.
        reason: why the own credential could not serve; None if nothing happened.
        now_us: Unix microseconds.

    Raises:
        PolicyDenied: there is none (`no_consent`).
    """
    found: Consent | str
    if own_only:
        found = "The request forbids a fallback to platform credentials."
    elif reason is None:
        found = "Nothing happened for which platform credentials may step in."
    else:
        rules = caller.rules
        found = find_consent(
            rules.consents,
            team_ids=caller.subject.team_ids,
            model=step.model,
            data_class=rules.classes.get(plan.data_class),
            reason=reason,
            now_us=now_us,
        )
    if isinstance(found, str):
        raise PolicyDenied(found, code="no_consent")
    return found
