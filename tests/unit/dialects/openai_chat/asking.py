"""Requests in the canonical form, put together in few words."""

from collections.abc import Iterable
from typing import Any, Final

from keystead.domain.chat import ChatRequest, Loss, Media, Part, Text, ToolCall, ToolResult, Turn

HI: Final = Turn(role="user", parts=(Text(text="Hi"),))


def ask(*turns: Turn, model: str = "a-model", **members: Any) -> ChatRequest:
    return ChatRequest(model=model, turns=turns or (HI,), **members)


def user(*parts: Part) -> Turn:
    return Turn(role="user", parts=parts)


def assistant(*parts: Part) -> Turn:
    return Turn(role="assistant", parts=parts)


def call(identifier: str, name: str = "f", **members: Any) -> ToolCall:
    return ToolCall(id=identifier, name=name, arguments="{}", **members)


def result(identifier: str, *parts: Text | Media, **members: Any) -> ToolResult:
    return ToolResult(call_id=identifier, parts=parts or (Text(text="1"),), **members)


def fields(losses: Iterable[Loss], *, grave: bool) -> list[str]:
    return [loss.field for loss in losses if loss.grave is grave]
