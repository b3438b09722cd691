"""The messages of OpenAI's chat completions, read. Pure."""

from typing import Any, Final, Literal

import msgspec

from keystead.dialects.openai_chat.content import cache_mark, read_content, read_images
from keystead.dialects.openai_chat.thoughts import Detail, thoughts_of
from keystead.dialects.taking import Taking, wrong
from keystead.dialects.translating import uncarry
from keystead.domain.chat import Loss, Maker, Media, Part, Refusal, Sealed, Text, ToolCall, ToolResult, Turn

_ROLES: Final[dict[str, Literal["system", "user"]]] = {"system": "system", "developer": "system", "user": "user"}


class Messages:
    """Reads messages; knows the names of the calls, and what was not understood so far."""

    def __init__(self, losses: list[Loss]) -> None:
        self._losses = losses
        self._calls: dict[str, ToolCall] = {}
        self._functions: dict[str, str] = {}
        """The ids made for calls from before there were ids, by the function's name."""

    def read(self, message: Taking) -> Turn:
        """Read a message."""
        role = message.needed_text("role")
        if role == "assistant":
            turn = Turn(role="assistant", parts=self._said(message), name=message.text("name"))
        elif role in {"tool", "function"}:
            turn = Turn(role="user", parts=(self._result(message, role),))
        elif role in _ROLES:
            if not message.has("content"):
                raise wrong(message.at("content"), "a text or a list of parts")
            parts = self._marked(message, read_content(message, self._losses))
            turn = Turn(role=_ROLES[role], parts=tuple(parts), name=message.text("name"))
        else:
            raise wrong(message.at("role"), "system, developer, user, assistant or tool")
        self._losses.extend(message.left())
        return turn

    def _marked(self, message: Taking, parts: list[Part]) -> list[Part]:
        """Put a message's prompt-cache mark, which some clients set on the whole of it, behind its last part."""
        mark = cache_mark(message, self._losses)
        if mark and parts and isinstance(last := parts[-1], Text | Media):
            parts[-1] = msgspec.structs.replace(last, cache=mark)
        return parts

    # -- the assistant's ----------------------------------------------------------------------------------------------

    def _said(self, message: Taking) -> tuple[Part, ...]:
        parts: list[Part] = [*self._thoughts(message)]
        parts += self._marked(message, [part for part in read_content(message, self._losses) if part != Text(text="")])
        parts += read_images(message, self._losses)
        refusal = message.text("refusal")
        if refusal:
            parts.append(Refusal(text=refusal))
        sealed = self._signature(message)
        if sealed is not None:
            _seal_text(parts, sealed)
        parts += [self._call(call) for call in message.objects("tool_calls") if self._is_known(call)]
        function = message.inner("function_call")
        if function is not None:
            parts.append(self._function_call(function))
        if message.take("audio") is not None:
            self._losses.append(Loss(field=message.at("audio"), grave=True))
        if message.items("annotations"):  # citations of an earlier answer: clients send it back as it came
            self._losses.append(Loss(field=message.at("annotations"), grave=False))
        return tuple(parts) or (Text(text=""),)

    def _thoughts(self, message: Taking) -> list[Any]:
        words = message.text("reasoning_content")
        other = message.text("reasoning")
        details = message.take("reasoning_details")
        try:
            found = msgspec.convert(details or [], list[Detail])
        except msgspec.ValidationError as error:
            raise wrong(message.at("reasoning_details"), "the list that an answer had") from error
        return thoughts_of(words or other, found)

    def _is_known(self, call: Taking) -> bool:
        if call.text("type", "function") in {"function", "custom"}:
            return True
        self._losses.append(Loss(field=call.at("type"), grave=True))
        return False

    def _call(self, call: Taking) -> ToolCall:
        identifier = call.needed_text("id")
        call.take("index")  # where pieces of a stream were put together
        custom = call.inner("custom")
        described = custom or call.inner("function")
        if described is None:
            raise wrong(call.at("function"), "an object")
        found = ToolCall(
            id=identifier,
            name=described.needed_text("name"),
            arguments=described.text("input") if custom is not None else _arguments(described),
            custom=custom is not None,
            sealed=self._signature(call),
            cache=cache_mark(call, self._losses),
        )
        self._calls[identifier] = found
        self._losses += [*described.left(), *call.left()]
        return found

    def _function_call(self, function: Taking) -> ToolCall:
        name = function.needed_text("name")
        identifier = self._functions[name] = f"call_{len(self._calls)}_{name}"
        found = self._calls[identifier] = ToolCall(id=identifier, name=name, arguments=_arguments(function))
        self._losses.extend(function.left())
        return found

    def _signature(self, holder: Taking) -> Sealed | None:
        """Read Gemini's thought signature where Google's own chat completions put it."""
        extra = holder.inner("extra_content")
        if extra is None:
            return None
        google = extra.inner("google") or Taking({}, extra.at("google"))
        signature = google.text("thought_signature")
        self._losses += [Loss(field=loss.field, grave=False) for loss in (*google.left(), *extra.left())]
        return uncarry(signature, Maker.GEMINI) if signature else None

    # -- the tools' ---------------------------------------------------------------------------------------------------

    def _result(self, message: Taking, role: str) -> ToolResult:
        name = message.text("name")
        identifier = message.needed_text("tool_call_id") if role == "tool" else self._functions.get(name, "")
        call = self._calls.get(identifier)
        mark = cache_mark(message, self._losses)
        parts: list[Text | Media] = []
        for part in read_content(message, self._losses):
            if not isinstance(part, Text | Media):
                raise wrong(message.at("content"), "a text or a list of texts")
            if part != Text(text=""):
                parts.append(part)
        return ToolResult(
            call_id=identifier,
            name=name or (call.name if call else ""),
            parts=tuple(parts),
            custom=call is not None and call.custom,
            cache=mark,
        )


def _arguments(described: Taking) -> str:
    """Return a call's arguments; some clients send the object itself."""
    value = described.take("arguments")
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    if value is not None and not isinstance(value, str):
        raise wrong(described.at("arguments"), "a text")
    return value or ""


def _seal_text(parts: list[Part], sealed: Sealed) -> None:
    if parts and isinstance(last := parts[-1], Text):
        parts[-1] = msgspec.structs.replace(last, sealed=sealed)
    else:
        parts.append(Text(text="", sealed=sealed))
