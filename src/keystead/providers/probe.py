"""Check a key with the provider's cheapest free call.

A refusal is judged by what it says, never by 401 alone: a wrong key is 400 at Google and xAI, and a good key may be
refused the model list (403) or be out of money (402, 429) and still be the right key.
"""

import asyncio
from typing import Final, Literal

import msgspec

from keystead.domain.clock import Clock
from keystead.domain.credential import Credential
from keystead.domain.errors import ProviderError
from keystead.domain.secret import Secret
from keystead.domain.traffic import ErrorClass
from keystead.providers.authorization import Authorizers
from keystead.providers.classify import classify
from keystead.providers.request import build_probe
from keystead.providers.row import Provider
from keystead.providers.transport import Transport

Outcome = Literal["valid", "invalid", "no_rights", "unreachable", "unknown"]

_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""Model lists of aggregators are about 1 MB."""

_MAX_MESSAGE: Final = 300

_OUTCOMES: Final[dict[ErrorClass, Outcome]] = {
    ErrorClass.AUTH_FAILED: "invalid",
    ErrorClass.PERMISSION_DENIED: "no_rights",
    # Only an account that was recognised can be out of money.
    ErrorClass.OUT_OF_FUNDS: "valid",
}


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider made of a key."""

    ok: bool
    """Whether the key may be put to use: the provider took it."""
    outcome: Outcome
    """`no_rights`: the provider knows the key and refuses this call; inference may still work. `unknown`: it
    answered, and the answer proves nothing."""
    status: int | None
    """The HTTP status, None when there was no answer."""
    message: str
    latency_us: int


async def probe(
    transport: Transport,
    authorizers: Authorizers,
    provider: Provider,
    credential: Credential,
    secret: Secret,
    *,
    clock: Clock,
    patience_s: float = 60.0,
) -> ProbeResult:
    """Ask the provider whether it takes the key. Bills nothing.

    Somebody waits for it: an answer that has not ended after `patience_s` seconds is none.

    Raises:
        InvalidRequestError: a setting of the credential is not valid.
    """
    request = build_probe(provider, credential)
    began = clock.monotonic_us()

    def result(outcome: Outcome, status: int | None, message: str) -> ProbeResult:
        return ProbeResult(
            ok=outcome == "valid",
            outcome=outcome,
            status=status,
            message=message[:_MAX_MESSAGE],
            latency_us=clock.monotonic_us() - began,
        )

    try:
        async with asyncio.timeout(patience_s):
            authorized = await authorizers.authorize(provider, request, credential, secret)
            response = await transport.open(request, authorized)
            try:
                body = await response.body(_MAX_ANSWER_BYTES)
            finally:
                response.close()
    except TimeoutError:
        return result("unreachable", None, f"{provider.title} did not end its answer within {patience_s:g} seconds.")
    except ProviderError as error:  # no answer; or no proof, and then whose fault that is
        return result(_OUTCOMES.get(error.error_class, "unreachable"), None, error.message)
    if response.status < 300:
        if not provider.probe.conclusive:
            return result(
                "unknown", response.status, f"{provider.title} answered; it has no free call that proves a key."
            )
        return result("valid", response.status, f"{provider.title} accepted the key.")
    refusal = classify(provider.name, response.status, response.headers, body)
    if refusal.error_class in provider.probe.passed:
        return result("valid", response.status, f"{provider.title} accepted the key.")
    outcome = _OUTCOMES.get(refusal.error_class, "unknown")
    return result(outcome, response.status, _explained(provider, outcome, refusal.message))


def _explained(provider: Provider, outcome: Outcome, words: str) -> str:
    said = f' It says: "{words}"' if words else ""
    match outcome:
        case "valid":
            return f"{provider.title} knows the key, but the account is out of funds.{said}"
        case "invalid":
            return f"{provider.title} refused the key.{said}"
        case "no_rights":
            return f"{provider.title} knows the key, but it may not make this call; it may still do inference.{said}"
        case _:
            return f"{provider.title} answered in a way that proves nothing about the key.{said}"
