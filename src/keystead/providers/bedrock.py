"""Amazon Bedrock's row, and what its addresses say."""

from typing import Final

from keystead.domain.embedding import EmbeddingForm
from keystead.domain.traffic import Dialect, Endpoint, ErrorClass
from keystead.providers.row import Family, Given, Places, Probe, Provider, Quirks, Scheme, served

_MAKERS: Final = (
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "writer",
    "zai",
)
"""How ids of models begin, behind the inference profile's prefix if they have one (`us.`, `global.`)."""

_CONVERSE: Final = served(Dialect.BEDROCK, Endpoint.CONVERSE)
_CLAUDE: Final = _CONVERSE | served(Dialect.BEDROCK, Endpoint.MESSAGES, Endpoint.COUNT_TOKENS)
_EMBEDS: Final = served(Dialect.BEDROCK, Endpoint.EMBEDDINGS)


def _ids(pattern: str) -> tuple[str, ...]:
    """Return the patterns of a model's id, of an inference profile's, and of either's ARN."""
    return pattern, f"*.{pattern}", f"*/{pattern}"


_REGION: Final = r"[a-z]{2}(?:-[a-z]+)+-\d"

BEDROCK: Final = Provider(
    name="bedrock",
    title="Amazon Bedrock",
    origin=None,
    places=Places(setting="region", template="https://bedrock-runtime.{region}.amazonaws.com"),
    settings={
        "region": Given(pattern=_REGION, bound=True, help="the AWS region that is called, such as eu-central-1"),
        "role_arn": Given(
            pattern=r"arn:aws(?:-[a-z]+)*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}",
            bound=True,
            help="a role to take with the key: arn:aws:iam::123456789012:role/…",
        ),
        "external_id": Given(
            pattern=r"[\w+=,.@:/-]{2,1224}", bound=True, help="what the role's owner wants to be told, with role_arn"
        ),
        "identity": Given(
            pattern="workload",
            bound=True,
            help="`workload`: the gateway's own identity instead of a key, with role_arn",
        ),
    },
    dialects={Dialect.BEDROCK: ""},
    endpoints=_CLAUDE | _EMBEDS,
    families=(
        # What an application profile hides is Converse's.
        Family(models=_ids("anthropic.claude-*"), endpoints=_CLAUDE),
        Family(
            models=(*_ids("amazon.titan-embed-text-*"), *_ids("amazon.titan-embed-g1-text-*")),
            endpoints=_EMBEDS,
            embedding_form=EmbeddingForm.TITAN,
        ),
        Family(models=_ids("cohere.embed-*"), endpoints=_EMBEDS, embedding_form=EmbeddingForm.COHERE),
        Family(models=("*",), endpoints=_CONVERSE),
    ),
    scheme=Scheme.AWS,
    # No free call needs just the right to call models. One without messages is refused unbilled, after the key and the
    # right were checked: 403 is about these, 400 about the messages, or a model that the region does not have.
    probe=Probe(
        path="/model/amazon.nova-micro-v1%3A0/converse",
        dialect=Dialect.BEDROCK,
        method="POST",
        body=b'{"messages":[]}',
        passed=frozenset({ErrorClass.INVALID_REQUEST, ErrorClass.MODEL_MISSING, ErrorClass.THROTTLED}),
    ),
    quirks=Quirks(
        # Also FIPS and PrivateLink endpoints, and those in China.
        region_in_host=rf"(?:^|\.)bedrock-runtime(?:-fips)?\.({_REGION})\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$",
    ),
    native_models=(
        *(f"{maker}.*" for maker in _MAKERS),
        *(f"*.{maker}.*" for maker in _MAKERS),
        "arn:aws*:bedrock:*",
    ),
)


def embeds(model: str) -> bool:
    """Say whether a name is that of a model that makes vectors, also behind a credential's: InvokeModel's path does not."""
    return (Dialect.BEDROCK, Endpoint.EMBEDDINGS) in BEDROCK.serving(model).endpoints
