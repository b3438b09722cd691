"""Gemini: generateContent as a body, as server-sent events or as one JSON array; embeddings."""

import re
from typing import Any, Final

import msgspec

from keystead.dialects.sse import data_of
from keystead.domain.usage import Usage
from keystead.metering.read_answer import EMPTY, Answer, is_null, printable
from keystead.metering.read_counts import (
    MODALITY_EXCEEDS_OUTPUT,
    Counts,
    JsonObject,
    Modal,
    decode,
    input_counts,
)

# Names of ModalityTokenCount.modality, and the numbers some clients of the gRPC form print instead. Text, documents
# and what is not known yet have the price of text.
_MODALITIES: Final = {"AUDIO": "audio", "IMAGE": "image", "VIDEO": "video", 4: "audio", 2: "image", 3: "video"}


_BILLED_BY_PROMPT: Final = re.compile(r"(?:models/)?gemini-[12]\.")
"""Grounding with search is billed by the grounded prompt up to Gemini 2.5, and by the query from Gemini 3 on; empty
queries are not billed (ai.google.dev/gemini-api/docs/pricing)."""


class _Chunk(msgspec.Struct):
    usage: msgspec.Raw = msgspec.field(default=EMPTY, name="usageMetadata")
    model: msgspec.Raw = msgspec.field(default=EMPTY, name="modelVersion")
    id: msgspec.Raw = msgspec.field(default=EMPTY, name="responseId")
    feedback: msgspec.Raw = msgspec.field(default=EMPTY, name="promptFeedback")
    candidates: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY


class _Grounding(msgspec.Struct):
    queries: list[str] = msgspec.field(default_factory=list, name="webSearchQueries")


class _Candidate(msgspec.Struct):
    finish: msgspec.Raw = msgspec.field(default=EMPTY, name="finishReason")
    grounding: msgspec.Raw = msgspec.field(default=EMPTY, name="groundingMetadata")


class _Feedback(msgspec.Struct):
    block: msgspec.Raw = msgspec.field(default=EMPTY, name="blockReason")


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_CANDIDATES: Final = msgspec.json.Decoder(list[_Candidate])
_GROUNDING: Final = msgspec.json.Decoder(_Grounding)
_FEEDBACK: Final = msgspec.json.Decoder(_Feedback)


class GenerateAnswer(Answer):
    """Usage is on every chunk and grows: the last one counts.

    A finish or block reason is not yet the end: with server-side tools a stream goes on, and bills on, after a
    first finish reason. Only the end of the bytes tells.
    """

    def __init__(self, provider: str, *, billed: bool = True) -> None:
        super().__init__(provider, billed=billed)
        self._finish_seen = False
        self._searches = 0

    def event(self, event: bytes) -> None:
        """Look into every event: each carries usage."""
        self.value(data_of(event))

    def value(self, data: bytes) -> None:
        """Take a chunk."""
        chunk = decode(_CHUNK, data)
        if chunk is None:
            self.unreadable(data)
        else:
            self._take(chunk)

    def body(self, data: bytes) -> bool:
        """Take a whole answer."""
        chunk = decode(_CHUNK, data)
        if chunk is None:
            return False
        self._take(chunk)
        self.ended = True
        return True

    def completed(self) -> None:
        """A stream that gave a reason to end and ended in order has ended."""
        self.ended = self._finish_seen

    def usage_of(self, usage: JsonObject) -> Usage:
        """Count, with the searches that grounding made."""
        tier = usage.get("serviceTier")
        self.service_tier = printable(tier) if isinstance(tier, str) else None
        counted = gemini_usage(usage, self.counts)
        by_prompt = _BILLED_BY_PROMPT.match(self.model or self.model_asked) is not None
        units = self.counts.units(web_searches=min(1, self._searches) if by_prompt else self._searches)
        return msgspec.structs.replace(counted, units=units) if units else counted

    def _take(self, chunk: _Chunk) -> None:
        self.named(model=chunk.model, response_id=chunk.id)
        # Vertex puts an object without counts on all chunks but the last.
        if self.raw is None or b"TokenCount" in bytes(chunk.usage):
            self.found_usage(chunk.usage)
        if not is_null(chunk.error):
            self.failed(chunk.error)
        feedback = None if is_null(chunk.feedback) else decode(_FEEDBACK, bytes(chunk.feedback))
        if feedback is not None and not is_null(feedback.block):
            self._finish_seen = True
        candidates = bytes(chunk.candidates)
        if b'"finishReason"' in candidates or b'"webSearchQueries"' in candidates:
            self._take_candidates(decode(_CANDIDATES, candidates) or [])

    def _take_candidates(self, candidates: list[_Candidate]) -> None:
        searches = 0
        for candidate in candidates:
            self._finish_seen = self._finish_seen or not is_null(candidate.finish)
            grounding = None if is_null(candidate.grounding) else decode(_GROUNDING, bytes(candidate.grounding))
            searches += len(list(filter(None, grounding.queries))) if grounding is not None else 0
        # Chunks repeat the queries made so far.
        self._searches = max(self._searches, searches)


def gemini_usage(usage: JsonObject, counts: Counts) -> Usage:
    """Take a usageMetadata object apart into disjoint counts.

    The prompt includes what was cached. Thoughts are beside the candidates, and what tools put into the prompt is
    beside the prompt. Details by modality may be missing or incomplete: what they leave is text.
    """
    cached = counts.take(usage, "cachedContentTokenCount")
    cached_parts = _modal(usage, counts, "cacheTokensDetails")
    fields = input_counts(
        counts,
        total=counts.take(usage, "promptTokenCount"),
        # Embeddings say `promptTokenDetails`.
        parts=_modal(usage, counts, "promptTokensDetails", "promptTokenDetails") or Modal(),
        cached=cached,
        cached_parts=cached_parts,
    )
    tools = counts.take(usage, "toolUsePromptTokenCount")
    tool_parts = _modal(usage, counts, "toolUsePromptTokensDetails") or Modal()
    for name, count in input_counts(counts, total=tools, parts=tool_parts).items():
        fields[name] += count
    candidates = counts.take(usage, "candidatesTokenCount")
    parts = _modal(usage, counts, "candidatesTokensDetails") or Modal()
    parts = counts.parts_within(parts, candidates, MODALITY_EXCEEDS_OUTPUT)
    result = Usage(
        **fields,
        output_tokens=candidates - sum(parts),
        reasoning_tokens=counts.take(usage, "thoughtsTokenCount"),
        output_audio_tokens=parts.audio,
        output_image_tokens=parts.image,
        units={},
    )
    counts.check_total(counts.stated(usage, "totalTokenCount"), result.input_total + result.output_total)
    return result


def _modal(usage: JsonObject, counts: Counts, *names: str) -> Modal | None:
    details: Any = next((usage[name] for name in names if isinstance(usage.get(name), list)), None)
    if details is None:
        return None
    sums = dict.fromkeys(Modal._fields, 0)
    for detail in details:
        if not isinstance(detail, dict):
            continue
        kind = detail.get("modality")
        name = _MODALITIES.get(kind) if isinstance(kind, str | int) else None
        if name is not None:
            sums[name] += counts.take(detail, "tokenCount")
    return Modal(**sums)
