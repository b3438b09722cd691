"""The fault table, before an answer has begun: a provider throttles, fails, is away, says nothing or nonsense.

Each request has a route of two or more attempts behind it, a hard budget of its own, a consent that covers every reason
there is, and credits. Of each fault are asserted: which attempts were made, in which order and why, how each is
recorded, what each limit and account has booked, and that nothing is held any more (`faults.Check`). What a provider
does inside its answer is in `test_fault_table_answers`; docs/explanation/faults.md has the whole table.
"""

import asyncio
import gzip
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from keystead.domain.money import to_text
from tests.acceptance import hybrid as said
from tests.acceptance.faults import (
    COST_PICO,
    Faults,
    Tried,
    answered,
    lost,
    refused,
    scripted,
    unsent,
    words_of,
)
from tests.fakes.wire import STALL, Answer, Call, Framing

pytestmark = pytest.mark.asyncio(loop_scope="module")

JITTER_S = 0.5
"""The longest wait before a second try where the provider asks for none."""


def throttled(retry_after: str) -> Answer:
    headers = (("content-type", "application/json"), ("retry-after", retry_after))
    return Answer(status=429, headers=headers, steps=said.THROTTLED.steps)


def failing(status: int) -> Answer:
    return said.openai_error(status, "server_error", "server_error", "The server had an error.")


# -- throttled --------------------------------------------------------------------------------------------------------


async def test_a_wait_that_is_short_enough_is_kept_and_the_same_credential_asked_again(faults: Faults) -> None:
    way = await faults.way()
    faults.first.next(throttled("1"))
    async with faults.checked(way, refused("first", "throttled"), answered("first", reason="throttled")) as check:
        check.reply = await faults.ask(way)
    assert check.reply.status == 200
    assert faults.calls == (2, 0, 0)
    assert faults.first.calls[1].at - faults.first.calls[0].at >= 1_000_000, "no sooner than it was asked to"
    assert check.attempts[0]["duration_us"] < 900_000, "the wait is not the attempt's"


async def test_a_wait_that_means_nothing_is_none(faults: Faults) -> None:
    way = await faults.way()
    faults.first.next(throttled("soon"))
    async with faults.checked(way, refused("first", "throttled"), answered("first", reason="throttled")) as check:
        began = time.monotonic()
        check.reply = await faults.ask(way)
        assert time.monotonic() - began < JITTER_S + 1


@pytest.mark.parametrize("form", ["date", "absurd"])
async def test_a_longer_wait_sends_the_request_on_and_that_model_is_left_alone(faults: Faults, form: str) -> None:
    way = await faults.way()
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    faults.first.always(throttled(later if form == "date" else "999999999"))
    async with faults.checked(way, refused("first", "throttled"), answered("second", reason="throttled")) as check:
        check.reply = await faults.ask(way)
    assert check.reply.headers["x-keystead-attempt"] == "2"
    assert check.reply.headers["x-keystead-fallback-reason"] == "throttled"

    async with faults.checked(way, answered("second", reason="throttled")) as check:
        check.reply = await faults.ask(way)
    assert faults.calls == (1, 2, 0), "as long as it wants to be left alone, it is passed over"
    explained = await faults.gateway.admin("POST", "/explain", {"virtual_key": way.name, "model": way.model})
    assert [attempt["breaker"] for attempt in explained["attempts"]] == ["open", "closed", "closed"]
    faults.first.always(None)
    assert (await faults.gateway.chat(f"{way.credential('first')}/gpt-other", key=way.key)).status == 200


async def test_without_a_route_the_caller_is_told_how_long_and_nothing_is_repeated(faults: Faults) -> None:
    way = await faults.way("first")
    faults.first.always(throttled("7"))
    asked = f"{way.credential('first')}/gpt-alone"
    async with faults.checked(way, refused("first", "throttled")) as check:
        check.reply = await faults.ask(way, model=asked, headers={"x-keystead-fallback": "none"})
    assert (check.reply.status, check.reply.headers["Retry-After"]) == (429, "7")
    assert check.reply.body == words_of(said.THROTTLED), "in the provider's own words"
    assert faults.calls == (1, 0, 0)


