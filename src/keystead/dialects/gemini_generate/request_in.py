"""Google's generateContent requests, read. Pure.

Google takes every name in camel case and in snake case; SDKs send both. Gemini has no ids for tool calls of its own, so
results are paired with calls by name and order.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from keystead.dialects.gemini_generate import signature
from keystead.dialects.gemini_generate.schema import json_schema
from keystead.dialects.taking import Taking, decoded, wrong
from keystead.domain.chat import (
    ChatRequest,
    Loss,
    Media,
    OutputFormat,
    Part,
    Reasoning,
    Sealed,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

_ROLES: Final = {"": "user", "user": "user", "function": "user", "tool": "user", "model": "assistant"}
_MODES: Final = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "required", "NONE": "none", "MODE_UNSPECIFIED": "auto"}
_KINDS: Final = {"image": "image", "audio": "audio", "video": "video"}
_HINTS: Final = ("safetySettings", "labels", "store", "serviceTier", "model")
"""They change what is filtered or written down at Google, and have no meaning anywhere else."""
_SAMPLING_HINTS: Final = ("mediaResolution", "enableEnhancedCivicAnswers", "audioTimestamp", "routingConfig")


def read_request(body: bytes, *, model: str, stream: bool) -> ChatRequest:
    """Read a generateContent body (see `Translator.read_request`)."""
    whole = Taking(decoded(body), "", folded=True)
    losses: list[Loss] = []
    calls = _Calls()
    turns = [*_instructions(whole, losses), *_turns(whole, calls, losses)]
    tools, choice = tuple(_tools(whole, losses)), _choice(whole, losses)
    config = whole.inner("generationConfig") or Taking({}, "generationConfig", folded=True)
    reasoning = _reasoning(config, losses)
    output = _output(config)
    request = ChatRequest(
        model=model,
        turns=tuple(turns),
        stream=stream,
        tools=tools,
        tool_choice=choice,
        max_output_tokens=config.integer("maxOutputTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=config.integer("topK"),
        stop=config.texts("stopSequences"),
        n=config.integer("candidateCount") or 1,
        seed=config.integer("seed"),
        presence_penalty=config.number("presencePenalty"),
        frequency_penalty=config.number("frequencyPenalty"),
        logprobs=_logprobs(config),
        reasoning=reasoning,
        output=output,
    )
    losses += [
        *_modalities(config),
        *config.hints(*_SAMPLING_HINTS),
        *config.left(),
        *whole.hints(*_HINTS),
        *whole.left(),
    ]
    return msgspec.structs.replace(request, losses=tuple(losses))


class _Calls:
    """Which calls were made and not yet answered, to pair results with them; makes ids that are stable over turns."""

    def __init__(self) -> None:
        self._made = 0
        self._open: Counter[str] = Counter()
        """How often an id was called and not yet answered."""
        self._by_name: defaultdict[str, deque[str]] = defaultdict(deque)
        """The ids of each tool's calls in their order, some of which may have been answered by their id."""
        self._answered: set[str] = set()

    def made(self, identifier: str, name: str) -> str:
        """Note a call; return its id."""
        self._made += 1
        identifier = identifier or f"call_{self._made}_{name}"
        self._open[identifier] += 1
        self._by_name[name].append(identifier)
        return identifier

    def answered(self, identifier: str, name: str) -> str:
        """Return the id of the call that a result answers; empty: it was answered before.

        Gemini CLI says results twice when it resumes a session; Anthropic refuses that, and Gemini does not mind.
        """
        called = identifier or self._next(name)
        if self._open[called]:
            self._open[called] -= 1
            self._answered.add(called)
            return called
        return "" if identifier in self._answered else identifier or f"call_unknown_{name}"

    def _next(self, name: str) -> str:
        """Return the id of a tool's first call that is not answered; empty: there is none."""
        made = self._by_name[name]
        while made:
            identifier = made.popleft()
            if self._open[identifier]:
                return identifier
        return ""


