"""What to do after an attempt has failed, before anything of it has reached the client. Pure.

Three steps are possible: give the caller the provider's answer, try the same attempt once more, or go on to the next
one. Which it is depends on whether the refusal would be repeated elsewhere:

- What is wrong with the request itself (malformed, refused content, too large, an object that is not there) is wrong
  everywhere: the provider's answer goes to the caller.
- A busy or broken provider is asked once more after a short, jittered wait, never sooner than it asked for; when it
  asks for more patience than a caller has, the next attempt is tried at once.
- A model that is missing, a context that is too long, an account without funds and a refused key do not change within
  a request: the next attempt is tried. For a refused key (401, 403) that is another credential that the route names;
  platform credentials never stand in for it, because `auth_failed` is not a reason that anybody can consent to.
- After a timeout or a lost connection the provider may have done the work and bill it. The same provider is not made
  to do it twice: the next attempt is tried. Time ran out once; a second wait at the same door is no better.

Nothing here is asked once a byte has reached the client: from there on, an answer is that attempt's or an error.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from keystead.domain.grants import Reason
from keystead.domain.traffic import ErrorClass

Step = Literal["answer", "again", "next"]

MAX_TRIES: Final = 2
"""How often one attempt is tried."""

MAX_WAIT_S: Final = 5.0
"""The longest wait before a second try: with more, a caller is better served elsewhere, or told."""

JITTER_S: Final = 0.5
"""Second tries are spread over this long ("full jitter"), so that a herd does not come back as one."""

_REASONS: Final[Mapping[ErrorClass, Reason]] = {
    ErrorClass.THROTTLED: Reason.THROTTLED,
    ErrorClass.OVERLOADED: Reason.DOWN,
    ErrorClass.PROVIDER_ERROR: Reason.DOWN,
    ErrorClass.TIMEOUT: Reason.DOWN,
    ErrorClass.UNREACHABLE: Reason.DOWN,
    ErrorClass.PROTOCOL: Reason.DOWN,
    ErrorClass.OUT_OF_FUNDS: Reason.OUT_OF_FUNDS,
    ErrorClass.AUTH_FAILED: Reason.AUTH_FAILED,
    ErrorClass.PERMISSION_DENIED: Reason.AUTH_FAILED,
    ErrorClass.MODEL_MISSING: Reason.MODEL_MISSING,
    ErrorClass.CONTEXT_TOO_LONG: Reason.CONTEXT_TOO_LONG,
}
"""Why the next attempt would follow. What is not here is the caller's to change, whoever is asked."""

_PASSING: Final = frozenset({ErrorClass.THROTTLED, ErrorClass.OVERLOADED, ErrorClass.PROVIDER_ERROR})
"""What a provider says without having done the work, and may do well a moment later."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The next step."""

    step: Step
    reason: Reason | None = None
    """Why another attempt would follow; None when none may."""
    delay_s: float = 0.0
    """How long to wait before trying again."""


ANSWER: Final = Verdict(step="answer")


def reason_of(error_class: ErrorClass) -> Reason | None:
    """Return why another attempt would follow such a failure; None when none may."""
    return _REASONS.get(error_class)


def after(
    error_class: ErrorClass,
    *,
    retry_after_s: float | None,
    sent: bool,
    tries: int = 1,
    draw: float = 1.0,
    should_retry: bool | None = None,
) -> Verdict:
    """Decide what follows a failed try, as long as nothing of it has reached the client.

    `again` also needs room in the retry budget; without it, it is `next` with the same reason.

    Args:
        error_class: What the failure means.
        retry_after_s: How long the provider asks to wait, if it says.
        sent: Whether the provider may have seen the request.
        tries: How often this attempt has been tried, the failed try included.
        draw: Uniform in [0, 1), spreads the wait; 1.0 is the longest.
        should_retry: The provider's own word (`x-should-retry`), which goes before the rules here, as in its SDKs.
    """
    reason = reason_of(error_class)
    passing = error_class in _PASSING or (error_class is ErrorClass.UNREACHABLE and not sent)
    if should_retry is not None and reason is not None:
        passing = should_retry
    wait_s = retry_after_s or 0.0
    if passing and tries < MAX_TRIES and wait_s <= MAX_WAIT_S:
        return Verdict(step="again", reason=reason, delay_s=wait_s + draw * JITTER_S)
    return ANSWER if reason is None else Verdict(step="next", reason=reason)
