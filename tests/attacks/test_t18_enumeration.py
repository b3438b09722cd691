"""T18: a refused key learns nothing from the refusal, and after a few it has to wait."""

from collections.abc import Awaitable, Callable
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

    async def guess() -> Reply:
        return await gateway.chat("sandbox/echo", key=with_other_secret(key))

    reply = await until_told_to_wait(guess)
    assert reply.headers["Retry-After"] == "60"
    # A good key is never refused because of somebody else's guesses, not even at itself.
    assert (await gateway.chat("sandbox/echo", key=key)).status == 200
    assert (await gateway.chat("sandbox/echo", key=other)).status == 200


async def test_who_guesses_an_admin_token_is_told_to_wait(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    token = gateway.admin_token

    async def guess() -> Reply:
        as_key = with_other_secret("ks_" + token.removeprefix("ksa_"))
        return await gateway.call("GET", "/admin/v1/self", key="ksa_" + as_key.removeprefix("ks_"))

    await until_told_to_wait(guess)
    assert (await gateway.call("GET", "/admin/v1/self", key=token)).status == 200


async def until_told_to_wait(guess: Callable[[], Awaitable[Reply]]) -> Reply:
    """Guess until the answer is 429, and return it; the minute in which guesses are counted may turn once on the way."""
    for _ in range(2 * LIMIT + 2):
        reply = await guess()
        if reply.status == 429:
            return reply
        assert reply.status == 401
    raise AssertionError("nobody is told to wait")
