"""Recognisers on the way: in forms, and in bodies large enough to be looked into aside."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.dataplane.conftest import Plane
from tests.integration.dataplane.test_endpoints import FORM

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARD = "4111 1111 1111 1111"
SECRET = "sk-proj-4fK9aBcDeFgHiJkLmNoPqRsT"
RECORDING = b"RIFF\x00\xff\xfb" + CARD.encode()
FORMS = pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/audio/transcriptions"])


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def recognisers(plane: Plane) -> AsyncIterator[None]:
    for name, kind, how in (
        ("cards", "payment_card", {"action": "redact"}),
        ("keys", "secret", {"action": "block"}),
        ("mail", "email", {"action": "raise", "data_class": "internal"}),
    ):
        await plane.gateway.admin("POST", "/recognizers", {"name": name, "kind": kind, **how}, expect=201)
    yield


def form(prompt: str, *, filename: str = "a.wav", file: bytes = RECORDING) -> bytes:
    part = b"--a-boundary\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n"
    return b"".join(
        (
            part % (b'name="model"', b"my-openai/some-model"),
            part % (b'name="prompt"', prompt.encode()),
            part % (f'name="file"; filename="{filename}"'.encode(), file),
            b"--a-boundary--\r\n",
        )
    )


@FORMS
async def test_what_a_form_says_is_taken_out_and_a_recording_keeps_its_bytes(plane: Plane, path: str) -> None:
    sent = form(f"Charge {CARD}", filename=f"{CARD}.wav")
    _, call = await plane.send("POST", path, sent, headers=FORM)
    expected = form("Charge [redacted:cards]", filename="[redacted:cards].wav")
    assert call.body == expected.replace(b"my-openai/", b"")


@FORMS
@pytest.mark.parametrize("place", ["field", "file"])
async def test_what_must_not_leave_does_not_leave_in_a_form(plane: Plane, path: str, place: str) -> None:
    before = len(plane.fake.calls)
    body = form(f"Use {SECRET}") if place == "field" else form("Go.", filename="a.env", file=f"KEY={SECRET}\n".encode())
    reply = await plane.gateway.call("POST", path, body, headers=FORM)
    assert (reply.status, reply.json()["error"]["code"]) == (403, "blocked_content")
    assert len(plane.fake.calls) == before


@FORMS
async def test_what_a_form_says_raises_its_class(plane: Plane, path: str) -> None:
    for prompt, expected in (("Go.", "public"), ("For a@b.com", "internal")):
        reply, _ = await plane.send("POST", path, form(prompt), headers=FORM)
        request, _ = await plane.record(reply)
        assert request["data_class"] == expected


async def test_a_large_body_is_looked_into_as_well(plane: Plane) -> None:
    content = "word " * 100_000
    body = {"model": "my-openai/m", "messages": [{"role": "user", "content": content + CARD}]}
    _, call = await plane.send("POST", "/v1/chat/completions", body)
    assert json.loads(call.body)["messages"][0]["content"] == content + "[redacted:cards]"