def _instructions(whole: Taking, losses: list[Loss]) -> Iterator[Turn]:
    value = whole.take("systemInstruction")
    if value is None:
        return
    if isinstance(value, str):
        yield Turn(role="system", parts=(Text(text=value),))
        return
    content = Taking(value, "systemInstruction", folded=True)
    content.text("role")
    texts = []
    for part in content.objects("parts"):
        texts.append(Text(text=part.text("text")))
        losses.extend(part.left())
    losses.extend(content.left())
    yield Turn(role="system", parts=tuple(texts))


def _turns(whole: Taking, calls: _Calls, losses: list[Loss]) -> Iterator[Turn]:
    value = whole.take("contents")
    if isinstance(value, str):
        yield Turn(role="user", parts=(Text(text=value),))
        return
    contents = Taking({"contents": [value] if isinstance(value, dict) else value}, "", folded=True)
    for content in contents.objects("contents"):
        role = _ROLES.get(content.text("role"))
        if role is None:
            raise wrong(content.at("role"), "user or model")
        parts: list[Part] = []
        for part in content.objects("parts"):
            said = part.text("thoughtSignature")
            sealed = signature.read(said) if said else ()
            if isinstance(sealed, tuple):
                _remember(sealed, parts)
            found = _part(part, calls, losses, None if isinstance(sealed, tuple) else sealed, role)
            if found is not None:
                parts.append(found)
            losses.extend(part.left())
        losses.extend(content.left())
        yield Turn(role="assistant" if role == "assistant" else "user", parts=tuple(parts))


def _remember(thoughts: tuple[Thinking, ...], parts: list[Part]) -> None:
    """Add the thoughts that a part's signature carries, in the place of their mere words."""
    while thoughts and parts and isinstance(last := parts[-1], Thinking) and last.sealed is None:
        parts.pop()
    parts.extend(thoughts)


def _part(part: Taking, calls: _Calls, losses: list[Loss], sealed: Sealed | None, role: str) -> Part | None:
    if part.has("text"):
        text = part.text("text")
        if part.flag("thought"):
            return Thinking(text=text, sealed=sealed)
        return Text(text=text, sealed=sealed) if text or sealed else None
    if (call := part.inner("functionCall")) is not None:
        made = _call(call, calls, sealed)
        losses += call.left()
        return made
    if (result := part.inner("functionResponse")) is not None:
        found = _result(result, calls, losses)
        losses += [*result.hints("willContinue", "scheduling"), *result.left()]
        return found
    media = _media(part, losses)
    # A signature alone, at the end of an answer, belongs to nothing that was written.
    return media or (Thinking(sealed=sealed) if sealed is not None and role == "assistant" else None)


def _call(call: Taking, calls: _Calls, sealed: Sealed | None) -> ToolCall:
    name, identifier, arguments = call.needed_text("name"), call.text("id"), call.raw("args")
    written = bytes(arguments).decode() if arguments is not None else "{}"
    return ToolCall(id=calls.made(identifier, name), name=name, arguments=written, sealed=sealed)


def _media(part: Taking, losses: list[Loss]) -> Media | None:
    if (inline := part.inner("inlineData")) is not None:
        kind = inline.needed_text("mimeType")
        data, name = inline.needed_text("data"), inline.text("displayName")
        losses += inline.left()
        return Media(kind=_kind(kind), media_type=kind, data=_standard(data), name=name)
    if (file := part.inner("fileData")) is not None:
        kind, uri, name = file.text("mimeType"), file.needed_text("fileUri"), file.text("displayName")
        losses += file.left()
        at = {"url": uri} if "://" in uri else {"file_id": uri}
        return Media(kind=_kind(kind), media_type=kind, name=name, **at)
    return None


