"""Google's generateContent requests, written. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from keystead.dialects.foreign_seals import UNSIGNED_CALL
from keystead.dialects.gemini_files import file_named
from keystead.dialects.gemini_generate.thinking_out import thinking
from keystead.dialects.nesting import decode
from keystead.dialects.translating import FREE_TEXT, Profile, Written
from keystead.domain.chat import (
    ChatRequest,
    Loss,
    Maker,
    Media,
    OutputFormat,
    Part,
    Refusal,
    Sealed,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from keystead.domain.errors import InvalidRequestError

_BY_SUFFIX: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "mp4": "video/mp4",
}
_BY_KIND: Final = {"image": "image/jpeg", "document": "application/pdf", "audio": "audio/mpeg", "video": "video/mp4"}
_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}


def write_request(request: ChatRequest, _profile: Profile) -> Written:
    """Write a generateContent body (see `Translator.write_request`)."""
    losses: list[Loss] = []
    body: dict[str, Any] = {}
    leading = _leading(request.turns)
    if leading:
        body["systemInstruction"] = {"parts": [{"text": text} for turn in leading for text in _texts(turn)]}
    body["contents"] = list(_contents(request.turns[len(leading) :], losses))
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_tool(tool, losses) for tool in request.tools]}]
    if request.tool_choice is not None and request.tools:
        body["toolConfig"] = {"functionCallingConfig": _choice(request.tool_choice)}
    config = _config(request, losses)
    if config:
        body["generationConfig"] = config
    return Written(body=msgspec.json.encode(body), losses=tuple(losses))


def _leading(turns: Sequence[Turn]) -> Sequence[Turn]:
    count = next((number for number, turn in enumerate(turns) if turn.role != "system"), len(turns))
    return turns[:count]


def _texts(turn: Turn) -> Iterator[str]:
    return (part.text for part in turn.parts if isinstance(part, Text))


def _contents(turns: Sequence[Turn], losses: list[Loss]) -> Iterator[dict[str, Any]]:
    """Write turns; consecutive ones of one side become one, because Gemini wants calls and results side by side."""
    numbered = list(enumerate(turns))
    names = {part.id: part.name for turn in turns for part in turn.parts if isinstance(part, ToolCall)}
    for role, group in groupby(numbered, key=lambda each: "model" if each[1].role == "assistant" else "user"):
        parts: list[dict[str, Any]] = []
        called = False
        for number, turn in group:
            if turn.role == "system":
                losses.append(Loss(field=f"messages[{number}].role", grave=False))
            if turn.name:
                losses.append(Loss(field=f"messages[{number}].name", grave=False))
            for part in turn.parts:
                first_call = isinstance(part, ToolCall) and not called
                called = called or isinstance(part, ToolCall)
                parts.extend(_part(part, names, first_call=first_call, losses=losses))
        if parts:
            yield {"role": role, "parts": parts}


def _part(part: Part, names: dict[str, str], *, first_call: bool, losses: list[Loss]) -> Iterator[dict[str, Any]]:
    match part:
        case Text():
            if part.cache:
                losses.append(Loss(field="cache_control", grave=False))
            if part.text or part.sealed:
                yield {"text": part.text, **_signed(part.sealed)}
        case Media():
            yield _media(part)
        case ToolCall():
            call = {"name": part.name, "args": _arguments(part), **({"id": part.id} if part.id else {})}
            # Of parallel calls the first alone is signed.
            stand_in = {"thoughtSignature": UNSIGNED_CALL} if first_call else {}
            yield {"functionCall": call, **(_signed(part.sealed) or stand_in)}
        case ToolResult():
            yield _result(part, names)
        case Thinking():
            if part.sealed is not None and part.sealed.maker is Maker.GEMINI:
                yield {"text": part.text, **({"thought": True} if part.text else {}), **_signed(part.sealed)}
            else:
                losses.append(Loss(field="thinking", grave=False))
        case Refusal():
            yield {"text": part.text}


def _signed(sealed: Sealed | None) -> dict[str, str]:
    return {"thoughtSignature": sealed.data} if sealed is not None and sealed.maker is Maker.GEMINI else {}


def _media(part: Media) -> dict[str, Any]:
    if part.data:
        return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
    if part.url and file_named(part.url, google_alone=True) is not None:
        raise InvalidRequestError(
            "A file that lies at Google is named in Gemini's own format.",
            code="file_of_another_dialect",
            next_step="Send the request in the Gemini format, or the file itself.",
        )
    suffix = part.url.partition("?")[0].rpartition(".")[2].lower()
    kind = part.media_type or _BY_SUFFIX.get(suffix, _BY_KIND[part.kind])
    return {"fileData": {"fileUri": part.url or part.file_id, "mimeType": kind}}


def _arguments(call: ToolCall) -> Any:
    if call.custom:
        return {"input": call.arguments}
    try:
        arguments = decode(call.arguments or "{}")
    except msgspec.DecodeError:
        return {"input": call.arguments}  # the model's own slip of an earlier turn is not worth a refusal
    return arguments if isinstance(arguments, dict) else {"input": arguments}


def _result(part: ToolResult, names: dict[str, str]) -> dict[str, Any]:
    text = "\n".join(each.text for each in part.parts if isinstance(each, Text))
    result: dict[str, Any] = {
        "name": part.name or names.get(part.call_id, "unknown"),
        "response": {"error" if part.is_error else "output": text},
    }
    if part.call_id:
        result["id"] = part.call_id
    media = [_media(each) for each in part.parts if isinstance(each, Media)]
    if media:
        result["parts"] = media
    return {"functionResponse": result}


def _tool(tool: Tool, losses: list[Loss]) -> dict[str, Any]:
    if tool.strict:
        losses.append(Loss(field=f"tools.{tool.name}.strict", grave=False))
    if tool.cache:
        losses.append(Loss(field=f"tools.{tool.name}.cache_control", grave=False))
    declared: dict[str, Any] = {"name": tool.name}
    if tool.description:
        declared["description"] = tool.description
    if tool.custom:
        declared["parametersJsonSchema"] = FREE_TEXT
    elif tool.parameters is not None:
        declared["parametersJsonSchema"] = tool.parameters
    return declared


def _choice(choice: ToolChoice) -> dict[str, Any]:
    calling: dict[str, Any] = {"mode": _MODES[choice.mode]}
    if choice.names:
        calling["allowedFunctionNames"] = list(choice.names)
    return calling


def _config(request: ChatRequest, losses: list[Loss]) -> dict[str, Any]:
    config: dict[str, Any] = dict(_given(_sampling(request)))
    if request.parallel_tool_calls is False and request.tools:
        losses.append(Loss(field="parallel_tool_calls", grave=False))
    if request.end_user:
        losses.append(Loss(field="user", grave=False))
    if request.logprobs is not None:
        config["responseLogprobs"] = True
        if request.logprobs:
            config["logprobs"] = request.logprobs
    if request.output is not None:
        config.update(_output(request.output))
    if request.reasoning is not None:
        asked = thinking(request.reasoning, request.model)
        if asked:
            config["thinkingConfig"] = asked
        elif asked is None:
            losses.append(Loss(field="reasoning_effort", grave=False))
    return config


def _sampling(request: ChatRequest) -> dict[str, Any]:
    return {
        "maxOutputTokens": request.max_output_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "stopSequences": list(request.stop) or None,
        "candidateCount": request.n if request.n > 1 else None,
        "seed": request.seed,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
    }


def _given(values: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return ((name, value) for name, value in values.items() if value is not None)


def _output(output: OutputFormat) -> dict[str, Any]:
    found: dict[str, Any] = {"responseMimeType": "application/json"}
    if output.json_schema is not None:
        found["responseJsonSchema"] = output.json_schema
    return found
