"""T44: no number is negative, endless or not one, wherever numbers count."""

import pytest

from tests.attacks.conftest import Stage
from tests.fakes.wire import Answer

pytestmark = pytest.mark.asyncio(loop_scope="session")

ABSURD = (
    "-1",
    "-9223372036854775809",
    "1.5",
    "1e309",
    "-1e309",
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * 400,
    "2147483648",
    '"5"',
    "true",
    "[]",
    "{}",
    "0x10",
    "1_000",
    "01",
    "+1",
)
COUNTS = ("n", "max_tokens", "max_completion_tokens", "max_output_tokens", "best_of")


@pytest.mark.parametrize("value", ABSURD)
async def test_a_callers_absurd_number_never_reaches_a_provider(each_stage: Stage, value: str) -> None:
    before = len(each_stage.fake.calls)
    for name in COUNTS:
        for path, model in (("/v1/chat/completions", "my-openai/gpt-5"), ("/v1/messages", "my-anthropic/claude")):
            body = f'{{"model":"{model}","messages":[],"{name}":{value}}}'.encode()
            reply = await each_stage.gateway.call("POST", path, body)
            assert reply.status == 400, (name, reply.body)
    for name in ("candidateCount", "maxOutputTokens", "max_output_tokens"):
        for options in ("generationConfig", "generation_config"):
            body = f'{{"contents":[],"{options}":{{"{name}":{value}}}}}'.encode()
            reply = await each_stage.gateway.call("POST", "/v1beta/models/my-google/gemini:generateContent", body)
            assert reply.status == 400, (name, reply.body)
    assert (await each_stage.last_request())["state"] == "rejected"
    assert len(each_stage.fake.calls) == before


@pytest.mark.parametrize("value", ["0", "1", "2147483647", "null"])
async def test_a_number_that_can_be_one_passes(each_stage: Stage, value: str) -> None:
    body = f'{{"model":"my-openai/gpt-5","messages":[],"max_tokens":{value},"temperature":1e-7}}'.encode()
    assert (await each_stage.gateway.call("POST", "/v1/chat/completions", body)).status == 200
    assert f'"max_tokens":{value}'.encode() in each_stage.fake.calls[-1].body


@pytest.mark.parametrize(
    "value", [text for text in ABSURD if text not in {"[]", "{}", "true", '"5"', "01", "+1", "1_000"}]
)
async def test_an_administrators_absurd_number_is_refused(each_stage: Stage, value: str) -> None:
    gateway = each_stage.gateway
    for path, body in (
        ("/credentials/my-openai/activate", f'{{"version":{value}}}'),
        ("/credentials/my-openai/retire", f'{{"version":{value}}}'),
        ("/price-overrides", f'{{"provider":"openai","model":"x","prices":{{"input_tokens":"{value}"}}}}'),
        ("/price-overrides", f'{{"provider":"openai","model":"x","prices":{{"input_tokens":{value}}}}}'),
    ):
        if "price" in path and value in {"1.5", "2147483648"} and f'"{value}"' in body:
            continue  # a price may have a fraction, and be large
        reply = await gateway.call("POST", f"/admin/v1{path}", body.encode(), key=gateway.admin_token)
        assert reply.status == 400, (path, body[:80], reply.body)
    for query in (f"/requests?limit={value}", f"/teams?limit={value}", f"/usage?limit={value}"):
        assert (await gateway.call("GET", f"/admin/v1{query}", key=gateway.admin_token)).status == 400, query


@pytest.mark.parametrize(
    ("usage", "flag"),
    [
        ('{"prompt_tokens":-5,"completion_tokens":-7,"total_tokens":-12}', True),
        ('{"prompt_tokens":1e309,"completion_tokens":1,"total_tokens":1}', True),
        ('{"prompt_tokens":NaN,"completion_tokens":1,"total_tokens":1}', True),
        ('{"prompt_tokens":%s,"completion_tokens":1,"total_tokens":1}' % ("9" * 40), True),
        ('{"prompt_tokens":9223372036854775807,"completion_tokens":9223372036854775807,"total_tokens":1}', True),
        ('{"prompt_tokens":"11","completion_tokens":"7","total_tokens":"18"}', True),
        ('{"prompt_tokens":1.5,"completion_tokens":0.5,"total_tokens":2}', True),
        (
            '{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"prompt_tokens_details":{"cached_tokens":99}}',
            True,
        ),
        ('{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"cost":-4}', False),
        ('{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"cost":1e400}', False),
        ("[]", True),
        ("-1", True),
    ],
)
async def test_a_providers_absurd_number_is_recorded_flagged_and_never_negative(
    each_stage: Stage, usage: str, *, flag: bool
) -> None:
    gateway = each_stage.gateway
    body = b'{"id":"x","model":"gpt-5","choices":[],"usage":%s}' % usage.encode()
    each_stage.fake.next(Answer(steps=(body,)))
    reply = await gateway.chat("my-openai/gpt-5")
    assert (reply.status, reply.body) == (200, body)
    shown = await gateway.admin("GET", f"/requests/{reply.headers['x-keystead-request-id']}")
    [attempt] = shown["attempts"]
    assert attempt["state"] == "settled"
    counts = [value for name, value in attempt.items() if name.endswith("_tokens") and value is not None]
    assert all(0 <= value < 2**63 for value in counts)
    assert attempt["cost"] is None or not str(attempt["cost"]).startswith("-")
    if flag:
        assert attempt["anomalies"] or attempt["usage_source"] == "none"
