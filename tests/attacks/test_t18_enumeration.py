"""T18: a refused key learns nothing from the refusal, and after a few it has to wait."""

from typing import Any

import pytest

from keystead.web.failures import LIMIT
from tests.attacks.conftest import Stage
from tests.attacks.keys import issue, keys_that_do_not_work, unknown_key, with_other_secret
from tests.fakes.gateway import Reply

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNIQUE = {"x-keystead-request-id", "content-length"}


def seen(reply: Reply) -> Any:
    """Return all that a caller can tell two refusals apart by."""
    request_id = reply.headers["x-keystead-request-id"]
    headers = {name.lower(): value for name, value in reply.headers.items() if name.lower() not in UNIQUE}
    return reply.status, headers, reply.body.replace(request_id.encode(), b"ID")


async def test_every_key_that_does_not_work_gets_the_same_bytes(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    for name, key in (await keys_that_do_not_work(gateway)).items():
        for path in ("/v1/chat/completions", "/v1/messages", "/v1beta/models/m:generateContent", "/v1/responses/x"):
            method = "GET" if path.endswith("/x") else "POST"
            body = {"model": "sandbox/echo", "messages": []} if method == "POST" else None
            reference = await gateway.call(method, path, body, key=unknown_key())
            assert reference.status == 401
            assert seen(await gateway.call(method, path, body, key=key)) == seen(reference), (name, path)


async def test_every_id_of_nobody_gets_the_same_bytes(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    paths = ("/credentials/{}", "/requests/{}")
    made_up = "cred_01hf7yat002js5kpthz4dbqfx6", "req_01hf7yat002js5kpthz4dbqfx6"
    for path, identifier in zip(paths, made_up, strict=True):
        bodies = set()
        for text in (identifier, "nobody", identifier[:-1] + "7"):
            reply = await gateway.call("GET", f"/admin/v1{path.format(text)}", key=gateway.admin_token)
            assert reply.status == 404
            problem = reply.json()
            del problem["request_id"]
            bodies.add(str(problem).replace(text, "ID"))
        assert len(bodies) == 1


async def test_who_guesses_the_secret_of_a_known_id_is_told_to_wait(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    key = (await issue(gateway, "guessed"))["key"]
    other = (await issue(gateway, "bystander"))["key"]
    statuses = [(await gateway.chat("sandbox/echo", key=with_other_secret(key))).status for _ in range(LIMIT + 5)]
    # The window is a minute of the clock, so it may turn once in between.
    assert set(statuses) == {401, 429}
    reply = await gateway.chat("sandbox/echo", key=with_other_secret(key))
    assert (reply.status, reply.headers["Retry-After"]) == (429, "60")
    # A good key is never refused because of somebody else's guesses, not even at itself.
    assert (await gateway.chat("sandbox/echo", key=key)).status == 200
    assert (await gateway.chat("sandbox/echo", key=other)).status == 200


async def test_who_guesses_an_admin_token_is_told_to_wait(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    token = gateway.admin_token
    statuses = [
        (await gateway.call("GET", "/admin/v1/self", key=with_other_secret_of_token(token))).status
        for _ in range(LIMIT + 5)
    ]
    assert set(statuses) == {401, 429}
    assert (await gateway.call("GET", "/admin/v1/self", key=token)).status == 200


def with_other_secret_of_token(token: str) -> str:
    return "ksa_" + with_other_secret("ks_" + token.removeprefix("ksa_")).removeprefix("ks_")
