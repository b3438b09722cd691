"""Who can mend what a provider refuses. Pure."""

from typing import Final

from keystead.domain.traffic import ErrorClass, Fault

_FAULTS: Final = {
    ErrorClass.THROTTLED: Fault.PROVIDER,
    ErrorClass.OVERLOADED: Fault.PROVIDER,
    ErrorClass.PROVIDER_ERROR: Fault.PROVIDER,
    ErrorClass.TIMEOUT: Fault.PROVIDER,
    ErrorClass.UNREACHABLE: Fault.PROVIDER,
    ErrorClass.PROTOCOL: Fault.PROVIDER,
    # The organization's own contract or key: the custodian mends it, not the caller.
    ErrorClass.OUT_OF_FUNDS: Fault.POLICY,
    ErrorClass.AUTH_FAILED: Fault.POLICY,
    ErrorClass.PERMISSION_DENIED: Fault.POLICY,
}


def fault_of(error_class: ErrorClass) -> Fault:
    """Say who can mend a provider's refusal; what is not the provider's or the contract's is the caller's."""
    return _FAULTS.get(error_class, Fault.CALLER)
