"""T35: no line break, NUL or other control character gets from one side into the other's head."""

import json

import pytest

from tests.attacks.conftest import ANTHROPIC_KEY, Stage
from tests.attacks.raw import keyed_request, talk
from tests.fakes.wire import Answer

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODY = b'{"model":"my-anthropic/claude","messages":[]}'
BREAKS = ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00", "a\x01", "a\x0b", "a\x7f", "\x1b[31m")
ODD = (*BREAKS, "a\u2028b", "a\u0085b", "a\u202eb", "a\ud7ff", "\u00e9", "a b", "\ufeffa", "")


@pytest.mark.parametrize("value", [text for text in BREAKS if text != "a\r\nX-Evil: 1"])
async def test_a_header_with_a_control_character_is_refused(stage: Stage, value: str) -> None:
    before = len(stage.fake.calls)
    for name in ("Anthropic-Beta", "Anthropic-Version", "Idempotency-Key", "X-Anything", "User-Agent"):
        sent = keyed_request("POST", "/v1/messages", stage.gateway.virtual_key, BODY, [(name, value)])
        came = await talk(stage.gateway.url, sent)
        assert (came.statuses, came.closed) == ([400], True)
    assert len(stage.fake.calls) == before


@pytest.mark.parametrize("value", ["\xe9", "\xff\xfe", "a\x80", "a\tb"])
async def test_a_header_that_is_not_plain_ascii_is_not_passed_on(each_stage: Stage, value: str) -> None:
    before = len(each_stage.fake.calls)
    for name in ("Anthropic-Beta", "Idempotency-Key", "Accept"):
        sent = keyed_request("POST", "/v1/messages", each_stage.gateway.virtual_key, BODY, [(name, value)])
        assert (await talk(each_stage.gateway.url, sent)).statuses == [400]
    sent = keyed_request("POST", "/v1/messages", each_stage.gateway.virtual_key, BODY, [("User-Agent", value)])
    assert (await talk(each_stage.gateway.url, sent)).statuses == [200]
    [call] = each_stage.fake.calls[before:]
    assert value not in str(call.headers)


async def test_a_line_break_makes_the_callers_own_header_and_no_more(each_stage: Stage) -> None:
    sent = keyed_request(
        "POST", "/v1/messages", each_stage.gateway.virtual_key, BODY, [("X", "a\r\nX-Api-Key2: evil\r\nX-Evil: 1")]
    )
    assert (await talk(each_stage.gateway.url, sent)).statuses == [200]
    call = each_stage.fake.calls[-1]
    assert call.auth == ANTHROPIC_KEY
    assert "evil" not in str(call.headers).lower()


@pytest.mark.parametrize("value", ODD)
async def test_a_model_name_is_printable_ascii(each_stage: Stage, value: str) -> None:
    before = len(each_stage.fake.calls)
    for model in (value, f"my-openai/{value}", f"my-azure/{value}"):
        for body in (
            json.dumps({"model": model, "messages": []}),
            json.dumps({"model": model, "messages": []}, ensure_ascii=False),
        ):
            reply = await each_stage.gateway.call("POST", "/v1/chat/completions", body.encode())
            assert reply.status in {400, 404}
            assert "X-Evil" not in reply.headers
    assert len(each_stage.fake.calls) == before


@pytest.mark.parametrize("value", [text for text in ODD if text])
async def test_nothing_an_administrator_keeps_holds_one(each_stage: Stage, value: str) -> None:
    key = f"sk-proj-attack-0123456789{value}"
    good = {
        "name": "broken",
        "provider": "openai",
        "key": "sk-proj-attack-breaks-012345678",
        "origin": each_stage.fake.origin,
    }
    for path, body in (
        ("/credentials", good | {"key": key}),
        ("/credentials", good | {"region": value}),
        ("/credentials", good | {"settings": {"api_version": value}}),
        ("/credentials", good | {"settings": {value: "x"}}),
        ("/credentials", good | {"models": [value]}),
        ("/credentials", good | {"origin": f"https://api.openai.com{value}"}),
        ("/credentials/my-openai/rotate", {"key": key}),
        ("/virtual-keys", {"name": "k", "team": "Default team", "models": [value]}),
    ):
        reply = await each_stage.gateway.call("POST", f"/admin/v1{path}", body, key=each_stage.gateway.admin_token)
        assert reply.status == 400, (path, reply.body)
        assert key.encode() not in reply.body


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("value", ["a\x01b", "a\x0bb", "a\x7fb", "\x1b[31m"])
async def test_a_providers_control_characters_go_no_further_and_break_nothing(
    each_stage: Stage, status: int, value: str
) -> None:
    headers = (("content-type", "application/json"), ("x-request-id", value), ("x-ratelimit-limit", "7"))
    each_stage.fake.next(Answer(status=status, headers=headers, steps=(b'{"ok":true}',)))
    reply = await each_stage.gateway.chat("my-openai/gpt-5")
    assert (reply.status, reply.body) == (status, b'{"ok":true}')
    told = {name.lower(): text for name, text in reply.headers.items()}
    assert told["x-ratelimit-limit"] == "7"
    shown = await each_stage.gateway.admin("GET", f"/requests/{told['x-keystead-request-id']}")
    assert not shown["attempts"][0]["upstream_request_id"]
    assert "x-request-id" not in told


@pytest.mark.parametrize("status", [600, 999])
async def test_a_providers_impossible_status_is_a_typed_error(each_stage: Stage, status: int) -> None:
    each_stage.fake.next(Answer(status=status, steps=(b"{}",)))
    reply = await each_stage.gateway.chat("my-openai/gpt-5")
    assert (reply.status, reply.json()["error"]["code"]) == (502, "upstream_protocol")
    assert await each_stage.recorded(reply) == ("failed_billed", "upstream_protocol")


@pytest.mark.parametrize(
    "value", ["{{7*7}}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "$(id)", "`id`", "%n%s", "<img onerror=x>"]
)
async def test_what_others_would_evaluate_passes_as_text(each_stage: Stage, value: str) -> None:
    reply = await each_stage.gateway.chat("my-openai/gpt-5", text=value)
    assert reply.status == 200
    assert json.loads(each_stage.fake.calls[-1].body)["messages"][0]["content"] == value
