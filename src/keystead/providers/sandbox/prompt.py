"""What a request asks, whatever dialect it came in."""

from typing import Any, Final

import msgspec

IMAGE_TOKENS: Final = 85
"""Input tokens of one image, whatever its size."""

Json = dict[str, Any]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool the caller offers."""

    name: str
    schema: Any
    """JSON Schema of its arguments, as given."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a request that the sandbox acts on."""

    model: str
    texts: tuple[str, ...]
    """Every text in it, instructions and tool results included."""
    last: str
    """The last text of the user."""
    images: int = 0
    tools: tuple[Tool, ...] = ()
    tool_result: str | None = None
    """What a tool returned, if that is the last word."""
    schema: Any = None
    """The JSON Schema that the answer shall fit, if one is asked for."""
    max_tokens: int | None = None
    stream: bool = False
    stream_usage: bool = False

    @property
    def input_tokens(self) -> int:
        """Words and images, at least 1."""
        words = sum(len(text.split()) for text in self.texts)
        return max(1, words + self.images * IMAGE_TOKENS)


class Reading:
    """Collects texts and images while a dialect walks its messages."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.images = 0
        self.last = ""
        self.tool_result: str | None = None

    def text(self, value: Any, *, user: bool) -> None:
        """Take one text; what is not text is passed over, as the sandbox does not validate like a provider."""
        if isinstance(value, str):
            self.texts.append(value)
            if user:
                self.last = value
                self.tool_result = None

    def result(self, value: Any) -> None:
        """Take what a tool returned, text or JSON."""
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        self.texts.append(text)
        self.tool_result = text


def objects(value: Any) -> list[Json]:
    """Return the objects in a list; anything else is an empty list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def mapping(value: Any) -> Json:
    """Return an object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def count(value: Any) -> int | None:
    """Return a positive whole number, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
