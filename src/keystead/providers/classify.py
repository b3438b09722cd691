"""What a provider's refusal means, judged by provider, status and body together. Pure.

Status alone misleads: a wrong key is 400 at Google and xAI; an empty account is 429 at OpenAI, 400 at Anthropic,
402 at DeepSeek, 403 at xAI; an unknown model is 400, 403 or 404. So the body's codes and words are asked first, in
the order of `_RULES`, and the status only where they say nothing. The wordings come from recorded refusals and the
vendors' error pages (November 2026).
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from keystead.domain.traffic import ErrorClass
from keystead.providers import waits
from keystead.providers.headers import first

_MAX_MESSAGE: Final = 1000
_MAX_BODY_READ: Final = 65_536


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal, understood."""

    error_class: ErrorClass
    retry_after_s: float | None
    """How long the provider asks to wait, as it says it, uncapped; None if it does not say."""
    message: str
    """The provider's own words, shortened; for people, not for decisions."""
    should_retry: bool | None = None
    """`x-should-retry`: the provider's own word on it, which its SDKs put before anything else."""


class _Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Codes or phrases that decide; all are lower case."""

    error_class: ErrorClass
    codes: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()
    provider: str = ""
    """Only there; empty for everywhere."""
    statuses: frozenset[int] = frozenset()
    """Only with these; empty for any."""


_BAD: Final = frozenset({400, 403, 404, 413, 422, 500})
"""What context and content refusals come with. Not 429: token *rate* limits use the same words."""

# The first match wins, so the order is part of the rules: no money before throttled (OpenAI answers 429 to both),
# throttled before too long (Groq answers 413 to a token rate), a bad key before a bad request.
_RULES: Final = (
    _Rule(
        error_class=ErrorClass.OUT_OF_FUNDS,
        codes=frozenset(
            {
                "insufficient_quota",
                "billing_error",
                "billing_hard_limit_reached",
                "billing_not_active",
                "enforced_spend_limit_reached",
                "contract_spend_limit_reached",
                "insufficient_balance",
                "insufficient_credits",
                "payment_required",
            }
        ),
        phrases=(
            "credit balance is too low",
            "you have reached your specified api usage limits",
            "you have reached your specified workspace api usage limits",
            "insufficient balance",
            "insufficient credits",
            "requires more credits",
            "used all available credits",
            "credits are depleted",
            "spending limit",
            "credit limit exceeded",
        ),
    ),
    _Rule(
        error_class=ErrorClass.PERMISSION_DENIED,
        codes=frozenset(
            {
                "ip_not_authorized",
                "organization_on_hold",
                "service_disabled",
                "api_key_service_blocked",
                "api_key_http_referrer_blocked",
                "api_key_ip_address_blocked",
                "unsupported_country_region_territory",
            }
        ),
        phrases=("missing scopes", "insufficient permissions", "location is not supported"),
    ),
    _Rule(
        error_class=ErrorClass.AUTH_FAILED,
        codes=frozenset(
            {
                "invalid_api_key",
                "api_key_invalid",
                "authentication_error",
                "invalid_authentication",
                "unauthenticated",
                "account_deactivated",
                "unrecognizedclientexception",  # AWS's, here and below
                "invalidsignatureexception",
                "incompletesignatureexception",
                "missingauthenticationtokenexception",
                "expiredtokenexception",
            }
        ),
        phrases=(
            "incorrect api key",
            "invalid api key",
            "api key not valid",
            "api key expired",
            "api key was reported as leaked",
            "invalid x-api-key",
            "security token included in the request is",
            "make sure your api key is valid",  # Bedrock, with AccessDeniedException
            "bearer token has expired",
        ),
    ),
    _Rule(
        error_class=ErrorClass.OVERLOADED,
        codes=frozenset(
            {
                "overloaded_error",
                "engine_overloaded",
                "service_tier_capacity_exceeded",
                "capacity_exceeded",
                "unavailable",
                "modelnotreadyexception",
                "serviceunavailableexception",
            }
        ),
        phrases=("is overloaded", "currently overloaded", "over capacity", "loading model", "no healthy upstream"),
    ),
    _Rule(
        error_class=ErrorClass.THROTTLED,
        codes=frozenset(
            {
                "rate_limit_exceeded",
                "rate_limit_error",
                "ramp_limit_exceeded",
                "ratelimitreached",
                "resource_exhausted",
                "throttlingexception",
                "servicequotaexceededexception",
            }
        ),
    ),
    _Rule(
        error_class=ErrorClass.CONTEXT_TOO_LONG,
        codes=frozenset({"context_length_exceeded", "exceed_context_size_error", "too_many_tokens"}),
        phrases=(
            "prompt is too long",
            "prompt too long",  # Ollama
            "total length of all messages is too long",  # Perplexity
            "maximum context length",
            "context length exceeded",
            "maximum prompt length",
            "exceeds the context window",
            "exceed context limit",
            "exceeds the available context size",
            "exceeds the maximum number of tokens",
            "input token count",
            "input tokens exceeded",
            "input is too long",
            "too many tokens",
            "please reduce the length of the",
            "inputs tokens + max_new_tokens must be",
        ),
        statuses=_BAD,
    ),
    _Rule(
        error_class=ErrorClass.MODEL_MISSING,
        codes=frozenset(
            {"model_not_found", "invalid_model", "model_not_exist", "deploymentnotfound", "model_not_available"}
        ),
        phrases=(
            "model not exist",
            "model not found",
            "unknown model",
            "invalid model",
            "not a valid model",
            "unable to access model",
            "no endpoints found",
            "no allowed providers are available",
            "is not found for api version",
            "not servable in region",  # Vertex AI
            "model identifier is invalid",
            "with on-demand throughput",  # Bedrock: there only under the id of an inference profile
            "reached the end of its life",
        ),
    ),
    _Rule(
        error_class=ErrorClass.CONTENT_REFUSED,
        codes=frozenset(
            {"content_filter", "content_policy_violation", "responsibleaipolicyviolation", "invalid_prompt"}
        ),
        phrases=(
            "content management policy",
            "content filtering policy",
            "content violates",
            "input was flagged",
            "violating our usage policy",
            "rejected as a result of our safety system",
        ),
        statuses=_BAD,
    ),
    _Rule(
        error_class=ErrorClass.TOO_LARGE,
        codes=frozenset({"request_too_large"}),
        phrases=("request payload size exceeds", "request entity too large"),
    ),
    _Rule(error_class=ErrorClass.OUT_OF_FUNDS, provider="fireworks", statuses=frozenset({412})),
    _Rule(error_class=ErrorClass.MODEL_MISSING, provider="ollama", statuses=frozenset({404})),
    _Rule(error_class=ErrorClass.MODEL_MISSING, provider="vllm", codes=frozenset({"notfounderror"})),
    _Rule(error_class=ErrorClass.OVERLOADED, provider="groq", statuses=frozenset({498})),  # flex tier
)

# "The model `x` does not exist or you do not have access to it", "model 'x' not found", Anthropic's "model: x".
_MODEL_MISSING: Final = re.compile(
    r"\bmodels?\b.{0,200}\b(?:not found|not exist|not supported)\b|^model: \S+$", re.DOTALL
)

_BY_STATUS: Final = {
    401: ErrorClass.AUTH_FAILED,
    402: ErrorClass.OUT_OF_FUNDS,
    403: ErrorClass.PERMISSION_DENIED,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.TIMEOUT,
    413: ErrorClass.TOO_LARGE,
    424: ErrorClass.PROVIDER_ERROR,
    429: ErrorClass.THROTTLED,
    503: ErrorClass.OVERLOADED,
    504: ErrorClass.TIMEOUT,
    529: ErrorClass.OVERLOADED,
}
_STATUS_OF_TYPE: Final = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "timeout_error": 504,
    "deadline_exceeded": 504,
}
"""For errors inside an answer that began with 200, where there is no status to go by."""


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the body says."""

    message: str = ""
    codes: frozenset[str] = frozenset()
    status: int | None = None
    """A status inside the body (Google, OpenRouter), for errors without one outside."""
    retry_delay_s: float | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """OpenRouter's: the rate-limit headers of the provider behind it, kept in the body."""


