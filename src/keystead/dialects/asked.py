"""How much a request asks for, as far as its body says: what bounds its cost before it is sent. Pure.

What is not understood is taken for more, never for less: an unknown tool type for one the provider runs, a letter
written as an escape for one that hides something.
"""

import re
from typing import Final

import msgspec

from keystead.dialects.body import JsonBody
from keystead.domain.traffic import Dialect

ROUNDS: Final = 10
"""How often a provider is taken to call a model again on the results of tools that it runs itself. Anthropic stops
after ten (docs.claude.com, "pause_turn"); others state no number."""

_MOST_IN_A_FORM: Final = 10
"""OpenAI makes at most ten images per request; a form's own `n` is not read."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a body asks for."""

    max_output_tokens: int | None = None
    """The limit it sets itself, per answer; None if it sets none."""
    n: int = 1
    """Answers asked for, over all prompts."""
    media: bool = False
    """It reads what is not text in the body: images, audio, files, stored conversations or caches."""
    rounds: int = 1
    """How often the model may run, because the provider itself runs tools in between."""
    tools: bool = False
    """It declares tools, for which providers add instructions of their own to the prompt."""
    fast: bool = False
    """It asks for a faster, dearer mode."""


A_FORM: Final = Asked(n=_MOST_IN_A_FORM, media=True)

_LIMITS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_GEMINI_OPTIONS: Final = ("generationConfig", "generation_config")
_GEMINI_LIMITS: Final = ("maxOutputTokens", "max_output_tokens")
_GEMINI_ANSWERS: Final = ("candidateCount", "candidate_count")

_STORED: Final = ("previous_response_id", "conversation", "cachedContent", "cached_content")
_SERVER_SIDE: Final = ("mcp_servers", "web_search_options", "plugins")
_DECLARATIONS: Final = frozenset({"tools", "functions", "response_format", "output_config", "metadata", "text"})
"""Members that describe and never hold media."""

_MEDIA: Final = re.compile(
    rb'"type"\s*:\s*"(?:image|image_url|input_image|input_audio|input_file|input_video|file|document|video|video_url'
    rb'|container_upload|computer_screenshot|item_reference|compaction)"'
)
_EARLIER_AUDIO: Final = b'"audio"'
"""An assistant's message may name audio that it spoke before."""
_GEMINI_MEDIA: Final = re.compile(rb'"(?:inlineData|inline_data|fileData|file_data)"\s*:')
_CONVERSE_MEDIA: Final = re.compile(rb'"(?:image|document|video|audio|s3Location)"\s*:\s*\{')
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[4-7]")
"""No SDK writes a letter as an escape. Somebody else might, to pass by."""

_CLIENT_TOOLS: Final = re.compile(
    "(?:|custom|function|namespace|local_shell|apply_patch|computer|computer_use_preview"
    "|(?:bash|text_editor|computer|memory)_[0-9]+)"
)
"""Types of tools that the caller runs."""


class _Tool(msgspec.Struct):
    type: str = ""


_COUNT: Final = msgspec.json.Decoder(int | None)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TOOLS: Final = msgspec.json.Decoder(list[_Tool])
_GEMINI_TOOLS: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_CALLER_RUNS: Final = {"functionDeclarations", "function_declarations"}


def asked_output(json_body: JsonBody | None, dialect: Dialect) -> Asked:
    """Return what a body asks for.

    Args:
        json_body: the body as `dialects.body.read_json` gives it; None for a form (audio, image edits).
        dialect: the wire format.
    """
    if json_body is None:
        return A_FORM
    members = json_body.members
    if dialect is Dialect.BEDROCK:
        return _of_converse(members)
    gemini = dialect is Dialect.GEMINI
    options = _options(members) if gemini else members
    limit = max((_count(options, name) for name in (_GEMINI_LIMITS if gemini else _LIMITS)), default=0)
    answers = max(_count(options, name) for name in (_GEMINI_ANSWERS if gemini else ("n", "best_of")))
    return Asked(
        max_output_tokens=limit or None,
        n=max(answers, 1) * _prompts(members.get("prompt")),
        media=_reads_more(members, gemini=gemini),
        rounds=_rounds(members, gemini=gemini),
        tools="tools" in members or "functions" in members,
        fast="speed" in members and bytes(members["speed"]) == b'"fast"',
    )