# -- failing ----------------------------------------------------------------------------------------------------------


async def test_a_failing_provider_is_asked_twice_and_then_the_next(faults: Faults) -> None:
    way = await faults.way()
    faults.first.always(failing(500))
    faults.second.always(failing(529))
    tried = (
        refused("first", "provider_error"),
        refused("first", "provider_error", reason="down"),
        refused("second", "overloaded", reason="down"),
        refused("second", "overloaded", reason="down"),
        answered("pool", reason="down"),
    )
    async with faults.checked(way, *tried) as check:
        check.reply = await faults.ask(way)
    assert check.reply.status == 200
    assert (check.request["cost"], check.request["charge"]) == ("0.000025", "0.003"), "who answered is paid, once"
    assert check.attempts[-1]["consent_id"] == check.reply.headers["x-keystead-consent"]


async def test_when_all_fail_the_last_one_is_told_and_nobody_pays(faults: Faults) -> None:
    way = await faults.way()
    for fake, status in ((faults.first, 503), (faults.second, 502), (faults.pool, 503)):
        fake.always(failing(status))
    tried = (
        refused("first", "overloaded"),
        refused("first", "overloaded", reason="down"),
        refused("second", "provider_error", reason="down"),
        refused("second", "provider_error", reason="down"),
        refused("pool", "overloaded", reason="down"),
        refused("pool", "overloaded", reason="down"),
    )
    async with faults.checked(way, *tried) as check:
        check.reply = await faults.ask(way)
    assert check.reply.status == 503
    assert (check.reply.headers["x-keystead-owner"], check.reply.headers["x-keystead-attempt"]) == ("platform", "6")
    assert (check.request["cost"], check.request["charge"]) == ("0", "0")


async def test_second_tries_do_not_double_the_load_on_a_provider_that_is_down(faults: Faults) -> None:
    way = await faults.way()
    faults.first.always(failing(503))
    requests = 12
    replies = await asyncio.gather(*(faults.ask(way) for _ in range(requests)))
    assert {reply.status for reply in replies} == {200}
    assert len(faults.second.calls) == requests
    assert len(faults.first.calls) <= requests + 2 + requests // 10


async def test_credits_are_charged_for_the_attempt_that_ran_on_them_alone(faults: Faults) -> None:
    way = await faults.way()
    faults.first.always(said.OUT_OF_FUNDS)
    faults.second.always(scripted("fake-drop"))
    tried = (
        refused("first", "out_of_funds"),
        lost("second", "unreachable", "upstream_disconnected", reason="out_of_funds"),
        answered("pool", reason="down"),
    )
    async with faults.checked(way, *tried) as check:
        check.reply = await faults.ask(way)
    assert check.reply.status == 200
    assert [attempt["charge"] for attempt in check.attempts] == [None, None, "0.003"]


async def test_what_stays_as_it_is_sends_the_request_on_at_once(faults: Faults) -> None:
    way = await faults.way()
    faults.first.always(said.openai_error(400, "context_length_exceeded"))
    faults.second.always(said.NO_SUCH_MODEL)
    tried = (refused("first", "context_too_long"), refused("second", "model_missing", reason="context_too_long"))
    async with faults.checked(way, *tried) as check:
        check.reply = await faults.ask(way)
    assert (check.reply.status, check.reply.body) == (404, words_of(said.NO_SUCH_MODEL))
    assert faults.calls == (1, 1, 0), "and to the platform for no reason that anybody consented to"
    assert check.request["error_code"] == "no_consent", "why nothing followed"


async def test_what_is_wrong_with_the_request_is_wrong_everywhere(faults: Faults) -> None:
    way = await faults.way()
    faults.first.always(said.BAD_REQUEST)
    async with faults.checked(way, refused("first", "invalid_request")) as check:
        check.reply = await faults.ask(way)
    assert (check.reply.status, check.reply.body) == (400, words_of(said.BAD_REQUEST))
    assert faults.calls == (1, 0, 0)


