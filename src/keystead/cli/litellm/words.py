"""What LiteLLM's settings mean here: providers, strategies, and why a setting has no counterpart. Pure data."""

from collections.abc import Mapping
from typing import Final

PROVIDERS: Final[Mapping[str, str]] = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "azure": "azure",
    "azure_ai": "azure",
    "anthropic": "anthropic",
    "gemini": "google",
    "mistral": "mistral",
    "codestral": "mistral",
    "groq": "groq",
    "deepseek": "deepseek",
    "xai": "xai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "openrouter": "openrouter",
    "cerebras": "cerebras",
    "perplexity": "perplexity",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "hosted_vllm": "vllm",
    "custom_openai": "vllm",
    "openai_like": "vllm",
    "lm_studio": "vllm",
    "ollama": "ollama",
    "ollama_chat": "ollama",
}
"""LiteLLM's prefix of a model (`azure/gpt-5`) → the provider here."""

STRATEGIES: Final[Mapping[str, str]] = {
    "simple-shuffle": "weighted",
    "latency-based-routing": "fastest",
    "cost-based-routing": "cheapest",
    "least-busy": "weighted",
    "usage-based-routing": "weighted",
    "usage-based-routing-v2": "weighted",
}
"""`routing_strategy` → the strategy of routes with several attempts."""

INEXACT_STRATEGIES: Final = frozenset({"least-busy", "usage-based-routing", "usage-based-routing-v2"})

PERIODS: Final[Mapping[str, tuple[str, int]]] = {
    "1d": ("day", 0),
    "24h": ("day", 0),
    "7d": ("week", 0),
    "1w": ("week", 0),
    "30d": ("month", 0),
    "1mo": ("month", 0),
}
"""`budget_duration` → period, and the hours of a rolling one."""

_ELSEWHERE: Final = "is set for the server, not in this document: see docs/reference/settings.md"
_KEYS: Final = "Keystead has its own keys: `keystead key create` and `keystead token create`"
_DATABASE: Final = "is KEYSTEAD_DATABASE_URL here"
_RETRIES: Final = "has no counterpart: retries are bounded by each request's attempts and by a share of the traffic"
_HEALTH: Final = "has no counterpart: a breaker per credential and model does it by itself"
_LOGGING: Final = "has no counterpart: every request is recorded, and metrics are at /metrics"
_PARAMETERS: Final = "has no counterpart: what a caller sends goes to the provider as it is"
_PRICES: Final = "is not imported: `keystead price override add` keeps your own prices"
_FACTS: Final = "is a fact about the model, and is not needed here"

REASONS: Final[Mapping[str, str]] = {
    "master_key": _KEYS,
    "salt_key": "has no counterpart: keys are sealed under a root key of their own (KEYSTEAD_KEK_FILE)",
    "database_url": _DATABASE,
    "database_connection_pool_limit": _DATABASE,
    "store_model_in_db": "has no counterpart: everything is in the database",
    "environment_variables": "is not imported: set variables where the command or the server runs",
    "num_retries": _RETRIES,
    "max_retries": _RETRIES,
    "retry_after": _RETRIES,
    "retry_policy": _RETRIES,
    "model_group_retry_policy": _RETRIES,
    "allowed_fails": _HEALTH,
    "allowed_fails_policy": _HEALTH,
    "cooldown_time": _HEALTH,
    "disable_cooldowns": _HEALTH,
    "enable_pre_call_checks": _HEALTH,
    "background_health_checks": _HEALTH,
    "health_check_interval": _HEALTH,
    "callbacks": _LOGGING,
    "success_callback": _LOGGING,
    "failure_callback": _LOGGING,
    "service_callback": _LOGGING,
    "set_verbose": _LOGGING,
    "json_logs": _LOGGING,
    "redact_messages_in_exceptions": _LOGGING,
    "turn_off_message_logging": "has no counterpart: what was said is never recorded",
    "drop_params": "is not imported: a route drops what a provider has no word for with `unsupported: drop`",
    "modify_params": _PARAMETERS,
    "temperature": _PARAMETERS,
    "max_tokens": _PARAMETERS,
    "request_timeout": _ELSEWHERE,
    "timeout": _ELSEWHERE,
    "redis_host": _ELSEWHERE,
    "redis_port": _ELSEWHERE,
    "redis_password": _ELSEWHERE,
    "redis_url": _ELSEWHERE,
    "max_parallel_requests": _ELSEWHERE,
    "global_max_parallel_requests": _ELSEWHERE,
    "cache": "has no counterpart: answers are not cached",
    "cache_params": "has no counterpart: answers are not cached",
    "caching_groups": "has no counterpart: answers are not cached",
    "content_policy_fallbacks": "has no counterpart: a refusal of content is the provider's answer, and is passed on",
    "guardrails": "is not imported: `recognizers` search requests for secrets and personal data",
    "input_cost_per_token": _PRICES,
    "output_cost_per_token": _PRICES,
    "input_cost_per_second": _PRICES,
    "base_model": _FACTS,
    "mode": _FACTS,
    "max_input_tokens": _FACTS,
    "max_output_tokens": _FACTS,
    "supports_vision": _FACTS,
    "supports_function_calling": _FACTS,
    "id": _FACTS,
    "organization": "is not imported: an OpenAI key belongs to its organization and project already",
    "tags": "is not imported: a grant's condition can look at `tags`",
}
"""Setting → why it is not in the document."""

UNKNOWN: Final = "is not known here, and is not imported"