def _result(result: Taking, calls: _Calls, losses: list[Loss]) -> ToolResult | None:
    name, identifier = result.needed_text("name"), result.text("id")
    response: Any = result.take("response")
    failed = isinstance(response, dict) and set(response) == {"error"}
    if isinstance(response, dict) and len(response) == 1 and (response.keys() & {"output", "result", "error"}):
        [response] = response.values()
    text = response if isinstance(response, str) else msgspec.json.encode(response).decode()
    media = [found for part in result.objects("parts") if (found := _media(part, losses)) is not None]
    call_id = calls.answered(identifier, name)
    if not call_id:
        losses.append(Loss(field=result.place, grave=False))
        return None
    return ToolResult(call_id=call_id, name=name, parts=(Text(text=text), *media), is_error=failed)


def _kind(media_type: str) -> Any:
    return _KINDS.get(media_type.partition("/")[0], "document")


def _standard(data: str) -> str:
    """Return standard base64: google-genai for Python writes the URL-safe alphabet."""
    return data.replace("-", "+").replace("_", "/")


def _tools(whole: Taking, losses: list[Loss]) -> Iterator[Tool]:
    value = whole.take("tools")
    given = Taking({"tools": [value] if isinstance(value, dict) else value}, "", folded=True)
    for entry in given.objects("tools"):
        for declared in entry.objects("functionDeclarations"):
            schema, native = declared.raw("parametersJsonSchema"), declared.raw("parameters")
            yield Tool(
                name=declared.needed_text("name"),
                description=declared.text("description"),
                parameters=schema if schema is not None else json_schema(native),
            )
            losses += [*declared.hints("response", "responseJsonSchema", "behavior"), *declared.left()]
        losses.extend(entry.left())  # Google's own tools: search, code execution, URL context, maps


def _choice(whole: Taking, losses: list[Loss]) -> ToolChoice | None:
    config = whole.inner("toolConfig")
    if config is None:
        return None
    calling = config.inner("functionCallingConfig")
    losses += [*config.hints("retrievalConfig"), *config.left()]
    if calling is None:
        return None
    mode, names = calling.text("mode", "AUTO").upper(), calling.texts("allowedFunctionNames")
    losses.extend(calling.left())
    if mode not in _MODES:
        raise wrong(calling.at("mode"), "AUTO, ANY or NONE")
    if mode == "ANY" and len(names) == 1:
        return ToolChoice(mode="named", names=names)
    return ToolChoice(mode=_MODES[mode], names=names if mode == "ANY" else ())  # type: ignore[arg-type]


def _reasoning(config: Taking, losses: list[Loss]) -> Reasoning | None:
    thinking = config.inner("thinkingConfig")
    if thinking is None:
        return None
    found = Reasoning(
        effort=thinking.text("thinkingLevel").lower().replace("thinking_level_unspecified", ""),
        budget_tokens=thinking.integer("thinkingBudget"),
        visible=thinking.flag("includeThoughts"),
    )
    losses.extend(thinking.left())
    return found


def _output(config: Taking) -> OutputFormat | None:
    kind = config.text("responseMimeType")
    schema = config.raw("responseJsonSchema") or config.raw("_responseJsonSchema")
    native = config.raw("responseSchema")
    if schema is None and native is not None:
        schema = json_schema(native)
    if schema is None and kind != "application/json":
        if kind not in {"", "text/plain"}:
            raise wrong(config.at("responseMimeType"), "text/plain or application/json to be translated")
        return None
    return OutputFormat(json_schema=schema, name="answer" if schema is not None else "")


def _logprobs(config: Taking) -> int | None:
    wanted, alternatives = config.flag("responseLogprobs"), config.integer("logprobs")
    return (alternatives or 0) if wanted else None


def _modalities(config: Taking) -> Iterator[Loss]:
    asked = {each.upper() for each in config.texts("responseModalities")}
    if not asked <= {"TEXT", "MODALITY_UNSPECIFIED"}:
        yield Loss(field=config.at("responseModalities"), grave=True)
