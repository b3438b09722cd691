"""What a provider says when it refuses: read within bounds, for the caller who waits behind it."""

import asyncio
from typing import Final

from keystead.domain.errors import ProviderError
from keystead.providers.transport import UpstreamResponse

MAX_ERROR_BODY: Final = 256 * 1024
"""Bytes of a provider's error body that are read; real ones have a few kilobytes."""

REFUSAL_S: Final = 5.0
"""How long a refusal's body is waited for. Its status is known, and the next attempt waits behind it."""


async def refusal_body(response: UpstreamResponse) -> bytes:
    """Return the body of a refusal; nothing if it does not come: what it said is lost then, that it refuses is not."""
    try:
        async with asyncio.timeout(REFUSAL_S):
            return await response.body(MAX_ERROR_BODY)
    except (ProviderError, TimeoutError):
        return b""
