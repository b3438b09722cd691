"""OpenAI's images, speech and transcriptions: usage in the body or in the event that ends a stream."""

from typing import Final

import msgspec

from keystead.dialects.sse import data_of
from keystead.domain.traffic import Endpoint
from keystead.domain.usage import Usage
from keystead.metering.read_answer import EMPTY, Answer, is_null, text_of
from keystead.metering.read_counts import JsonObject, added, decode, decode_usage
from keystead.metering.read_openai import Rule, chat_rule, openai_usage

SVG_ADDED: Final = "svg_added"
"""Tokens of the model that wrote an SVG image are in the counts. The provider bills them at that model's price."""

_OUTPUT_RULES: Final = {Endpoint.IMAGES: Rule(output="image"), Endpoint.SPEECH: Rule(output="audio")}


class _Media(msgspec.Struct):
    """A body or an event."""

    type: msgspec.Raw = EMPTY
    model: msgspec.Raw = EMPTY
    usage: msgspec.Raw = EMPTY
    svg_usage: msgspec.Raw = EMPTY
    duration: msgspec.Raw = EMPTY
    data: msgspec.Raw = EMPTY
    error: msgspec.Raw = EMPTY


_MEDIA: Final = msgspec.json.Decoder(_Media)
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class MediaAnswer(Answer):
    """Tokens where the model bills by tokens, else seconds of audio or a number of images.

    Args:
        provider: The provider's name.
        endpoint: Images, speech or transcription.
    """

    def __init__(self, provider: str, endpoint: Endpoint) -> None:
        super().__init__(provider)
        self._rule = _OUTPUT_RULES.get(endpoint) or chat_rule(provider)
        self._images = 0
        self._svg: JsonObject = {}

    def event(self, event: bytes) -> None:
        """Look into the event that ends an image, a speech or a transcript."""
        if b'"usage"' in event or b'"error"' in event or b"[DONE]" in event:
            self.value(data_of(event))

    def value(self, data: bytes) -> None:
        """Take an event."""
        if data.strip() == b"[DONE]":
            self.ended = True
            return
        event = decode(_MEDIA, data)
        if event is None:
            self.unreadable(data)
            return
        self._take(event)
        kind = text_of(event.type) or ""
        if kind.endswith((".completed", ".done")):
            self.ended = True
        if kind.startswith("image_") and kind.endswith(".completed"):
            self._images += 1

    def body(self, data: bytes) -> bool:
        """Take a whole answer."""
        answer = decode(_MEDIA, data)
        if answer is None:
            return False
        self._take(answer)
        self.ended = True
        if not is_null(answer.data):
            items = decode(_ITEMS, bytes(answer.data))
            self._images = len(items) if items is not None else 0
        if self.raw is None and not is_null(answer.duration):
            # Whisper's verbose form states the duration it is billed by, beside the text.
            self.raw = b'{"duration":' + bytes(answer.duration) + b"}"
        return True

    def whole_usage(self) -> JsonObject | None:
        """Return the usage; images without any are counted all the same."""
        return {} if self.raw is None and self._images else super().whole_usage()

    def usage_of(self, usage: JsonObject) -> Usage:
        """Count tokens, seconds and images."""
        counted = openai_usage(usage, self.counts, self._rule)
        if self.counts.take(self._svg, "total_tokens"):
            self.counts.flag(SVG_ADDED)
            counted = added(counted, openai_usage(self._svg, self.counts))
        units = self.counts.units(images=self._images)
        return msgspec.structs.replace(counted, units=units | counted.units) if units else counted

    def _take(self, media: _Media) -> None:
        self.named(model=media.model)
        self.found_usage(media.usage)
        if not is_null(media.svg_usage):
            self._svg = decode_usage(bytes(media.svg_usage)) or {}
        if not is_null(media.error):
            self.failed(media.error)
