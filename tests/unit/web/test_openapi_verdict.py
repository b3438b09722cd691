"""What a probe's finding means for a new key."""

import pytest

from keystead.domain.errors import CallerError, ProviderError
from keystead.domain.traffic import Fault
from keystead.providers.probe import Outcome, ProbeResult
from keystead.web.admin.verdict import may_serve, refusal, will_serve

OUTCOMES: list[Outcome] = ["valid", "invalid", "no_rights", "unreachable", "unknown"]


def found(outcome: Outcome) -> ProbeResult:
    return ProbeResult(ok=outcome == "valid", outcome=outcome, status=None, message="It says so.", latency_us=1)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("keep", [False, True])
def test_only_a_proven_key_serves_without_force(outcome: Outcome, keep: bool) -> None:
    if outcome == "valid":
        assert will_serve(found(outcome), activate=True, force=False, keep=keep)
    elif keep:
        assert not will_serve(found(outcome), activate=True, force=False, keep=True)
    else:
        with pytest.raises((CallerError, ProviderError)):
            will_serve(found(outcome), activate=True, force=False, keep=False)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_force_puts_to_work_what_is_not_proven_wrong(outcome: Outcome) -> None:
    assert may_serve(found(outcome), force=True) == (outcome != "invalid")


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("force", [False, True])
def test_a_key_to_be_staged_is_refused_only_if_it_is_proven_wrong(outcome: Outcome, force: bool) -> None:
    if outcome == "invalid":
        with pytest.raises(CallerError, match="It was not kept"):
            will_serve(found(outcome), activate=False, force=force, keep=False)
    else:
        assert not will_serve(found(outcome), activate=False, force=force, keep=False)
    assert not will_serve(found(outcome), activate=False, force=force, keep=True)


@pytest.mark.parametrize("outcome", [outcome for outcome in OUTCOMES if outcome != "valid"])
def test_a_refusal_says_whose_fault_it_is_and_repeats_what_the_provider_said(outcome: Outcome) -> None:
    error = refusal(found(outcome), kept=True)
    assert error.fault is (Fault.PROVIDER if outcome in {"unreachable", "unknown"} else Fault.CALLER)
    assert "It says so. It stays as it was." in error.message
    assert error.next_step
