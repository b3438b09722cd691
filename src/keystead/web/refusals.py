"""A provider's refusal for a caller of another dialect: its own words, in a shape that the caller's SDK raises. Pure.

Within one dialect a refusal passes byte for byte. Across dialects the error class decides the status and the code, in
the words that clients of the dialect act on (Codex compacts on `context_length_exceeded`, Claude Code on "prompt is too
long"); who can mend it is said in the body as in the header.
"""

from collections.abc import Mapping
from typing import Final

from keystead.domain.errors import KeysteadError
from keystead.domain.traffic import Dialect, ErrorClass
from keystead.gateway.faults import fault_of
from keystead.providers.classify import Refusal
from keystead.web.errors import error_body

_TOLD: Final[Mapping[ErrorClass, tuple[int, str]]] = {
    ErrorClass.THROTTLED: (429, "rate_limit_exceeded"),
    ErrorClass.OUT_OF_FUNDS: (429, "insufficient_quota"),
    ErrorClass.AUTH_FAILED: (401, "invalid_api_key"),
    ErrorClass.PERMISSION_DENIED: (403, "permission_denied"),
    ErrorClass.MODEL_MISSING: (404, "model_not_found"),
    ErrorClass.CONTEXT_TOO_LONG: (400, "context_length_exceeded"),
    ErrorClass.CONTENT_REFUSED: (400, "content_policy_violation"),
    ErrorClass.OVERLOADED: (503, "server_overloaded"),
    ErrorClass.TOO_LARGE: (413, "request_too_large"),
    ErrorClass.NOT_FOUND: (404, "not_found"),
    ErrorClass.INVALID_REQUEST: (400, "invalid_request"),
}
_OVERLOADED: Final = {Dialect.ANTHROPIC: 529}
"""Anthropic's SDK raises its own error for it."""
_TOO_LONG: Final = {
    Dialect.ANTHROPIC: "prompt is too long: ",
    Dialect.BEDROCK: "Input is too long for requested model. ",
}


def translated_refusal(
    refusal: Refusal, *, status: int, title: str, dialect: Dialect, request_id: str
) -> tuple[int, bytes]:
    """Return the status and the body for the caller.

    Args:
        refusal: what the provider's refusal means, with its words.
        status: the provider's own status, for what has no class of its own.
        title: the provider's name for people.
        dialect: the caller's.
        request_id: of the request.
    """
    told, code = _TOLD.get(refusal.error_class, (status if status >= 500 else 502, "provider_error"))
    message = refusal.message
    if refusal.error_class is ErrorClass.OVERLOADED:
        told = _OVERLOADED.get(dialect, told)
    if refusal.error_class is ErrorClass.CONTEXT_TOO_LONG:
        message = _TOO_LONG.get(dialect, "") + message
    error = KeysteadError(message, code=code, status=told, next_step=f"({title} refused it.)")
    error.fault = fault_of(refusal.error_class)
    return told, error_body(error, dialect, request_id)