async def test_a_refusal_whose_words_are_lost_is_known_by_its_status(faults: Faults) -> None:
    way = await faults.way()
    head = b"HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"
    faults.first.always(Answer(framing=Framing.RAW, steps=(head + b'{"error": {"mess',)))
    faults.second.always(Answer(framing=Framing.RAW, steps=(head, STALL)))
    tried = (refused("first", "permission_denied"), refused("second", "permission_denied", reason="auth_failed"))
    async with faults.checked(way, *tried) as check:
        check.reply = await faults.ask(way)
    assert check.reply.status == 403
    assert faults.calls == (1, 1, 0), "a refused key is mended, and not papered over by the platform's"


# -- not there --------------------------------------------------------------------------------------------------------


async def test_a_provider_that_is_not_there_is_looked_for_twice_and_costs_nothing(faults: Faults) -> None:
    way = await faults.way("down", "lost", "forged", "second")
    away = (("down", "connect_failed"), ("lost", "dns_failed"), ("forged", "tls_certificate"))
    tried = [unsent(part, code, reason="down") for part, code in away for _ in range(2)]
    tried[0] = unsent("down", "connect_failed")
    async with faults.checked(way, *tried, answered("second", reason="down")) as check:
        check.reply = await faults.ask(way)
    assert check.reply.status == 200
    assert check.request["cost"] == "0.000025"


# -- silent, or talking nonsense --------------------------------------------------------------------------------------

ZIPPED = Answer(
    headers=(("content-type", "application/json"), ("content-encoding", "gzip")), steps=(gzip.compress(b"{}"),)
)
SILENCE = (
    (scripted("fake-silent"), "timeout", "first_byte_timeout"),
    (scripted("fake-drop"), "unreachable", "upstream_disconnected"),
    (scripted("fake-bad-http"), "protocol", "upstream_protocol"),
)
NONSENSE = (
    (scripted("fake-many-headers"), "protocol", "upstream_protocol"),
    (scripted("fake-redirect-307"), "protocol", "upstream_redirect"),
    (ZIPPED, "protocol", "upstream_encoding"),
)


@pytest.mark.parametrize("failures", [SILENCE, NONSENSE], ids=["silence", "nonsense"])
async def test_who_may_have_done_the_work_is_not_asked_for_it_again(
    faults: Faults, failures: tuple[tuple[Answer, str, str], ...]
) -> None:
    way = await faults.way()
    tried: list[Tried] = []
    parts = (("first", faults.first), ("second", faults.second), ("pool", faults.pool))
    for (part, fake), (sent, error, code) in zip(parts, failures, strict=True):
        fake.always(sent)
        tried.append(lost(part, error, code, reason="down" if tried else None))
    async with faults.checked(
        way, *tried
    ) as check:  # what nobody knows is booked as what was held; of credits, nothing
        check.reply = await faults.ask(way)
    assert (check.reply.status, check.reply.json()["error"]["code"]) == (502, failures[-1][2])
    assert faults.calls == (1, 1, 1)
    assert (check.request["cost"], check.request["charge"]) == (None, None)


async def test_an_answer_that_comes_too_late_changes_nothing(faults: Faults) -> None:
    way = await faults.way()
    usage = b'{"choices":[],"usage":{"prompt_tokens":900,"completion_tokens":900,"total_tokens":1800}}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(usage)
    faults.first.next(Answer(framing=Framing.RAW, steps=(0.5, head + usage)))
    tried = (lost("first", "timeout", "first_byte_timeout"), answered("second", reason="down"))
    async with faults.checked(way, *tried) as check:
        check.reply = await faults.ask(way)
        await asyncio.sleep(0.2)  # past the moment at which the first one would have answered
    assert b"pong" in check.reply.body


