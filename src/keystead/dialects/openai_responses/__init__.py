"""OpenAI's responses, to be translated from and to."""

from typing import Final

from keystead.dialects.openai_responses import answer_in, answer_out, request_in, request_out
from keystead.dialects.openai_responses.stream_in import ResponsesStreamReader
from keystead.dialects.openai_responses.stream_out import ResponsesStreamWriter
from keystead.dialects.translating import StreamReader, StreamWriter, Translator
from keystead.domain.chat import ChatRequest


class OpenAIResponses:
    """A `Translator`."""

    read_request = staticmethod(request_in.read_request)
    write_request = staticmethod(request_out.write_request)
    read_answer = staticmethod(answer_in.read_answer)
    write_answer = staticmethod(answer_out.write_answer)

    def stream_reader(self) -> StreamReader:
        """See `Translator.stream_reader`."""
        return ResponsesStreamReader()

    def stream_writer(self, request: ChatRequest, *, request_id: str, created_s: int) -> StreamWriter:
        """See `Translator.stream_writer`."""
        return ResponsesStreamWriter(request, request_id=request_id, created_s=created_s)


OPENAI_RESPONSES: Final[Translator] = OpenAIResponses()
