"""Rows of providers that host several makers' models, each spoken to in its maker's dialect."""

from typing import Final

from keystead.domain.embedding import EmbeddingForm
from keystead.domain.traffic import Dialect, Endpoint, ErrorClass
from keystead.providers import vertex
from keystead.providers.row import Family, Given, Places, Probe, Provider, Quirks, Scheme, served

_CLAUDE: Final = served(Dialect.ANTHROPIC, Endpoint.MESSAGES, Endpoint.COUNT_TOKENS)
_CHAT: Final = served(Dialect.OPENAI, Endpoint.CHAT)
_GEMINI: Final = served(Dialect.GEMINI, Endpoint.GENERATE, Endpoint.COUNT_TOKENS)
_EMBEDS: Final = served(Dialect.GEMINI, Endpoint.EMBEDDINGS)

VERTEX: Final = Provider(
    name="vertex",
    title="Vertex AI",
    origin=None,
    places=Places(
        setting="location",
        template="https://{location}-aiplatform.googleapis.com",
        special={
            "global": "https://aiplatform.googleapis.com",
            "us": "https://aiplatform.us.rep.googleapis.com",
            "eu": "https://aiplatform.eu.rep.googleapis.com",
        },
    ),
    settings={
        "project": Given(pattern=vertex.PROJECT, needed=True, help="the Google Cloud project, its id or number"),
        "location": Given(
            pattern=vertex.LOCATION,
            needed=True,
            bound=True,
            help="such as europe-west4, or global, or the multi-regions us and eu",
        ),
        "identity": Given(
            beside=("audience",),
            pattern="workload",
            bound=True,
            help="`workload`: the gateway's own identity instead of a key",
        ),
        "audience": Given(
            beside=("identity",),
            pattern=r"//iam\.googleapis\.com/projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+",
            bound=True,
            help="with identity=workload: the provider in the workload identity pool, "
            "//iam.googleapis.com/projects/…/providers/…",
        ),
        "service_account": Given(
            beside=("identity",),
            pattern=r"[a-z0-9.-]+@[a-z0-9.-]+\.gserviceaccount\.com",
            bound=True,
            help="with identity=workload: the service account to act as, if not the pool's principal itself",
        ),
    },
    dialects={Dialect.GEMINI: "", Dialect.ANTHROPIC: "", Dialect.OPENAI: ""},  # the paths: see `vertex`
    endpoints=_GEMINI | _CLAUDE | _CHAT | _EMBEDS,
    families=(
        Family(models=(vertex.CLAUDE,), endpoints=_CLAUDE),
        Family(models=vertex.MISTRAL, endpoints=_CHAT, stream_usage_option=False, profile="mistral"),
        # Makers whose models are served through the OpenAI-compatible endpoint alone: `meta/llama-…-maas`.
        Family(models=("*/*",), endpoints=_CHAT),
        Family(models=vertex.EMBEDDERS, endpoints=_EMBEDS, embedding_form=EmbeddingForm.PREDICT),
        Family(models=("*",), endpoints=_GEMINI | _CHAT),
    ),
    scheme=Scheme.GOOGLE,
    # Counting is free and needs the same right as calling. Whoever is told that the model is not there was let in.
    probe=Probe(
        path="/publishers/google/models/gemini-3.5-flash:countTokens",  # below project and location
        dialect=Dialect.GEMINI,
        method="POST",
        body=b'{"contents":[{"role":"user","parts":[{"text":"."}]}]}',
        passed=frozenset({ErrorClass.MODEL_MISSING, ErrorClass.NOT_FOUND, ErrorClass.THROTTLED}),
    ),
    quirks=Quirks(
        publisher_paths=True,
        region_in_host=r"^(?:aiplatform\.)?([a-z0-9-]+?)(?:-aiplatform|\.rep)\.googleapis\.com$",
    ),
    # No model is its own: a bare `gemini-…` or `claude-…` means the maker.
)
