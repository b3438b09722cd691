"""The same small call in each dialect, and what an error of ours says there."""

import json
from typing import Any, Final

import msgspec

from tests.fakes.gateway import Gateway, Reply

PROVIDER_OF: Final = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
"""Dialect → the provider whose own dialect it is."""

DIALECTS: Final = tuple(PROVIDER_OF)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an error of ours tells, wherever its dialect puts it."""

    code: str
    fault: str
    next_step: str
    message: str
    request_id: str


def target(dialect: str, model: str, *, stream: bool = False) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a call."""
    message = [{"role": "user", "content": "Hello"}]
    asked = {"stream": True} if stream else {}
    if dialect == "openai":
        return "/v1/chat/completions", {"model": model, "messages": message, **asked}
    if dialect == "anthropic":
        return "/v1/messages", {"model": model, "max_tokens": 64, "messages": message, **asked}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


async def ask(gateway: Gateway, dialect: str, model: str, *, key: str | None = None) -> Reply:
    """Make a call."""
    path, body = target(dialect, model)
    return await gateway.call("POST", path, body, key=key)


def told(dialect: str, body: bytes) -> Told:
    """Read an error of ours."""
    value = json.loads(body)
    if dialect == "bedrock":
        details = value["details"]
        return Told(
            code=details["error_code"],
            fault=details["fault"],
            next_step=details["next_step"],
            message=value["message"],
            request_id=details["request_id"],
        )
    error = value["error"]
    if dialect == "openai":
        names = ("code", "fault", "next_step", "message", "request_id")
        return Told(**{name: error[name] for name in names})
    if dialect == "anthropic":
        details = error["details"]
        return Told(
            code=details["error_code"],
            fault=details["fault"],
            next_step=details["next_step"],
            message=error["message"],
            request_id=value["request_id"],
        )
    [info] = error["details"]
    return Told(code=info["reason"].lower(), message=error["message"], **info["metadata"])
