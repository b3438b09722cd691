"""What each sandbox model acts out, and the reply to a prompt."""

import re
from typing import Any, Final

import msgspec

from keystead.providers.sandbox.prompt import Prompt

LABEL: Final = "[Keystead sandbox]"

MODELS: Final = {
    "echo": "Repeats the last message.",
    "story": "A long answer, good for watching a stream.",
    "slow": "A short answer, one word every 200 ms.",
    "delay-500": "As echo, after 500 ms; any number of milliseconds up to 60000.",
    "tools": "Calls the first tool offered; answers from its result.",
    "json": "A JSON object, fitting the schema if one is given.",
    "error-429": "Fails with that status, in the dialect's own shape; any status from 400 to 599.",
    "cut": "Breaks off before the usage.",
    "error-midstream": "Begins to stream, then fails inside the stream.",
}
"""Model name → what it does; the list that `GET /models` gives."""

_NUMBERED: Final = re.compile(r"(delay|error)-(\d{1,5})")
_MAX_DELAY_MS: Final = 60_000
_SLOW_PAUSE_S: Final = 0.2
_STORY_SENTENCES: Final = 40
_MAX_SCHEMA_DEPTH: Final = 8


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """How to behave."""

    kind: str
    status: int = 200
    delay_s: float = 0.0
    """Before the answer begins."""
    pause_s: float = 0.0
    """Between the pieces of a stream."""
    cut: bool = False
    """End the wire before the answer's end."""
    fail_inside: bool = False
    """Send an error event inside the stream."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What to say. Exactly one of text and tool call."""

    pieces: tuple[str, ...] = ()
    """The text in stream-sized pieces."""
    tool: str = ""
    arguments: str = ""
    """JSON."""
    truncated: bool = False

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        """Words of what is said; a tool's name counts as one."""
        return len((self.text or f"{self.tool} {self.arguments}").split())


_NAMED: Final = {
    "echo": Script(kind="echo"),
    "story": Script(kind="story"),
    "slow": Script(kind="echo", pause_s=_SLOW_PAUSE_S),
    "tools": Script(kind="tools"),
    "json": Script(kind="json"),
    "cut": Script(kind="story", cut=True),
    "error-midstream": Script(kind="story", fail_inside=True),
}


def script_for(model: str) -> Script | None:
    """Return the script of a model name (with or without `sandbox/`), None if there is no such model."""
    name = model.removeprefix("sandbox/")
    if match := _NUMBERED.fullmatch(name):
        return _numbered(match[1], int(match[2]))
    return _NAMED.get(name)


def reply_to(prompt: Prompt, script: Script) -> Reply:
    """Return the reply; the same prompt always gets the same one."""
    if script.kind == "tools" and prompt.tools and prompt.tool_result is None:
        tool = prompt.tools[0]
        arguments = example_of(tool.schema)
        if not isinstance(arguments, dict):  # a tool without a schema takes no arguments
            arguments = {}
        return Reply(tool=tool.name, arguments=msgspec.json.encode(arguments).decode())
    if script.kind == "json":
        value = example_of(prompt.schema) if prompt.schema else {"sandbox": True, "you_said": prompt.last}
        return Reply(pieces=(msgspec.json.encode(value).decode(),))
    if script.kind == "story":
        text = f"{LABEL} " + " ".join(
            f"Sentence {number} of a story that means nothing." for number in range(1, _STORY_SENTENCES + 1)
        )
    elif script.kind == "tools":
        text = (
            f"{LABEL} The tool returned: {prompt.tool_result}"
            if prompt.tool_result is not None
            else f"{LABEL} No tool was offered."
        )
    else:
        text = f"{LABEL} You said: {prompt.last}"
    return _limited(text, prompt.max_tokens)


def example_of(schema: Any, depth: int = 0) -> Any:
    """Return a small value that fits a JSON Schema (its common part; anything else gives an empty string)."""
    if not isinstance(schema, dict) or depth > _MAX_SCHEMA_DEPTH:
        return ""
    if "const" in schema:
        return schema["const"]
    for choices, deeper in (("enum", False), ("anyOf", True), ("oneOf", True), ("allOf", True)):
        given = schema.get(choices)
        if isinstance(given, list) and given:
            return example_of(given[0], depth + 1) if deeper else given[0]
    kind = _kind(schema)
    if kind == "object":
        properties = schema.get("properties")
        inner = properties.items() if isinstance(properties, dict) else ()
        return {name: example_of(value, depth + 1) for name, value in inner}
    if kind == "array":
        return [example_of(schema.get("items"), depth + 1)]
    return {"integer": 1, "number": 1, "boolean": True, "null": None}.get(kind, "sandbox")


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        kind = kind[0]
    if not isinstance(kind, str):
        return "object" if "properties" in schema else ""
    return kind.lower()  # Gemini writes types in upper case


def _numbered(what: str, number: int) -> Script | None:
    if what == "delay" and number <= _MAX_DELAY_MS:
        return Script(kind="echo", delay_s=number / 1000)
    if what == "error" and 400 <= number <= 599:
        return Script(kind="error", status=number)
    return None


def _limited(text: str, max_tokens: int | None) -> Reply:
    """Cut `text` to `max_tokens` words, and into pieces of one word each with the blanks before it."""
    pieces = tuple(re.findall(r"\s*\S+", text))
    if max_tokens is not None and len(pieces) > max_tokens:
        return Reply(pieces=pieces[:max_tokens], truncated=True)
    return Reply(pieces=pieces)
