"""What models on Bedrock take, by their ids. Pure.

Ids name the maker (`us.anthropic.claude-…`, `amazon.nova-…`), also inside ARNs, but for those of application inference
profiles, which hide the model. What hides its maker is taken for a Claude, whose rules are the strictest.
(docs.aws.amazon.com/bedrock: "Prompt caching", "Structured outputs", "Models with extended thinking")
"""

import re
from typing import Final

import msgspec

from keystead.dialects.anthropic_messages.models import Taken, taken_by

_OTHERS: Final = re.compile(
    r"(?:^|[./])(amazon|ai21|cohere|deepseek|google|meta|minimax|mistral|moonshot(?:ai)?|nvidia|openai|qwen|writer|zai)\."
)
_NOVA_2: Final = re.compile(r"amazon\.nova-2")
_WITHOUT_SCHEMA: Final = re.compile(
    r"(?:amazon|ai21|cohere|meta|writer)\.|claude-(?:v2|instant|3)|claude-(?:sonnet|opus)-4-(?:1-|20)"
)
_WITHOUT_CACHE: Final = re.compile(r"claude-(?:v2|instant|3-(?:haiku|opus|sonnet)|3-5-sonnet)")
_CACHE_OF_MINUTES: Final = re.compile(r"amazon\.nova|claude-3|claude-(?:sonnet|opus)-4-(?:1-|20)")


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes."""

    maker: str
    """As its id says; `anthropic` where it does not."""
    claude: Taken
    """What it takes as a Claude; of no meaning for others."""
    schema: bool
    """Takes a JSON Schema for its answer."""
    caches: bool
    caches_long: bool
    """Keeps a cache for an hour."""
    caches_tools: bool
    efforts: tuple[str, ...]
    """How much it can be told to think, in a word; of models other than Claude."""

    @property
    def is_claude(self) -> bool:
        """Say whether it is told what Claude models are told."""
        return self.maker == "anthropic"


def model_of(name: str) -> Model:
    """Return what a model takes."""
    found = _OTHERS.search(name)
    maker = found[1] if found else "anthropic"
    nova = maker == "amazon" and "nova" in name
    caches = nova or (maker == "anthropic" and _WITHOUT_CACHE.search(name) is None)
    return Model(
        maker=maker,
        claude=taken_by(name),
        schema=_WITHOUT_SCHEMA.search(name) is None,
        caches=caches,
        caches_long=caches and _CACHE_OF_MINUTES.search(name) is None,
        caches_tools=caches and not nova,
        efforts=("low", "medium", "high") if maker == "openai" or _NOVA_2.search(name) else (),
    )
