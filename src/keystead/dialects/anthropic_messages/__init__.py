"""Anthropic's Messages API, to be translated from and to."""

from typing import Final

from keystead.dialects.anthropic_messages import answer_in, answer_out, request_in, request_out
from keystead.dialects.anthropic_messages.stream_in import AnthropicStreamReader
from keystead.dialects.anthropic_messages.stream_out import AnthropicStreamWriter
from keystead.dialects.translating import StreamReader, StreamWriter, Translator
from keystead.domain.chat import ChatRequest


class AnthropicMessages:
    """A `Translator`."""

    read_request = staticmethod(request_in.read_request)
    write_request = staticmethod(request_out.write_request)
    read_answer = staticmethod(answer_in.read_answer)
    write_answer = staticmethod(answer_out.write_answer)

    def stream_reader(self) -> StreamReader:
        """See `Translator.stream_reader`."""
        return AnthropicStreamReader()

    def stream_writer(self, request: ChatRequest, *, request_id: str, created_s: int) -> StreamWriter:  # noqa: ARG002
        """See `Translator.stream_writer`."""
        return AnthropicStreamWriter(request_id=request_id)


ANTHROPIC_MESSAGES: Final[Translator] = AnthropicMessages()