async def test_an_attempt_that_the_budget_has_no_room_for_is_not_made(faults: Faults) -> None:
    # What was held for the first attempt stays booked, since its provider may bill it: too little is left for another.
    way = await faults.way()
    limit = to_text(COST_PICO + 3 * await faults.held_for(await faults.ask(way)) // 2)
    await faults.gateway.admin("POST", f"/budgets/{way.budget}/change", {"limit": limit})
    faults.first.always(scripted("fake-silent"))
    async with faults.checked(way, lost("first", "timeout", "first_byte_timeout")) as check:
        check.reply = await faults.ask(way)
    assert (check.reply.status, check.reply.json()["error"]["code"]) == (504, "first_byte_timeout")
    assert check.request["error_code"] == "budget_exceeded", "why nothing followed"
    assert faults.calls == (2, 0, 0)


# -- while it waits ---------------------------------------------------------------------------------------------------


async def test_a_caller_that_leaves_while_its_request_waits_is_not_answered_by_anybody(faults: Faults) -> None:
    way = await faults.way()
    faults.first.always(throttled("1"))
    async with faults.checked(way, refused("first", "throttled")) as check:
        asking = asyncio.get_running_loop().create_task(faults.ask(way))
        waiting = await faults.ended(way, "rejected")
        assert waiting["request"]["state"] == "intent"
        assert all(held == 0 for _, held in (await faults.entries()).values()), "nothing is held for the wait"
        asking.cancel()
        async with asyncio.timeout(10):
            while (detail := await faults.ended(way, "rejected"))["request"]["state"] == "intent":
                await asyncio.sleep(0.05)
        check.detail = detail
    assert check.request["status_code"] == 499
    assert faults.calls == (1, 0, 0)


async def test_a_second_attempt_that_cannot_be_recorded_is_not_made(faults: Faults) -> None:
    way = await faults.way()
    faults.first.always(throttled("1"))
    async with faults.checked(way, refused("first", "throttled")) as check:
        asking = asyncio.get_running_loop().create_task(faults.ask(way))
        await faults.ended(way, "rejected")
        await faults.storage.leave()
        await faults.until_ready(503)
        await faults.storage.come_back()
        check.reply = await asking
        await faults.until_ready(200)
        async with asyncio.timeout(10):
            while (await faults.record(check.reply))["request"]["state"] == "intent":
                await asyncio.sleep(0.05)
    assert (check.reply.status, check.reply.body) == (429, words_of(said.THROTTLED))
    assert faults.calls == (1, 0, 0)


async def test_each_attempt_is_allowed_by_the_rules_of_its_own_moment(faults: Faults) -> None:
    """Between two attempts a key is revoked, a credential is denied, another one's key rotated, a consent revoked."""
    gateway = faults.gateway
    revoked, denied, rotated = [await faults.way() for _ in range(3)]
    alone = await faults.way("first", "pool")
    again: set[str] = {alone.name}

    def answer(call: Call) -> Answer:
        if call.model in again and call.model != alone.name:
            return Answer(steps=(b"{}",))
        again.add(call.model)
        return throttled("3")

    faults.first.always(answer)
    ways = (revoked, denied, rotated, alone)
    asking = [asyncio.get_running_loop().create_task(faults.ask(way)) for way in ways]
    for way in ways:
        await faults.ended(way, "rejected")
    await gateway.admin("POST", f"/virtual-keys/{revoked.name}/revoke")
    deny = {"effect": "deny", "everyone": True, "credentials": [denied.credential("first")]}
    await gateway.admin("POST", "/grants", deny)
    new = {"key": "sk-rotated-0123456789abcdef0123", "force": True}
    await gateway.admin("POST", f"/credentials/{rotated.credential('first')}/rotate", new)
    await gateway.admin("POST", f"/consents/{faults.consent}/revoke")
    replies = await asyncio.gather(*asking)
    await faults.give_consent()

    tried = []
    for way, reply in zip(ways, replies, strict=True):
        detail = await faults.record(reply)
        tried.append([(way.names[a["credential"]], a["credential_version"]) for a in detail["attempts"]])
    assert tried[0] == [("first", 1)]
    assert tried[1] == [("first", 1), ("second", 1)]
    assert tried[2] == [("first", 1), ("first", 2)]
    assert tried[3] == [("first", 1), ("first", 1)]
    assert [reply.status for reply in replies] == [429, 200, 200, 429]
    assert [call.auth.removeprefix("Bearer ") for call in faults.first.calls if call.model == rotated.name][1] == new[
        "key"
    ]
    assert (await faults.record(replies[0]))["request"]["error_code"] == "invalid_key"
    assert (await faults.record(replies[3]))["request"]["error_code"] == "not_allowed"
