"""T40: nothing compressed is unpacked, in either direction."""

import gzip
import zlib

import pytest

from tests.attacks.conftest import Stage
from tests.attacks.raw import request, talk
from tests.fakes.wire import STALL, Answer, Framing

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "my-openai/gpt-5"
BOMB = gzip.compress(bytes(20_000_000))
CODINGS = (
    "gzip",
    "x-gzip",
    "deflate",
    "br",
    "zstd",
    "compress",
    "identity, gzip",
    "gzip, gzip",
    "aes128gcm",
    "",
    "GZIP",
)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/audio/transcriptions"])
async def test_an_encoded_request_is_refused_unread(each_stage: Stage, path: str, coding: str) -> None:
    before_mb, calls = each_stage.resident_mb(), len(each_stage.fake.calls)
    reply = await each_stage.gateway.call("POST", path, BOMB, headers={"Content-Encoding": coding})
    assert reply.status == 415
    assert await each_stage.recorded(reply) == ("rejected", reply.headers["x-keystead-error"])
    assert each_stage.resident_mb() - before_mb < 20
    assert len(each_stage.fake.calls) == calls


async def test_identity_is_no_encoding(each_stage: Stage) -> None:
    reply = await each_stage.gateway.chat(MODEL, headers={"Content-Encoding": "identity"})
    assert reply.status == 200


async def test_two_encodings_are_refused_as_one_list_or_two_lines(stage: Stage) -> None:
    headers = [("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]
    came = await talk(stage.gateway.url, request("POST", "/v1/chat/completions", headers, BOMB))
    assert came.statuses == [400]


async def test_an_administrators_encoded_body_is_never_unpacked(stage: Stage) -> None:
    before_mb = stage.resident_mb()
    reply = await stage.gateway.call(
        "POST", "/admin/v1/teams", BOMB, key=stage.gateway.admin_token, headers={"Content-Encoding": "gzip"}
    )
    assert reply.status in {400, 413, 415}
    assert stage.resident_mb() - before_mb < 20


@pytest.mark.parametrize("stream", [False, True])
async def test_a_bomb_of_300_mb_from_a_provider_is_a_clean_error(each_stage: Stage, *, stream: bool) -> None:
    before_mb = each_stage.resident_mb()
    reply = await each_stage.gateway.chat("my-openai/fake-bomb", stream=stream)
    assert (reply.status, reply.json()["error"]["code"]) == (502, "upstream_encoding")
    assert each_stage.resident_mb() - before_mb < 50
    record = await each_stage.last_request()
    assert (record["state"], record["error_code"]) == ("failed_billed", "upstream_encoding")


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "identity, gzip", "unknown"])
async def test_an_encoded_answer_is_refused_whatever_its_status(each_stage: Stage, status: int, coding: str) -> None:
    headers = (("content-type", "application/json"), ("content-encoding", coding))
    each_stage.fake.next(
        Answer(status=status, headers=headers, framing=Framing.CHUNKED, steps=(zlib.compress(b"{}"), STALL))
    )
    reply = await each_stage.gateway.chat(MODEL)
    assert (reply.status, reply.json()["error"]["code"]) == (502, "upstream_encoding")
    assert await each_stage.recorded(reply) == ("failed_billed", "upstream_encoding")


async def test_providers_are_asked_for_identity_whatever_the_caller_accepts(each_stage: Stage) -> None:
    await each_stage.gateway.chat(MODEL, headers={"Accept-Encoding": "gzip, br, zstd"})
    assert each_stage.fake.calls[-1].header("accept-encoding") == "identity"