def classify(
    provider: str, status: int, headers: Sequence[tuple[str, str]], body: bytes, *, now_us: int | None = None
) -> Refusal:
    """Say what a refusal means.

    Args:
        provider: A name in the provider table.
        status: The HTTP status; 200 for an error event inside an answer.
        headers: Response headers, names in lower case.
        body: The body, or the data of the error event.
        now_us: Unix microseconds, to read a `retry-after` that is a date; without it such a date is ignored.
    """
    facts = _facts(body)
    if kind := first(headers, "x-amzn-errortype"):  # AWS says there what it is: `ThrottlingException:http://…`
        facts = msgspec.structs.replace(facts, codes=facts.codes | {kind.partition(":")[0].strip().lower()})
    error_class = _class_of(provider, status, facts)
    said = first(headers, "x-should-retry").lower()
    return Refusal(
        error_class=error_class,
        retry_after_s=_retry_after(error_class, headers, facts, now_us),
        message=facts.message[:_MAX_MESSAGE],
        should_retry={"true": True, "false": False}.get(said),
    )


def _class_of(provider: str, status: int, facts: _Facts) -> ErrorClass:
    if status < 400:
        inner = next((_STATUS_OF_TYPE[code] for code in sorted(facts.codes) if code in _STATUS_OF_TYPE), None)
        status = facts.status or inner or 500
    text = facts.message.lower()
    for rule in _RULES:
        if (rule.provider and rule.provider != provider) or (rule.statuses and status not in rule.statuses):
            continue
        only_status = not rule.codes and not rule.phrases
        if only_status or not rule.codes.isdisjoint(facts.codes) or any(phrase in text for phrase in rule.phrases):
            return rule.error_class
    if status in {400, 403, 404, 422} and _MODEL_MISSING.search(text):
        return ErrorClass.MODEL_MISSING
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ErrorClass.INVALID_REQUEST if status < 500 else ErrorClass.PROVIDER_ERROR


