"""Where providers differ from the dialect they are written to in, as data: for translated requests alone.

Sources: the vendors' API references as of November 2026. Bytes that pass untouched are the caller's own affair.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from keystead.dialects.translating import Profile

_OPENAI: Final = Profile(custom_tools=True)
_ALIKE: Final = Profile(limit_name="max_tokens", instructions_role="system", reasoning_effort=False)
"""What every server that imitates OpenAI's chat completions understands."""
_LEVELS: Final = ("low", "medium", "high")
"""The efforts that the models of others than OpenAI tell apart."""
_ALIKE_REASONING: Final = Profile(limit_name="max_tokens", instructions_role="system", efforts=_LEVELS)

PROFILES: Final[Mapping[str, Profile]] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "google": _ALIKE_REASONING,
    "vertex": _ALIKE_REASONING,
    "mistral": Profile(
        limit_name="max_tokens",
        instructions_role="system",
        reasoning_effort=False,
        usage_option=False,
        unknown=frozenset({"logprobs", "top_logprobs", "name", "seed", "user"}),  # 422, "extra_forbidden"
        short_call_ids=True,
        strict_turns=True,
    ),
    "groq": Profile(
        limit_name="max_tokens",
        instructions_role="system",
        efforts=_LEVELS,
        unknown=frozenset({"logprobs", "top_logprobs", "name", "n"}),  # 400, console.groq.com/docs/openai
        thoughts="reasoning",
    ),
    "deepseek": Profile(
        limit_name="max_tokens",
        instructions_role="system",
        reasoning_effort=False,
        json_schema=False,  # knows `json_object` alone
        strict_tools=False,
    ),
    "xai": _ALIKE_REASONING,
    "together": _ALIKE_REASONING,
    "fireworks": msgspec.structs.replace(_ALIKE_REASONING, thoughts="reasoning_content"),
    "openrouter": _ALIKE_REASONING,
    "cerebras": msgspec.structs.replace(_ALIKE_REASONING, unknown=frozenset({"frequency_penalty", "presence_penalty"})),
    "cohere": _ALIKE,
    "vllm": msgspec.structs.replace(_ALIKE_REASONING, thoughts="reasoning"),
    "ollama": _ALIKE_REASONING,
    "llamacpp": msgspec.structs.replace(_ALIKE, thoughts="reasoning_content"),
    "perplexity": _ALIKE_REASONING,
    "sandbox": Profile(),
    "anthropic": Profile(),
    "bedrock": Profile(),
}
"""By the provider's name."""
