"""Numbers that a provider may send and no dialect has a word for."""

import base64
import struct

import msgspec
import pytest

from keystead.dialects.embeddings import openai
from keystead.dialects.translating import UnreadableError


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_vector_of_what_is_no_number_cannot_be_read(number: float) -> None:
    packed = base64.b64encode(struct.pack("<f", number))
    with pytest.raises(UnreadableError):
        openai.read_answer(b'{"data":[{"embedding":"' + packed + b'"}]}')


def test_a_number_that_32_bits_do_not_hold_cannot_be_packed() -> None:
    with pytest.raises(UnreadableError):
        openai._packed(msgspec.Raw(b"[1e300]"))
