"""Files that come as they are, without a form: what recognisers make of them."""

import pytest

from keystead.domain.errors import PolicyDenied
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.inspect import look_into
from keystead.web.spool import Spool
from tests.unit.gateway.test_outline import LOOKING, PLAIN


def piece(content: bytes, *, is_part: bool) -> Ask:
    spool = Spool(is_part=is_part)
    spool.add(content)
    spool.finish()
    return Ask(
        request_id="req_1",
        started_at=0,
        started_us=0,
        method="POST",
        dialect=Dialect.GEMINI,
        endpoint=Endpoint.FILES,
        tail="/upload/files",
        query=b"",
        headers={},
        model="",
        stream=False,
        body=b"",
        action="upload",
        upload=spool,
    )


def close(ask: Ask) -> None:
    assert isinstance(ask.upload, Spool)
    ask.upload.close()


@pytest.mark.parametrize("content", [b"write to anna@example.com", b"\r\n--x\r\nanna@example.com\r\n--x--"])
def test_a_file_in_one_piece_is_looked_into(content: bytes) -> None:
    ask = piece(content, is_part=False)
    with pytest.raises(PolicyDenied, match="mail"):
        look_into(LOOKING, ask)
    look_into(PLAIN, ask)
    close(ask)


def test_a_file_raises_the_class_of_its_upload() -> None:
    ask = piece(b"about APOLLO", is_part=False)
    assert look_into(LOOKING, ask).raised_to == ("restricted",)
    close(ask)


def test_a_file_in_several_pieces_is_refused_where_all_is_looked_into() -> None:
    ask = piece(b"nothing", is_part=True)
    with pytest.raises(PolicyDenied) as refused:
        look_into(LOOKING, ask)
    assert refused.value.code == "file_not_inspectable"
    look_into(PLAIN, ask)
    last = piece(b"", is_part=True)
    look_into(LOOKING, last)
    close(ask)
    close(last)
