"""The page that says which SDK reaches which provider with what: the tested cells, and what each crossing loses."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from keystead.dialects.embeddings import ASKERS, MOST_CALLS
from keystead.domain.chat import Loss
from keystead.domain.embedding import EmbeddingRequest
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translate import CHATS, TWINS, wire_to
from keystead.gateway.translation import Wire
from keystead.providers.profiles import PROFILES
from keystead.providers.row import Provider
from keystead.providers.table import PROVIDERS
from tests.acceptance.cells import (
    CALLERS,
    CASES,
    CELLS,
    CLOUD_EMBEDDINGS,
    EMBEDDING_CALLERS,
    JAVASCRIPT_CASES,
    JAVASCRIPT_UPSTREAMS,
    why_not,
)
from tools.markdown import table

_TOLD: Final = {
    (Dialect.OPENAI, Endpoint.CHAT): "OpenAI chat completions",
    (Dialect.OPENAI, Endpoint.RESPONSES): "OpenAI responses",
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): "Anthropic messages",
    (Dialect.GEMINI, Endpoint.GENERATE): "Gemini generateContent",
    (Dialect.BEDROCK, Endpoint.CONVERSE): "Bedrock Converse",
    (Dialect.BEDROCK, Endpoint.MESSAGES): "Anthropic messages in Bedrock's InvokeModel",
}
_MODELS: Final = {
    "openai": "gpt-5",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-2.5-flash",
    "mistral": "mistral-large",
    "perplexity": "sonar",
    "bedrock": "amazon.nova-2-lite-v1:0",
    "bedrock-claude": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "vertex": "gemini-2.5-flash",
    "vertex-claude": "claude-sonnet-4-5",
}
_USER: Final = [{"role": "user", "content": "Hi"}]
_TOOL: Final = {"type": "object", "properties": {}}

Probe = dict[str, Any]
_BODIES: Final[Mapping[str, Probe]] = {
    "openai chat": {"model": "m", "messages": _USER},
    "openai responses": {"model": "m", "input": _USER},
    "anthropic": {"model": "m", "max_tokens": 9, "messages": _USER},
    "google-genai": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "boto3": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
}
_PROBES: Final[Mapping[str, Mapping[str, Probe]]] = {
    "openai chat": {
        "stop": {"stop": ["."]},
        "n": {"n": 2},
        "seed": {"seed": 7},
        "temperature": {"temperature": 0.5},
        "presence_penalty": {"presence_penalty": 0.5},
        "logprobs": {"logprobs": True, "top_logprobs": 2},
        "logit_bias": {"logit_bias": {"50256": -100}},
        "parallel_tool_calls": {
            "parallel_tool_calls": False,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": _TOOL}}],
        },
        "response_format: json_object": {"response_format": {"type": "json_object"}},
        "reasoning_effort": {"reasoning_effort": "low"},
        "audio in": {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}],
                }
            ]
        },
        "web_search_options": {"web_search_options": {}},
        "user": {"user": "u-1"},
        "metadata": {"metadata": {"run": "7"}},
        "prediction": {"prediction": {"type": "content", "content": "Hi"}},
    },
    "openai responses": {
        "temperature": {"temperature": 0.5},
        "reasoning": {"reasoning": {"effort": "low", "summary": "auto"}},
        "background": {"background": True},
        "tool: web_search": {"tools": [{"type": "web_search"}]},
        "safety_identifier": {"safety_identifier": "u-1"},
        "metadata": {"metadata": {"run": "7"}},
        "prompt_cache_key": {"prompt_cache_key": "k"},
    },
    "anthropic": {
        "stop_sequences": {"stop_sequences": ["."]},
        "temperature": {"temperature": 0.5},
        "top_k": {"top_k": 5},
        "thinking": {"max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        "cache_control": {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}],
                }
            ]
        },
        "tool: web_search": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "mcp_servers": {"mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "m"}]},
        "metadata.user_id": {"metadata": {"user_id": "u-1"}},
        "service_tier": {"service_tier": "auto"},
    },
    "google-genai": {
        "stopSequences": {"generationConfig": {"stopSequences": ["."]}},
        "candidateCount": {"generationConfig": {"candidateCount": 2}},
        "seed": {"generationConfig": {"seed": 7}},
        "topK": {"generationConfig": {"topK": 5}},
        "presencePenalty": {"generationConfig": {"presencePenalty": 0.5}},
        "thinkingConfig": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 512}}},
        "responseModalities: IMAGE": {"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}},
        "tool: googleSearch": {"tools": [{"googleSearch": {}}]},
        "safetySettings": {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
        "cachedContent": {"cachedContent": "cachedContents/1"},
    },
    "boto3": {
        "stopSequences": {"inferenceConfig": {"stopSequences": ["."]}},
        "temperature": {"inferenceConfig": {"temperature": 0.5}},
        "cachePoint": {
            "messages": [{"role": "user", "content": [{"text": "Hi"}, {"cachePoint": {"type": "default"}}]}]
        },
        "guardrailConfig": {"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}},
        "requestMetadata": {"requestMetadata": {"run": "7"}},
        "additionalModelRequestFields": {"additionalModelRequestFields": {"top_k": 5}},
    },
}
"""What each SDK can say beside what all have in common, one thing at a time."""


def translation_page() -> str:
    """Every cell that is tested, and what is lost on the way between two dialects."""
    fields = "\n\n".join(f"### From {caller}\n\n{_fields(caller)}" for caller in CALLERS)
    return (
        "# Which SDK reaches which provider with what\n\n"
        "`openai` stands for providers that speak OpenAI's chat completions and responses, `perplexity` for those that "
        "speak responses alone, `mistral` for look-alikes with rules of their own; `vertex` is Vertex AI with Gemini, `vertex-claude` with Claude, `bedrock-claude` Claude at Amazon Bedrock, which "
        "only Anthropic's SDK reaches in another way than other models there. **Untouched**: the bytes pass as they "
        "are. **As …**: the request is translated into those words, and the answer back.\n\n"
        "## What is tested\n\n"
        "With the official SDKs for Python, unchanged but for base URL and key, against scripted providers; the request "
        "that reached the provider is one that its own SDK could have sent. "
        f"{_listed(JAVASCRIPT_CASES)} also with the official SDKs for JavaScript, against "
        f"{_listed(tuple(f'`{name}`' for name in JAVASCRIPT_UPSTREAMS))}. No test asks a real provider.\n\n"
        + "\n".join(f"- **{name}**: {says}" for name, says in CASES.items())
        + "\n\n"
        + table(("SDK", "upstream", "spoken there", *CASES), _cells())
        + f"\n\n{_reasons()}\n\n"
        "## What is lost on the way\n\n"
        "What one SDK can say and not every provider. **said**: in the provider's words. **dropped**: left out and named in "
        "`x-keystead-dropped`. **refused**: it would change the answer, so it is refused by name, or dropped and named "
        "where a [route](../how-to/routes-and-fallback.md) says `unsupported: drop`. Asked of "
        f"{_listed(tuple(f'`{model}`' for model in _MODELS.values()))}: other models of theirs may know more or less."
        "\n\n" + fields + "\n\n## Embeddings\n\n"
        "OpenAI's and Google's SDKs reach models of either, and these, which are asked in a form of their own. Each cell is "
        "tested with both SDKs, with exact usage and cost; OpenAI's asks for base64 by itself. A request with more texts than one call takes "
        f"is up to {MOST_CALLS} calls, one after another.\n\n"
        + table(
            ("model", "at", "texts a call", "`dimensions`", "task types", *EMBEDDING_CALLERS),
            _embeddings(),
        )
    )


def _embeddings() -> Iterator[tuple[str, ...]]:
    for model, upstream in CLOUD_EMBEDDINGS.items():
        provider = PROVIDERS[upstream].serving(model)
        assert provider.embedding_form is not None, "they are listed because they have one"
        asker = ASKERS[provider.embedding_form]
        plain = EmbeddingRequest(model=model, inputs=("Hi",))
        sized = asker.write_request(msgspec.structs.replace(plain, dimensions=256))
        task = EmbeddingRequest(
            model=model, inputs=("Hi",), tasks=("RETRIEVAL_QUERY",), hints=(Loss(field="task", grave=False),)
        )
        said = "dropped" if asker.write_request(task).losses else "said"
        length = "refused" if any(loss.grave for loss in sized.losses) else "said"
        tested = ("yes" if wire_to(provider, caller) else "—" for caller in EMBEDDING_CALLERS.values())
        yield (f"`{model}`", provider.title, str(asker.most(model)), length, said, *tested)


def _listed(names: tuple[str, ...]) -> str:
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return listed[0].upper() + listed[1:]


def _provider(upstream: str) -> Provider:
    return PROVIDERS[upstream.partition("-")[0]].serving(_MODELS[upstream])


def _spoken(caller: str, upstream: str) -> Wire:
    wire = wire_to(_provider(upstream), CALLERS[caller])
    assert wire is not None, "every upstream here can be reached"
    return wire


def _cells() -> Iterator[tuple[str, ...]]:
    for caller, upstream in CELLS:
        spoken = _spoken(caller, upstream)
        way = "untouched" if spoken == CALLERS[caller] else f"as {_TOLD[spoken]}"
        shown = ("yes" if not why_not(case, caller, upstream) else "—" for case in CASES)
        yield (caller, f"`{upstream}`", way, *shown)


def _reasons() -> str:
    found: dict[str, list[str]] = {}
    for caller, upstream in CELLS:
        for case in CASES:
            if reason := why_not(case, caller, upstream):
                found.setdefault(f"{case}: {reason}", []).append(f"{caller} × {upstream}")
    return "\n".join(f"- — {reason} ({', '.join(cells)})." for reason, cells in found.items())


def _fields(caller: str) -> str:
    reached = [upstream for upstream in _MODELS if _spoken(caller, upstream) != CALLERS[caller]]
    rows = (
        (f"`{name}`", *(_fate(caller, upstream, probe) for upstream in reached))
        for name, probe in _PROBES[caller].items()
    )
    return table(("", *(f"`{upstream}`" for upstream in reached)), rows)


def _fate(caller: str, upstream: str, probe: Probe) -> str:
    """Say what becomes of a probe: what is lost with it and not without it."""
    before = _losses(caller, upstream, _BODIES[caller])
    lost = [loss for loss in _losses(caller, upstream, _BODIES[caller] | probe) if loss not in before]
    if any(loss.grave for loss in lost):
        return "refused"
    return "dropped" if lost else "said"


def _losses(caller: str, upstream: str, body: Probe) -> list[Loss]:
    model, provider = _MODELS[upstream], _provider(upstream)
    if TWINS.get(CALLERS[caller]) == _spoken(caller, upstream):
        return []  # the same words
    request = CHATS[CALLERS[caller]].read_request(msgspec.json.encode(body), model=model, stream=False)
    written = CHATS[_spoken(caller, upstream)].write_request(request, PROFILES[provider.profile or provider.name])
    return [*request.losses, *written.losses]
