"""When a stream first has content: a word, a thought, a part of a tool call, a sound. Pure.

Providers begin a stream with events that say no more than that it begins, often long before there is anything to read.
What holds content is known by a mark in the bytes, each dialect's own, so that nothing needs to be parsed for it. The
quotes make it a JSON key: inside a string they would be escaped.
"""

import re
from base64 import b64encode
from typing import Final

from keystead.domain.traffic import Dialect, Endpoint

_LONGEST_MARK: Final = 64
"""Bytes that are looked at again, as a mark may be cut anywhere."""

_CHAT: Final = re.compile(
    rb'"(?:content|reasoning|reasoning_content|text|arguments|refusal|data)"\s*:\s*"[^"]|"tool_calls"\s*:\s*\[\s*\{'
)
_DELTA: Final = re.compile(rb'"(?:delta|b64_json|partial_image_b64)"\s*:\s*"[^"]')
_MESSAGES: Final = re.compile(rb'"type"\s*:\s*"content_block_delta"')
_GENERATE: Final = re.compile(rb'"(?:text|data)"\s*:\s*"[^"]|"(?:functionCall|executableCode)"\s*:')
_CONVERSE: Final = re.compile(rb"contentBlockDelta")
# InvokeModel wraps the same events in base64, in which what begins alike stays alike in whole groups of three bytes.
_INVOKED: Final = re.compile(re.escape(b64encode(b'{"type":"content_block_delta')[:36]))

_MARKS: Final = {
    (Dialect.OPENAI, Endpoint.CHAT): _CHAT,
    (Dialect.OPENAI, Endpoint.COMPLETIONS): _CHAT,
    (Dialect.OPENAI, Endpoint.RESPONSES): _DELTA,
    (Dialect.OPENAI, Endpoint.TRANSCRIPTION): _DELTA,
    (Dialect.OPENAI, Endpoint.IMAGES): _DELTA,
    (Dialect.ANTHROPIC, Endpoint.MESSAGES): _MESSAGES,
    (Dialect.GEMINI, Endpoint.GENERATE): _GENERATE,
    (Dialect.BEDROCK, Endpoint.CONVERSE): _CONVERSE,
    (Dialect.BEDROCK, Endpoint.MESSAGES): _INVOKED,
}


class FirstContent:
    """Waits for the first content of one stream."""

    def __init__(self, dialect: Dialect, endpoint: Endpoint) -> None:
        """Wait for what the provider's own `dialect` marks content with; in others nothing is ever seen."""
        self._mark = _MARKS.get((dialect, endpoint))
        self._seam = b""

    def comes(self, chunk: bytes) -> bool:
        """Say whether there is content with this chunk, the stream being cut anywhere. Not asked again after a yes."""
        if self._mark is None:
            return False
        seen = self._seam + chunk
        self._seam = seen[-_LONGEST_MARK:]
        return self._mark.search(seen) is not None
