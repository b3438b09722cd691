"""Google's generateContent, to be translated from and to."""

from typing import Final

from keystead.dialects.gemini_generate import answer_in, answer_out, request_in, request_out
from keystead.dialects.gemini_generate.stream_in import GeminiStreamReader
from keystead.dialects.gemini_generate.stream_out import GeminiStreamWriter
from keystead.dialects.translating import StreamReader, StreamWriter, Translator
from keystead.domain.chat import ChatRequest


class GeminiGenerate:
    """A `Translator`."""

    read_request = staticmethod(request_in.read_request)
    write_request = staticmethod(request_out.write_request)
    read_answer = staticmethod(answer_in.read_answer)
    write_answer = staticmethod(answer_out.write_answer)

    def stream_reader(self) -> StreamReader:
        """See `Translator.stream_reader`."""
        return GeminiStreamReader()

    def stream_writer(self, request: ChatRequest, *, request_id: str, created_s: int) -> StreamWriter:  # noqa: ARG002
        """See `Translator.stream_writer`."""
        return GeminiStreamWriter(request_id=request_id)


GEMINI_GENERATE: Final[Translator] = GeminiGenerate()
