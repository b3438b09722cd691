"""What a probe's finding means for a key that somebody brings. Pure."""

from typing import Final

from keystead.domain.errors import InvalidRequestError, KeysteadError, ProviderError
from keystead.domain.traffic import ErrorClass
from keystead.providers.probe import ProbeResult

FORCEABLE: Final = frozenset({"no_rights", "unreachable", "unknown"})
"""Findings that do not prove a key wrong, so that `force` may put it to work. `no_rights` is one of them because an
OpenAI key restricted to inference may not list models, which is what the probe asks for."""


def may_serve(result: ProbeResult, *, force: bool) -> bool:
    """Say whether a key with this finding may become active."""
    return result.outcome == "valid" or (force and result.outcome in FORCEABLE)


def will_serve(result: ProbeResult, *, activate: bool, force: bool, keep: bool) -> bool:
    """Decide what becomes of a new key: True to activate it, False to keep it staged.

    A key that the provider calls wrong is neither, unless `keep` asks to have it staged all the same.

    Raises:
        InvalidRequestError: the provider refuses the key, or the key lacks rights.
        ProviderError: the provider could not be asked, or its answer says nothing.
    """
    if activate and may_serve(result, force=force):
        return True
    if keep or (not activate and result.outcome != "invalid"):
        return False
    raise refusal(result, kept=False)


def refusal(result: ProbeResult, *, kept: bool) -> KeysteadError:
    """Return the error that says why a key with this finding does not serve."""
    was = "It stays as it was." if kept else "It was not kept."
    if result.outcome == "invalid":
        return InvalidRequestError(
            f"The provider refuses this key: {result.message} {was}",
            code="key_refused",
            param="key",
            next_step="Check the key in the provider's console and send it again.",
        )
    if result.outcome == "no_rights":
        return InvalidRequestError(
            f"The provider knows this key, which may not do what the probe asked: {result.message} {was}",
            code="key_without_rights",
            param="key",
            next_step="Give the key the right to list models, or use it as it is with `force` (`--force`).",
        )
    error = ProviderError(
        f"Whether the key is good could not be found out: {result.message} {was}",
        error_class=ErrorClass.UNREACHABLE if result.outcome == "unreachable" else ErrorClass.PROVIDER_ERROR,
        sent=result.outcome != "unreachable",
        code="probe_inconclusive",
    )
    error.next_step = "Check the destination and try again, or use the key unproven with `force` (`--force`)."
    return error
