"""Refusals as providers word them, and what each means."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.traffic import ErrorClass
from keystead.providers.classify import classify
from keystead.providers.table import PROVIDERS


def openai(message: str, *, kind: str = "invalid_request_error", code: Any = None) -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str, **more: Any) -> Any:
    return {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_1"}


def google(code: int, status: str, message: str, *details: Any) -> Any:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


REASON = "type.googleapis.com/google.rpc.ErrorInfo"

CASES: list[tuple[str, int, Any, str]] = [
    # out of funds
    ("openai", 429, openai("You exceeded your current quota", kind="insufficient_quota", code="insufficient_quota"), "out_of_funds"),
    ("openai", 429, openai("Billing hard limit has been reached", code="billing_hard_limit_reached"), "out_of_funds"),
    ("anthropic", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), "out_of_funds"),
    ("anthropic", 400, anthropic("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01."), "out_of_funds"),
    ("anthropic", 400, anthropic("invalid_request_error", "You have reached your specified workspace API usage limits."), "out_of_funds"),
    ("anthropic", 402, anthropic("billing_error", "Payment required"), "out_of_funds"),
    ("anthropic", 429, anthropic("rate_limit_error", "Limit", details={"error_code": "enforced_spend_limit_reached"}), "out_of_funds"),
    ("deepseek", 402, openai("Insufficient Balance", kind="unknown_error", code="invalid_request_error"), "out_of_funds"),
    ("openrouter", 402, {"error": {"message": "This request requires more credits", "code": 402}}, "out_of_funds"),
    ("xai", 403, {"code": "permission", "error": "Your team has either used all available credits or reached its monthly spending limit."}, "out_of_funds"),
    ("fireworks", 412, {"error": {"message": "Account acme is suspended"}}, "out_of_funds"),
    ("google", 429, google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), "out_of_funds"),
    # throttled
    ("openai", 429, openai("Rate limit reached for gpt-4o", kind="tokens", code="rate_limit_exceeded"), "throttled"),
    ("anthropic", 429, anthropic("rate_limit_error", "This request would exceed your organization's rate limit"), "throttled"),
    ("anthropic", 429, anthropic("rate_limit_error", "Slow down", details={"error_code": "ramp_limit_exceeded"}), "throttled"),
    ("google", 429, google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan"), "throttled"),
    ("azure", 429, {"error": {"code": "RateLimitReached", "message": "Requests have exceeded the token rate limit"}}, "throttled"),
    ("groq", 413, openai("Request too large: tokens per minute: Limit 6000, Requested 9000", kind="tokens", code="rate_limit_exceeded"), "throttled"),
    ("mistral", 429, {"message": "Requests rate limit exceeded"}, "throttled"),
    ("openrouter", 429, {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "upstream busy", "provider_name": "X"}}}, "throttled"),
    # auth failed
    ("openai", 401, openai("Incorrect API key provided", code="invalid_api_key"), "auth_failed"),
    ("anthropic", 401, anthropic("authentication_error", "invalid x-api-key"), "auth_failed"),
    ("google", 400, google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", {"@type": REASON, "reason": "API_KEY_INVALID"}), "auth_failed"),
    ("google", 400, google(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), "auth_failed"),
    ("google", 403, google(403, "PERMISSION_DENIED", "Your API key was reported as leaked."), "auth_failed"),
    ("google", 400, [google(400, "INVALID_ARGUMENT", "API key not valid.")], "auth_failed"),
    ("xai", 400, {"code": "invalid-argument", "error": "Incorrect API key provided: sk***"}, "auth_failed"),
    ("mistral", 401, {"detail": "Invalid API Key"}, "auth_failed"),
    ("mistral", 401, {"message": "Unauthorized", "request_id": "1"}, "auth_failed"),
    ("azure", 401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key"}}, "auth_failed"),
    ("cohere", 401, {"id": "1", "message": "no api key supplied"}, "auth_failed"),
    ("openrouter", 401, {"error": {"message": "No auth credentials found", "code": 401}}, "auth_failed"),
    ("llamacpp", 401, {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}, "auth_failed"),
    ("vllm", 401, {"error": "Unauthorized"}, "auth_failed"),
    # permission denied
    ("openai", 403, openai("You have insufficient permissions for this operation. Missing scopes: api.model.read"), "permission_denied"),
    ("openai", 401, openai("Your IP is not allowed", code="ip_not_authorized"), "permission_denied"),
    ("anthropic", 403, anthropic("permission_error", "Your API key does not have permission"), "permission_denied"),
    ("google", 403, google(403, "PERMISSION_DENIED", "Generative Language API has not been used", {"@type": REASON, "reason": "SERVICE_DISABLED"}), "permission_denied"),
    ("google", 400, google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "permission_denied"),
    # model missing
    ("openai", 404, openai("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found"), "model_missing"),
    ("openai", 400, openai("The requested model 'gpt-9' does not exist.", code="model_not_found"), "model_missing"),
    ("openai", 403, openai("Project `proj_1` does not have access to model `gpt-5`", code="model_not_found"), "model_missing"),
    ("azure", 404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}, "model_missing"),
    ("anthropic", 404, anthropic("not_found_error", "model: claude-9"), "model_missing"),
    ("google", 404, google(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta"), "model_missing"),
    ("groq", 404, openai("The model `x` does not exist or you do not have access to it.", code="model_not_found"), "model_missing"),
    ("mistral", 400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "param": None, "code": "1500"}, "model_missing"),
    ("deepseek", 400, openai("Model Not Exist"), "model_missing"),
    ("xai", 400, {"code": "Client specified an invalid argument", "error": "Model not found: grok-9"}, "model_missing"),
    ("openrouter", 400, {"error": {"message": "x/y is not a valid model ID", "code": 400}}, "model_missing"),
    ("openrouter", 404, {"error": {"message": "No endpoints found for x/y.", "code": 404}}, "model_missing"),
    ("together", 404, openai("Unable to access model x. Please visit …", code="model_not_available"), "model_missing"),
    ("vllm", 404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}, "model_missing"),
    ("ollama", 404, {"error": {"message": "model 'x' not found", "type": "api_error"}}, "model_missing"),
    ("cohere", 404, {"id": "1", "message": "model 'x' not found, make sure the correct model ID was used"}, "model_missing"),
    # context too long
    ("openai", 400, openai("This model's maximum context length is 128000 tokens.", code="context_length_exceeded"), "context_too_long"),
    ("openai", 400, openai("Your input exceeds the context window of this model.", code="context_length_exceeded"), "context_too_long"),
    ("anthropic", 400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), "context_too_long"),
    ("anthropic", 400, anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3"), "context_too_long"),
    ("google", 400, google(400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."), "context_too_long"),
    ("groq", 400, openai("Please reduce the length of the messages or completion.", code="context_length_exceeded"), "context_too_long"),
    ("mistral", 400, {"message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"}, "context_too_long"),
    ("xai", 400, {"code": "invalid", "error": "This model's maximum prompt length is 131072 but the request contains 200000 tokens."}, "context_too_long"),
    ("cohere", 400, {"message": "too many tokens: total number of tokens in the prompt exceeds the limit"}, "context_too_long"),
    ("llamacpp", 400, {"error": {"code": 400, "message": "request (9 tokens) exceeds the available context size (8 tokens)", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}}, "context_too_long"),
    ("vllm", 400, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5000", "type": "BadRequestError", "code": 400}, "context_too_long"),
    ("together", 422, openai("`inputs` tokens + `max_new_tokens` must be <= 8193".replace("`", "")), "context_too_long"),
    ("deepseek", 400, openai("This model's maximum context length is 65536 tokens."), "context_too_long"),
    # overloaded
    ("anthropic", 529, anthropic("overloaded_error", "Overloaded"), "overloaded"),
    ("openai", 503, openai("The engine is currently overloaded, please try again later", kind="server_error"), "overloaded"),
    ("google", 503, google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), "overloaded"),
    ("mistral", 429, {"message": "Service tier capacity exceeded for this model.", "type": "service_tier_capacity_exceeded", "code": "3505"}, "overloaded"),
    ("groq", 498, openai("Flex tier capacity exceeded"), "overloaded"),
    ("llamacpp", 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "overloaded"),
    ("together", 503, "", "overloaded"),
    # content refused
    ("azure", 400, {"error": {"message": "The response was filtered", "code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "content_refused"),
    ("openai", 400, openai("Your request was rejected as a result of our safety system.", code="content_policy_violation"), "content_refused"),
    ("openrouter", 403, {"error": {"message": "Your chosen model requires moderation and your input was flagged", "code": 403}}, "content_refused"),
    ("anthropic", 400, anthropic("invalid_request_error", "Output blocked by content filtering policy"), "content_refused"),
    ("xai", 403, {"code": "x", "error": "Content violates usage guidelines."}, "content_refused"),
    # too large
    ("anthropic", 413, anthropic("request_too_large", "Request exceeds the maximum allowed number of bytes"), "too_large"),
    ("google", 400, google(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."), "too_large"),
    ("openai", 413, "", "too_large"),
    # timeout
    ("anthropic", 504, anthropic("timeout_error", "Timed out"), "timeout"),
    ("google", 504, google(504, "DEADLINE_EXCEEDED", "Deadline expired"), "timeout"),
    ("openai", 408, "", "timeout"),
    # not found, invalid request, provider error
    ("openai", 404, openai("Response with id 'resp_1' not found."), "not_found"),
    ("openai", 400, openai("Unsupported parameter: 'max_tokens' is not supported with this model.", code="unsupported_parameter"), "invalid_request"),
    ("openai", 400, openai("Invalid value for 'temperature'"), "invalid_request"),
    ("groq", 400, openai("Failed to call a function.", code="tool_use_failed"), "invalid_request"),
    ("mistral", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "x"], "msg": "Extra inputs are not permitted"}]}, "invalid_request"),
    ("anthropic", 400, anthropic("invalid_request_error", "max_tokens: Field required"), "invalid_request"),
    ("openai", 500, openai("The server had an error", kind="server_error"), "provider_error"),
    ("anthropic", 500, anthropic("api_error", "Internal server error"), "provider_error"),
    ("openrouter", 502, "<html>Bad Gateway</html>", "provider_error"),
    # error events inside an answer that began with 200
    ("anthropic", 200, anthropic("overloaded_error", "Overloaded"), "overloaded"),
    ("anthropic", 200, anthropic("api_error", "Internal server error"), "provider_error"),
    ("anthropic", 200, anthropic("invalid_request_error", "bad"), "invalid_request"),
    ("groq", 200, openai("Rate limit reached", code="rate_limit_exceeded"), "throttled"),
    ("openrouter", 200, {"error": {"message": "Upstream gone", "code": 504}}, "timeout"),
    ("google", 200, google(503, "UNAVAILABLE", "gone"), "overloaded"),
    ("bedrock", 403, {"message": "The security token included in the request is invalid."}, "auth_failed"),
    ("bedrock", 403, {"message": "The security token included in the request is expired"}, "auth_failed"),
    ("bedrock", 403, {"Message": "Authentication failed: Please make sure your API Key is valid."}, "auth_failed"),
    ("bedrock", 403, {"message": "You don't have access to the model with the specified model ID."}, "permission_denied"),
    ("bedrock", 400, {"message": "The provided model identifier is invalid."}, "model_missing"),
    ("bedrock", 400, {"message": "Invocation of model ID amazon.nova-2-lite-v1:0 with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model."}, "model_missing"),
    ("bedrock", 404, {"message": "This model version has reached the end of its life."}, "model_missing"),
    ("bedrock", 400, {"message": "Input is too long for requested model."}, "context_too_long"),
    ("bedrock", 429, {"message": "Too many tokens, please wait before trying again."}, "throttled"),
    ("bedrock", 424, {"message": "The system encountered an unexpected error during processing. Try your request again."}, "provider_error"),
    ("bedrock", 408, {"message": "Model has timed out in processing the request. Try your request again."}, "timeout"),
    ("vertex", 401, google(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), "auth_failed"),
    ("vertex", 403, google(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource"), "permission_denied"),
    ("vertex", 404, google(404, "NOT_FOUND", "Publisher Model `projects/p/locations/l/publishers/google/models/m` was not found or your project does not have access to it."), "model_missing"),
    ("vertex", 400, google(400, "FAILED_PRECONDITION", "Publisher Model `claude-x` is not servable in region europe-west4."), "model_missing"),
    ("vertex", 429, [google(429, "RESOURCE_EXHAUSTED", "Quota exceeded for aiplatform.googleapis.com")], "throttled"),
    ("vertex", 529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
    ("openai", 200, openai("The server had an error", kind="server_error"), "provider_error"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "status", "body", "meaning"), CASES)
def test_a_refusal_is_understood(provider: str, status: int, body: Any, meaning: str) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert classify(provider, status, [], raw).error_class == meaning


@pytest.mark.parametrize(
    ("kind", "status", "meaning"),
    [
        ("UnrecognizedClientException", 403, "auth_failed"),
        ("ExpiredTokenException:http://internal.amazon.com/coral/com.amazon.coral.service/", 403, "auth_failed"),
        ("InvalidSignatureException", 403, "auth_failed"),
        ("AccessDeniedException", 403, "permission_denied"),
        ("ValidationException", 400, "invalid_request"),
        ("ThrottlingException", 429, "throttled"),
        ("ServiceQuotaExceededException", 400, "throttled"),
        ("ModelNotReadyException", 429, "overloaded"),
        ("ServiceUnavailableException", 503, "overloaded"),
        ("ResourceNotFoundException", 404, "not_found"),
        ("InternalServerException", 500, "provider_error"),
    ],
)
def test_aws_says_in_a_header_what_it_is(kind: str, status: int, meaning: str) -> None:
    refusal = classify("bedrock", status, [("x-amzn-errortype", kind)], b'{"message":"Said."}')
    assert (refusal.error_class, refusal.message) == (meaning, "Said.")


def test_every_provider_but_the_sandbox_has_a_case() -> None:
    unrecorded = {"cerebras", "perplexity"}  # no refusal of theirs is known beyond what OpenAI's shape covers
    assert {case[0] for case in CASES} == set(PROVIDERS) - {"sandbox"} - unrecorded


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, b"", 7.0),
        ({"retry-after": "0.5"}, b"", 0.5),
        ({"retry-after": "1", "retry-after-ms": "250"}, b"", 0.25),
        ({"retry-after": "Wed, 25 Nov 2026 18:00:30 GMT"}, b"", 30.0),
        ({"retry-after": "Wed, 25 Nov 2026 17:00:00 GMT"}, b"", 0.0),
        ({"retry-after": "999999999"}, b"", 999_999_999.0),
        ({"retry-after": "soon"}, b"", None),
        ({"retry-after": "-1"}, b"", None),
        ({"retry-after": "nan"}, b"", None),
        ({"retry-after": "1e9"}, b"", None),
        ({"retry-after": "Wed, 99 Nov 2026 99:00:00 GMT"}, b"", None),
        ({}, json.dumps(google(429, "X", "", {"@type": "RetryInfo", "retryDelay": "48s"})).encode(), 48.0),
        ({}, json.dumps(google(429, "X", "", {"@type": "RetryInfo", "retryDelay": "1.5s"})).encode(), 1.5),
        ({}, json.dumps(google(429, "X", "", {"@type": "RetryInfo", "retryDelay": "soon"})).encode(), None),
        ({}, json.dumps(openai("Rate limit. Please try again in 7m12.5s. Thanks")).encode(), 432.5),
        ({}, json.dumps(openai("Please try again in 455ms.")).encode(), 0.455),
        ({}, json.dumps(openai("Please retry after 9 seconds.")).encode(), 9.0),
        ({"retry-after": "2"}, json.dumps(openai("Please try again in 20s.")).encode(), 2.0),
        ({}, b"", None),
    ],
)
def test_the_wait_is_read_in_every_form(headers: dict[str, str], body: bytes, seconds: float | None) -> None:
    now_us = 1_795_629_600 * 1_000_000  # 2026-11-25 18:00:00 UTC
    refusal = classify("openai", 429, list(headers.items()), body, now_us=now_us)
    assert refusal.retry_after_s == seconds


def test_a_date_without_a_clock_is_no_wait() -> None:
    headers = [("retry-after", "Wed, 25 Nov 2026 18:00:30 GMT")]
    assert classify("openai", 429, headers, b"").retry_after_s is None


@pytest.mark.parametrize(("said", "meaning"), [("true", True), ("False", False), ("", None), ("maybe", None)])
def test_the_providers_own_word_on_retrying_is_kept(said: str, *, meaning: bool | None) -> None:
    assert classify("anthropic", 500, [("x-should-retry", said)], b"").should_retry is meaning


def test_the_message_is_the_providers_with_the_provider_behind_it() -> None:
    body = {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "busy"}}}
    assert classify("openrouter", 429, [], json.dumps(body).encode()).message == "Provider returned error (busy)"
    assert classify("openai", 500, [], b"x" * 5000).message == "x" * 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "status", "details", "detail", "metadata", "innererror"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from(sorted(PROVIDERS)), st.integers(200, 599), json_values)
def test_no_shape_of_body_breaks_it(provider: str, status: int, value: Any) -> None:
    refusal = classify(provider, status, [], json.dumps(value).encode())
    assert isinstance(refusal.error_class, ErrorClass)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    assert isinstance(classify("openai", 400, [], body).error_class, ErrorClass)
