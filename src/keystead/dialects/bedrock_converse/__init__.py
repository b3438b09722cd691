"""Amazon Bedrock's Converse, to be translated from and to."""

from typing import Final

from keystead.dialects.bedrock_converse import answer_in, answer_out, request_in, request_out
from keystead.dialects.bedrock_converse.stream_in import ConverseStreamReader
from keystead.dialects.bedrock_converse.stream_out import ConverseStreamWriter
from keystead.dialects.translating import StreamReader, StreamWriter, Translator
from keystead.domain.chat import ChatRequest


class BedrockConverse:
    """A `Translator`."""

    read_request = staticmethod(request_in.read_request)
    write_request = staticmethod(request_out.write_request)
    read_answer = staticmethod(answer_in.read_answer)
    write_answer = staticmethod(answer_out.write_answer)

    def stream_reader(self) -> StreamReader:
        """See `Translator.stream_reader`."""
        return ConverseStreamReader()

    def stream_writer(self, request: ChatRequest, *, request_id: str, created_s: int) -> StreamWriter:  # noqa: ARG002
        """See `Translator.stream_writer`."""
        return ConverseStreamWriter(request_id=request_id)


BEDROCK_CONVERSE: Final[Translator] = BedrockConverse()
