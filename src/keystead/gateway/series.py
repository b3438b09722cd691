"""Several calls in one attempt, one after another: their answers become one.

A request may hold more texts than a model takes in one call. It is one attempt all the same, with one intent and one end:
the first call's head decides whether the provider answers; what a later one refuses, ends the attempt, and what was
answered before is billed and in the record.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final, TypeVar

import msgspec

from keystead.dialects.embeddings import Part
from keystead.dialects.embeddings.bedrock import COUNT_HEADER
from keystead.domain.errors import ProviderError
from keystead.domain.traffic import ErrorClass
from keystead.gateway.refusal_body import refusal_body
from keystead.gateway.translation import garbled
from keystead.providers.classify import classify
from keystead.providers.failures import CUT, TOTAL_TIMEOUT
from keystead.providers.headers import first
from keystead.providers.transport import UpstreamResponse

_LONGEST: Final = 8 * 1024 * 1024
"""Bytes of one call's answer; vectors of 250 texts have some 5 MB before they are written more closely."""
_STATUS: Final = {
    ErrorClass.THROTTLED: 429,
    ErrorClass.OVERLOADED: 503,
    ErrorClass.INVALID_REQUEST: 400,
    ErrorClass.CONTEXT_TOO_LONG: 400,
    ErrorClass.CONTENT_REFUSED: 400,
}
"""What tells an SDK to try again later, or never: each try is billed."""
_Awaited = TypeVar("_Awaited")

Ask = Callable[[bytes], Awaitable[UpstreamResponse]]


class Series:
    """The answers to several calls, as one JSON array of `Part`s. It fulfils `UpstreamResponse`."""

    def __init__(
        self,
        begun: UpstreamResponse,
        bodies: Sequence[bytes],
        *,
        provider: str,
        ask: Ask,
        wanted: Callable[[], bool],
        total_timeout_s: float,
    ) -> None:
        """Take the first call's answer, which is not a refusal, and what is still to be asked.

        Args:
            begun: the first answer.
            bodies: of the further calls.
            provider: its name, to understand its refusals.
            ask: makes a further call.
            wanted: whether anybody still waits for the answer: else nothing further is asked.
            total_timeout_s: how long all of them may take together.
        """
        self.status = begun.status
        self.headers = begun.headers
        self.content_type = "application/json"
        self.upstream_request_id = begun.upstream_request_id
        self.upload_url = ""
        self._current = begun
        self._bodies = bodies
        self._provider = provider
        self._ask = ask
        self._wanted = wanted
        self._deadline = asyncio.get_running_loop().time() + total_timeout_s
        self._opening: asyncio.Task[object] | None = None
        self._closed = False

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the array, an element as each call has answered."""
        yield b"[" + await self._part()
        for number, body in enumerate(self._bodies, start=2):
            if not self._wanted():
                raise CUT.error()
            self._current = await self._next(body)
            if self._current.status >= 400:
                raise await self._refused(number)
            yield b"," + await self._part()
        yield b"]"

    async def body(self, limit: int) -> bytes:  # noqa: ARG002 - each part has its own
        """Return the whole array."""
        return b"".join([chunk async for chunk in self.chunks()])

    def close(self) -> None:
        """Give up, also a call that has not been answered."""
        self._closed = True
        self._current.close()
        if self._opening is not None:
            self._opening.cancel()

    async def _next(self, body: bytes) -> UpstreamResponse:
        self._opening = asyncio.current_task()
        try:
            return await self._in_time(self._ask(body))
        except asyncio.CancelledError:
            if self._closed and self._opening is not None and self._opening.uncancel() == 0:
                raise CUT.error() from None
            raise
        finally:
            self._opening = None

    async def _part(self) -> bytes:
        """Read one answer, and write it without the white space that Google's has more of than numbers."""
        stated = first(self._current.headers, COUNT_HEADER)
        body = await self._in_time(self._current.body(_LONGEST))
        try:
            return msgspec.json.encode(Part(stated=stated, answer=msgspec.Raw(msgspec.json.format(body, indent=-1))))
        except (ValueError, RecursionError) as error:
            raise garbled("The provider's answer cannot be read: embeddings.", "unreadable_answer") from error

    async def _refused(self, number: int) -> ProviderError:
        response = self._current
        refusal = classify(self._provider, response.status, response.headers, await refusal_body(response), now_us=0)
        return ProviderError(
            f"The provider refused call {number} of {len(self._bodies) + 1} for this request; "
            f"those before it are billed. {refusal.message}",
            error_class=refusal.error_class,
            sent=True,
            code="series_refused",
            status=_STATUS.get(refusal.error_class, 502),
        )

    async def _in_time(self, awaited: Awaitable[_Awaited]) -> _Awaited:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await awaited
        except TimeoutError:
            raise TOTAL_TIMEOUT.error() from None