def _facts(body: bytes) -> _Facts:
    """Read the body, whatever its shape: every vendor has one, some have three."""
    try:
        value = msgspec.json.decode(body[:_MAX_BODY_READ])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Facts(message=body[:_MAX_MESSAGE].decode("utf-8", "replace").strip())
    if isinstance(value, list):  # Gemini streams without alt=sse wrap the error in an array
        value = value[0] if value else {}
    if not isinstance(value, dict):
        return _Facts(message=str(value))
    error = value.get("error", value)
    if not isinstance(error, dict):  # xAI: {"code": "…", "error": "text"}; others {"error": "text"}
        error = {"message": error, "code": value.get("code")}
    details = error.get("details")
    inner = error.get("innererror")
    codes = [error.get("code"), error.get("type"), error.get("status"), value.get("code"), value.get("type")]
    codes += [item.get("reason") for item in _dicts(details)]
    codes += [item.get("error_code") for item in _dicts([details])]
    codes += [item.get("code") for item in _dicts([inner])]
    return _Facts(
        message=_message(error, value),
        codes=frozenset(code.lower() for code in codes if isinstance(code, str)),
        status=next((code for code in codes if isinstance(code, int) and 400 <= code <= 599), None),
        retry_delay_s=waits.of_retry_info(details),
        headers=_headers(error.get("metadata")),
    )


def _message(error: dict[str, Any], value: dict[str, Any]) -> str:
    found = next(
        (
            said
            for said in (
                error.get("message"),
                error.get("Message"),
                value.get("message"),
                value.get("detail"),
                error.get("error"),
            )
            if said
        ),
        "",
    )
    said = found if isinstance(found, str) else msgspec.json.encode(found).decode()
    metadata = error.get("metadata")
    # OpenRouter: what the provider behind it said.
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return f"{said} ({raw})" if isinstance(raw, str) else said


def _retry_after(
    error_class: ErrorClass, headers: Sequence[tuple[str, str]], facts: _Facts, now_us: int | None
) -> float | None:
    """Return the wait: what the headers ask for, else what the body says, else when a used-up limit is renewed."""
    asked = waits.of_headers(headers, now_us)
    if asked is None:
        asked = facts.retry_delay_s
    if asked is None:
        asked = waits.of_words(facts.message, now_us)
    if asked is None and error_class is ErrorClass.THROTTLED:
        asked = waits.of_limits([*headers, *facts.headers], now_us)
    if asked is None and "enforced_spend_limit_reached" in facts.codes and now_us is not None:
        asked = waits.until_next_month(now_us)
    return asked


def _headers(metadata: Any) -> tuple[tuple[str, str], ...]:
    kept = metadata.get("headers") if isinstance(metadata, dict) else None
    if not isinstance(kept, dict):
        return ()
    return tuple((name.lower(), value) for name, value in kept.items() if isinstance(value, str))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
