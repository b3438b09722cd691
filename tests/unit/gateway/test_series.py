"""Several calls in one attempt: what ends them, and what is left of them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest

from keystead.domain.errors import ProviderError
from keystead.domain.traffic import ErrorClass
from keystead.gateway.series import Ask, Series
from keystead.providers.transport import UpstreamResponse


class Said:
    """An answer; with `held` it does not end before that is set."""

    def __init__(self, body: bytes, *, status: int = 200, tokens: str = "", held: asyncio.Event | None = None) -> None:
        self.status = status
        self.headers = [("content-type", "application/json"), ("x-amzn-bedrock-input-token-count", tokens)]
        self.content_type = "application/json"
        self.upstream_request_id = "r1"
        self.upload_url = ""
        self.closed = False
        self._body = body
        self._held = held

    async def chunks(self) -> AsyncGenerator[bytes]:
        yield await self.body(0)

    async def body(self, limit: int) -> bytes:
        if self._held is not None:
            await self._held.wait()
        return self._body

    def close(self) -> None:
        self.closed = True


def series(*answers: Said, ask: Ask | None = None, wanted: bool = True, total_timeout_s: float = 60) -> Series:
    begun, *rest = answers
    waiting = iter(rest)

    async def following(_body: bytes) -> UpstreamResponse:
        return next(waiting)

    return Series(
        begun,
        [b"{}"] * (len(rest) if ask is None else 1),
        provider="bedrock",
        ask=ask or following,
        wanted=lambda: wanted,
        total_timeout_s=total_timeout_s,
    )


async def heard(found: Series) -> tuple[bytes, ProviderError | None]:
    out = []
    try:
        async for chunk in found.chunks():
            out.append(chunk)  # noqa: PERF401 - what came before an error counts
    except ProviderError as error:
        return b"".join(out), error
    return b"".join(out), None


async def test_answers_become_one_without_their_white_space() -> None:
    whole, error = await heard(series(Said(b'{ "a" : [ 1 ] }', tokens="3"), Said(b'{"b":2}')))
    assert error is None
    assert whole == b'[{"stated":"3","answer":{"a":[1]}},{"stated":"","answer":{"b":2}}]'
    assert json.loads(await series(Said(b"{}")).body(0)) == [{"stated": "", "answer": {}}]


@pytest.mark.parametrize(
    ("status", "body", "told", "error_class"),
    [
        (429, {"message": "Too many requests"}, 429, ErrorClass.THROTTLED),
        (400, {"message": "Malformed input request"}, 400, ErrorClass.INVALID_REQUEST),
        (500, {"message": "Internal"}, 502, ErrorClass.PROVIDER_ERROR),
    ],
)
async def test_a_later_refusal_is_an_error_that_says_what_is_billed(
    status: int, body: Any, told: int, error_class: ErrorClass
) -> None:
    refusal = Said(json.dumps(body).encode(), status=status)
    whole, error = await heard(series(Said(b"{}"), refusal, Said(b"{}")))
    assert whole == b'[{"stated":"","answer":{}}'
    assert error is not None
    assert (error.status, error.error_class, error.sent, error.code) == (told, error_class, True, "series_refused")
    assert "call 2 of 3" in error.message


async def test_nothing_is_asked_for_whom_nobody_waits() -> None:
    asked: list[bytes] = []

    async def ask(body: bytes) -> UpstreamResponse:
        asked.append(body)
        return Said(b"{}")

    whole, error = await heard(series(Said(b"{}"), ask=ask, wanted=False))
    assert error is not None
    assert (error.code, asked) == ("upstream_cut", [])
    assert whole.startswith(b"[{")


async def test_what_is_no_json_is_unreadable() -> None:
    _, error = await heard(series(Said(b'{"embedding":[1.0')))
    assert error is not None
    assert error.code == "unreadable_answer"


@pytest.mark.parametrize("at", ["head", "body"])
async def test_all_of_them_together_have_a_time(at: str) -> None:
    never = asyncio.Event()

    async def ask(_body: bytes) -> UpstreamResponse:
        if at == "head":
            await never.wait()
        return Said(b"{}", held=never)

    _, error = await heard(series(Said(b"{}"), ask=ask, total_timeout_s=0.05))
    assert error is not None
    assert (error.code, error.status) == ("total_timeout", 504)


async def test_closing_gives_up_a_call_that_is_not_answered_yet() -> None:
    asked = asyncio.Event()

    async def ask(_body: bytes) -> UpstreamResponse:
        asked.set()
        await asyncio.Event().wait()
        return Said(b"{}")

    found = series(Said(b"{}"), ask=ask)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(heard(found))
        await asked.wait()
        found.close()
    _, error = task.result()
    assert error is not None
    assert error.code == "upstream_cut"


async def test_a_task_that_is_cancelled_stays_cancelled() -> None:
    asked = asyncio.Event()

    async def ask(_body: bytes) -> UpstreamResponse:
        asked.set()
        await asyncio.Event().wait()
        return Said(b"{}")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(heard(series(Said(b"{}"), ask=ask)))
        await asked.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert task.cancelled()