def _of_converse(members: dict[str, msgspec.Raw]) -> Asked:
    """Read a body of Converse. What a model is told beside it may hold a limit of the maker's own."""
    inner = [_object(members.get(name)) for name in ("inferenceConfig", "additionalModelRequestFields")]
    limits = [_count(each, name) for each in inner for name in ("maxTokens", *_LIMITS)]
    tools = bytes(members.get("toolConfig", msgspec.Raw()))
    media = any(name in members for name in ("promptVariables", "guardrailConfig")) or any(
        _CONVERSE_MEDIA.search(content := bytes(members[name])) is not None
        or (b"\\u00" in content and _ESCAPED_LETTER.search(content) is not None)
        for name in ("messages", "system")
        if name in members
    )
    return Asked(
        max_output_tokens=max(limits) or None,
        media=media,
        rounds=ROUNDS if b'"systemTool"' in tools or _ESCAPED_LETTER.search(tools) is not None else 1,
        tools=bool(tools),
        fast="performanceConfig" in members and b'"optimized"' in bytes(members["performanceConfig"]),
    )


def _object(value: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    return _OBJECT.decode(value) if value is not None and bytes(value)[:1] == b"{" else {}


def _options(members: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    merged: dict[str, msgspec.Raw] = {}
    for name in _GEMINI_OPTIONS:
        if name in members and bytes(members[name])[:1] == b"{":
            merged |= _OBJECT.decode(members[name])
    return merged


def _count(members: dict[str, msgspec.Raw], name: str) -> int:
    """Return a count that `read_json` has checked; 0 if it is absent or null."""
    value = members.get(name)
    return (_COUNT.decode(value) or 0) if value is not None else 0


def _prompts(value: msgspec.Raw | None) -> int:
    """Return the number of prompts: legacy completions take a list, and answer each. A list of numbers is one."""
    if value is None or bytes(value)[:1] != b"[":
        return 1
    prompts = _LIST.decode(value)
    return len(prompts) if prompts and bytes(prompts[0])[:1] in {b'"', b"["} else 1


def _reads_more(members: dict[str, msgspec.Raw], *, gemini: bool) -> bool:
    if any(_is_given(members, name) for name in _STORED) or bytes(members.get("prompt", msgspec.Raw()))[:1] == b"{":
        return True
    media = _GEMINI_MEDIA if gemini else _MEDIA
    return any(
        media.search(content) is not None
        or _EARLIER_AUDIO in content
        or (b"\\u00" in content and _ESCAPED_LETTER.search(content) is not None)
        for name, value in members.items()
        if name not in _DECLARATIONS and (content := bytes(value))[:1] in {b"[", b"{"}
    )


def _rounds(members: dict[str, msgspec.Raw], *, gemini: bool) -> int:
    if not any(_is_given(members, name) for name in _SERVER_SIDE) and not _provider_runs(members.get("tools"), gemini):
        return 1
    try:
        stated = _count(members, "max_tool_calls")
    except (msgspec.DecodeError, UnicodeDecodeError):
        stated = 0  # the provider will refuse it
    return stated + 1 if stated > 0 else ROUNDS


def _provider_runs(tools: msgspec.Raw | None, gemini: bool) -> bool:
    """Say whether a list of tools has one that the provider runs; what is no such list, the provider refuses."""
    if tools is None:
        return False
    try:
        if gemini:
            return any(tool.keys() - _CALLER_RUNS for tool in _GEMINI_TOOLS.decode(tools))
        return any(_CLIENT_TOOLS.fullmatch(tool.type) is None for tool in _TOOLS.decode(tools))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _is_given(members: dict[str, msgspec.Raw], name: str) -> bool:
    return name in members and bytes(members[name]) not in {b"null", b"[]", b"{}"}
