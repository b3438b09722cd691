"""What translated calls with one plain answer have in common. Pure."""

from collections.abc import Mapping, Sequence

from keystead.domain.chat import Loss
from keystead.domain.usage import Usage
from keystead.gateway.translate import is_stream
from keystead.gateway.translation import garbled, told


class PlainCall:
    """One body there, one back: counting tokens, embeddings."""

    def __init__(self, *, body: bytes, tail: str, losses: Sequence[Loss]) -> None:
        """Take the body, its path, and what it leaves out."""
        self.body = body
        self.tail = tail
        self.query = ""
        self.headers: Mapping[bytes, bytes] = {}
        self.content_type = b"application/json"
        self.dropped_header = told(list(dict.fromkeys(loss.field for loss in losses)))

    def check(self, content_type: str) -> None:
        """See that a plain answer comes."""
        if is_stream(content_type):
            raise garbled("The provider's answer is of another kind than was asked for.", "unexpected_answer")

    def feed(self, chunk: bytes) -> bytes:  # noqa: ARG002 - as below
        """Refuse: such an answer is no stream, and `check` has seen that."""
        raise garbled("The provider's answer is of another kind than was asked for.", "unexpected_answer")

    def end(self, usage: Usage | None) -> bytes:  # noqa: ARG002 - a stream's, which this is not
        """Return nothing."""
        return b""
