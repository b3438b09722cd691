"""The providers, as data: one row each, with quirks instead of classes.

A provider is a company endpoint (or a self-hosted server), not a wire format: it speaks one or more dialects,
each under its own path prefix. To add one, add a row here; the contract suite takes it from there.

Sources: the vendors' API references as of November 2026, and recorded answers, which won where they disagreed.
"""

from typing import Final

from msgspec.structs import replace

from keystead.domain.traffic import Dialect, Endpoint
from keystead.providers.bedrock import BEDROCK
from keystead.providers.clouds import VERTEX
from keystead.providers.entra import ENTRA_SETTINGS
from keystead.providers.row import Auth, Probe, Provider, Quirks, Scheme
from keystead.providers.row import served as _served
from keystead.providers.stateful import STATEFUL

OPENAI, ANTHROPIC, GEMINI = Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI


_STORED: Final = (Endpoint.RESPONSES, Endpoint.RESPONSE_STATE)
_MEDIA: Final = (Endpoint.IMAGES, Endpoint.SPEECH, Endpoint.TRANSCRIPTION)
_X_API_KEY: Final = Auth(header="x-api-key")

_ROWS: Final = (
    Provider(
        name="openai",
        title="OpenAI",
        origin="https://api.openai.com",
        dialects={OPENAI: "/v1"},
        endpoints=_served(
            OPENAI,
            Endpoint.CHAT,
            *_STORED,
            Endpoint.COUNT_TOKENS,
            Endpoint.COMPLETIONS,
            Endpoint.EMBEDDINGS,
            Endpoint.MODERATIONS,
            *_MEDIA,
            Endpoint.REALTIME,
            Endpoint.MODELS,
        ),
        # A restricted key may lack the right to list models and still do inference: 403 is not a wrong key.
        probe=Probe(path="/v1/models"),
        quirks=Quirks(
            region_hosts={f"{region}.api.openai.com": region for region in ("us", "eu", "ae", "au", "in", "jp")},
        ),
        native_models=(
            "gpt-[!o]*",  # not gpt-oss-*, the open weights, which OpenAI itself does not serve
            "chatgpt-*",
            "o[0-9]*",
            "codex-*",
            "computer-use-*",
            "text-embedding-3-*",
            "text-embedding-ada-*",
            "omni-moderation-*",
            "text-moderation-*",
            "dall-e-*",
            "sora-*",
            "whisper-1",
            "tts-1*",
            "davinci-*",
            "babbage-*",
            "ft:gpt-*",
            "ft:o[0-9]*",
            "ft:davinci-*",
            "ft:babbage-*",
        ),
    ),
    Provider(
        name="azure",
        title="Azure OpenAI",
        origin=None,  # https://{resource}.openai.azure.com or https://{resource}.services.ai.azure.com
        dialects={OPENAI: "/openai/v1", ANTHROPIC: "/anthropic/v1"},
        endpoints=_served(
            OPENAI,
            Endpoint.CHAT,
            *_STORED,
            Endpoint.COMPLETIONS,
            Endpoint.EMBEDDINGS,
            *_MEDIA,
            Endpoint.REALTIME,
            Endpoint.MODELS,
        )
        | _served(ANTHROPIC, Endpoint.MESSAGES),
        auth=Auth(header="api-key"),
        dialect_auth={ANTHROPIC: _X_API_KEY},
        scheme=Scheme.ENTRA,
        settings=ENTRA_SETTINGS,
        probe=Probe(path="/openai/v1/models"),
        quirks=Quirks(deployment_paths=True),
    ),
    VERTEX,
    BEDROCK,
    Provider(
        name="anthropic",
        title="Anthropic",
        origin="https://api.anthropic.com",
        dialects={ANTHROPIC: "/v1"},
        endpoints=_served(ANTHROPIC, Endpoint.MESSAGES, Endpoint.COUNT_TOKENS, Endpoint.MODELS),
        auth=_X_API_KEY,
        probe=Probe(path="/v1/models?limit=1", dialect=ANTHROPIC),
        native_models=("claude-*",),
    ),
    Provider(
        name="google",
        title="Google Gemini",
        origin="https://generativelanguage.googleapis.com",
        # google-genai ≥ 3 asks for /v1 by default. It is sent to /v1beta all the same: v1beta has every method and
        # field of v1 and more, and one upstream version means one set of answers to meter.
        dialects={GEMINI: "/v1beta", OPENAI: "/v1beta/openai"},
        endpoints=_served(GEMINI, Endpoint.GENERATE, Endpoint.COUNT_TOKENS, Endpoint.EMBEDDINGS, Endpoint.MODELS)
        | _served(OPENAI, Endpoint.CHAT, Endpoint.EMBEDDINGS, Endpoint.MODELS),
        dialect_auth={GEMINI: Auth(header="x-goog-api-key")},
        probe=Probe(path="/v1beta/models?pageSize=1", dialect=GEMINI),
        native_models=(
            "gemini-*",
            "gemma-*",
            "learnlm-*",
            "imagen-*",
            "veo-*",
            "embedding-001",
            "text-embedding-00*",
        ),
    ),
    Provider(
        name="mistral",
        title="Mistral",
        origin="https://api.mistral.ai",
        dialects={OPENAI: "/v1"},
        endpoints=_served(
            OPENAI, Endpoint.CHAT, Endpoint.EMBEDDINGS, Endpoint.MODERATIONS, Endpoint.TRANSCRIPTION, Endpoint.MODELS
        ),
        probe=Probe(path="/v1/models"),
        quirks=Quirks(
            # 422 extra_forbidden on stream_options.include_usage; the last chunk carries usage anyway.
            stream_usage_option=False,
            region_hosts={"api.eu.mistral.ai": "eu", "api.us.mistral.ai": "us"},
        ),
        native_models=(
            "mistral-*",
            "ministral-*",
            "codestral-*",
            "devstral-*",
            "magistral-*",
            "pixtral-*",
            "voxtral-*",
            "open-mi*",
            "ft:*mistral*",
            "ft:*mixtral*",
            "ft:codestral*",
        ),
    ),
    Provider(
        name="groq",
        title="Groq",
        origin="https://api.groq.com",
        dialects={OPENAI: "/openai/v1"},
        endpoints=_served(
            OPENAI, Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.SPEECH, Endpoint.TRANSCRIPTION, Endpoint.MODELS
        ),
        probe=Probe(path="/openai/v1/models"),
        native_models=("groq/compound*", "compound-*"),
    ),
    Provider(
        name="deepseek",
        title="DeepSeek",
        origin="https://api.deepseek.com",
        dialects={OPENAI: "", ANTHROPIC: "/anthropic/v1"},
        endpoints=_served(OPENAI, Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.MODELS)
        | _served(ANTHROPIC, Endpoint.MESSAGES),
        dialect_auth={ANTHROPIC: _X_API_KEY},
        probe=Probe(path="/models"),
        native_models=("deepseek-*",),
    ),
    Provider(
        name="xai",
        title="xAI",
        origin="https://api.x.ai",
        dialects={OPENAI: "/v1"},
        endpoints=_served(
            OPENAI, Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.RESPONSE_STATE, Endpoint.IMAGES, Endpoint.MODELS
        ),
        probe=Probe(path="/v1/models"),
        quirks=Quirks(
            region_hosts={"us.api.x.ai": "us"},
            request_headers=frozenset({"x-grok-conv-id"}),  # keeps a conversation on a warm prompt cache
        ),
        native_models=("grok-*",),
    ),
    Provider(
        name="together",
        title="Together AI",
        origin="https://api.together.ai",
        dialects={OPENAI: "/v1"},
        endpoints=_served(
            OPENAI, Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.EMBEDDINGS, Endpoint.RERANK, *_MEDIA, Endpoint.MODELS
        ),
        probe=Probe(path="/v1/models"),
        quirks=Quirks(region_hosts={"us-api.together.ai": "us", "ca-api.together.ai": "ca"}),
    ),
    Provider(
        name="fireworks",
        title="Fireworks AI",
        origin="https://api.fireworks.ai",
        dialects={OPENAI: "/inference/v1", ANTHROPIC: "/inference/v1"},
        endpoints=_served(OPENAI, Endpoint.CHAT, Endpoint.COMPLETIONS, *_STORED, Endpoint.EMBEDDINGS, Endpoint.MODELS)
        | _served(ANTHROPIC, Endpoint.MESSAGES),
        probe=Probe(path="/inference/v1/models"),
        quirks=Quirks(request_headers=frozenset({"x-session-affinity"})),  # as x-grok-conv-id
        native_models=("accounts/fireworks/*",),
    ),
    Provider(
        name="openrouter",
        title="OpenRouter",
        origin="https://openrouter.ai",
        dialects={OPENAI: "/api/v1", ANTHROPIC: "/api/v1"},
        endpoints=_served(
            OPENAI,
            Endpoint.CHAT,
            Endpoint.COMPLETIONS,
            Endpoint.RESPONSES,
            Endpoint.EMBEDDINGS,
            Endpoint.RERANK,
            Endpoint.MODELS,
        )
        | _served(ANTHROPIC, Endpoint.MESSAGES),
        # Its model list is public and proves nothing.
        probe=Probe(path="/api/v1/key"),
        quirks=Quirks(
            region_hosts={"eu.openrouter.ai": "eu", "us.openrouter.ai": "us"},
            request_headers=frozenset({"http-referer", "x-title"}),
        ),
        native_models=("openrouter/auto*",),
    ),
    Provider(
        name="cerebras",
        title="Cerebras",
        origin="https://api.cerebras.ai",
        dialects={OPENAI: "/v1"},
        endpoints=_served(OPENAI, Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.MODELS),
        probe=Probe(path="/v1/models"),
    ),
    Provider(
        name="perplexity",
        title="Perplexity",
        origin="https://api.perplexity.ai",
        # Its chat completions ended on 2026-09-27; the responses format stayed.
        dialects={OPENAI: "/v1"},
        endpoints=_served(OPENAI, Endpoint.RESPONSES),
        # No free call is known. An empty body is refused unbilled: 401 proves a wrong key, 400 proves nothing,
        # because the body may be checked before the key.
        probe=Probe(path="/v1/responses", method="POST", body=b"{}", conclusive=False),
        native_models=("sonar*",),
    ),
    Provider(
        name="cohere",
        title="Cohere",
        origin="https://api.cohere.ai",
        dialects={OPENAI: "/compatibility/v1"},
        prefixes={Endpoint.RERANK: "/v2"},
        endpoints=_served(OPENAI, Endpoint.CHAT, Endpoint.EMBEDDINGS, Endpoint.RERANK),
        probe=Probe(path="/v1/models?page_size=1"),
        native_models=("command-*", "c4ai-*", "embed-*", "rerank-*"),
    ),
    Provider(
        name="vllm",
        title="vLLM",
        origin=None,
        dialects={OPENAI: "/v1", ANTHROPIC: "/v1"},
        endpoints=_served(
            OPENAI,
            Endpoint.CHAT,
            *_STORED,
            Endpoint.COMPLETIONS,
            Endpoint.EMBEDDINGS,
            Endpoint.RERANK,
            Endpoint.TRANSCRIPTION,
            Endpoint.MODELS,
        )
        | _served(ANTHROPIC, Endpoint.MESSAGES, Endpoint.COUNT_TOKENS),
        probe=Probe(path="/v1/models"),
    ),
    Provider(
        name="ollama",
        title="Ollama",
        origin="http://127.0.0.1:11434",
        dialects={OPENAI: "/v1", ANTHROPIC: "/v1"},
        endpoints=_served(
            OPENAI, Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.COMPLETIONS, Endpoint.EMBEDDINGS, Endpoint.MODELS
        )
        | _served(ANTHROPIC, Endpoint.MESSAGES),
        probe=Probe(path="/v1/models"),
    ),
    Provider(
        name="llamacpp",
        title="llama.cpp server",
        origin="http://127.0.0.1:8080",
        dialects={OPENAI: "/v1", ANTHROPIC: "/v1"},
        endpoints=_served(
            OPENAI,
            Endpoint.CHAT,
            Endpoint.RESPONSES,
            Endpoint.COMPLETIONS,
            Endpoint.EMBEDDINGS,
            Endpoint.RERANK,
            Endpoint.MODELS,
        )
        | _served(ANTHROPIC, Endpoint.MESSAGES, Endpoint.COUNT_TOKENS),
        # /v1/models answers without a key there; /props does not.
        probe=Probe(path="/props"),
    ),
    Provider(
        name="sandbox",
        title="Keystead sandbox",
        origin="https://sandbox.invalid",  # never resolved (RFC 6761): the sandbox answers in process
        dialects={OPENAI: "/v1", ANTHROPIC: "/v1", GEMINI: "/v1beta"},
        endpoints=_served(
            OPENAI,
            Endpoint.CHAT,
            Endpoint.RESPONSES,
            Endpoint.COMPLETIONS,
            Endpoint.EMBEDDINGS,
            Endpoint.MODERATIONS,
            Endpoint.MODELS,
        )
        | _served(ANTHROPIC, Endpoint.MESSAGES, Endpoint.COUNT_TOKENS, Endpoint.MODELS)
        | _served(GEMINI, Endpoint.GENERATE, Endpoint.COUNT_TOKENS, Endpoint.EMBEDDINGS, Endpoint.MODELS),
        probe=Probe(path="/v1/models"),
    ),
)

PROVIDERS: Final = {row.name: replace(row, endpoints=row.endpoints | STATEFUL[row.name]) for row in _ROWS}
"""Every provider, by name."""
