"""Every error a person can meet, with whose fault it is and what to do next.

    KeysteadError
    ├── CallerError            the request must change            (4xx)
    │   ├── AuthenticationError   no key, or not one we know       401
    │   ├── InvalidRequestError   malformed, or not allowed so     400 …
    │   ├── NotFoundError         no such thing for this caller    404
    │   └── ConflictError         the thing is in another state    409
    ├── PolicyDenied           someone entitled must allow it      403
    ├── ProviderError          the provider refused or failed      502 …
    ├── VaultError             a key cannot be opened or kept      5xx
    └── GatewayError           our side: storage, limits, defects  5xx

`code` is stable and for machines; `message` and `next_step` are for people and never hold a secret, a host of
ours or another organization's data. Internals go to the log, not into these fields.
"""

from collections.abc import Mapping

from keystead.domain.traffic import ErrorClass, Fault


class KeysteadError(Exception):
    """Something went wrong."""

    code = "internal_error"
    status = 500
    fault = Fault.GATEWAY
    next_step = "Try again; if it stays, tell the operator the request id."

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        status: int | None = None,
        next_step: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make the error; what is not given is the class's own word (its docstring is the default message)."""
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.next_step = next_step or type(self).next_step
        self.param = param
        """The field or parameter at fault, where one is."""
        self.headers = dict(headers or {})
        """Response headers that belong to the error, such as Retry-After."""


class CallerError(KeysteadError):
    """The request must change."""

    code = "invalid_request"
    status = 400
    fault = Fault.CALLER
    next_step = "Change the request as the message says."


class AuthenticationError(CallerError):
    """The key is missing or not valid."""

    code = "invalid_key"
    status = 401
    next_step = "Send a valid Keystead virtual key (ks_…)."


class InvalidRequestError(CallerError):
    """The request is not valid."""


class NotFoundError(CallerError):
    """There is no such object."""

    code = "not_found"
    status = 404
    next_step = "Check the id; you see only what belongs to your organization."


class ConflictError(CallerError):
    """The object is in a state that does not allow this."""

    code = "conflict"
    status = 409
    next_step = "Look at its current state, then try again."


class PolicyDenied(KeysteadError):  # noqa: N818 - a decision, and the design's word for it
    """This is not allowed for you."""

    code = "not_allowed"
    status = 403
    fault = Fault.POLICY
    next_step = "Ask an administrator of your organization."


class ProviderError(KeysteadError):
    """The provider refused or failed."""

    code = "provider_error"
    status = 502
    fault = Fault.PROVIDER
    next_step = "Try again; if it stays, look at the provider's status page."

    def __init__(
        self, message: str, *, error_class: ErrorClass, sent: bool, code: str | None = None, status: int | None = None
    ) -> None:
        """Make the error; `sent` says whether the provider may have seen the request."""
        super().__init__(message, code=code, status=status)
        self.error_class = error_class
        self.sent = sent


class VaultError(KeysteadError):
    """A key cannot be opened."""

    code = "vault_error"
    status = 503
    next_step = "Tell the operator: `keystead doctor` says what is wrong with the vault."


class IntegrityError(VaultError):
    """A sealed key does not match its record: it was altered, moved or belongs to another destination."""

    code = "integrity_failure"


class GatewayError(KeysteadError):
    """The gateway cannot do this now."""

    code = "unavailable"
    status = 503


class NotRecordedError(GatewayError):
    """The request could not be recorded, so it was not sent to the provider."""

    code = "record_unavailable"
    next_step = "Nothing was sent or billed. Try again; the operator must mend the database or the disk."
