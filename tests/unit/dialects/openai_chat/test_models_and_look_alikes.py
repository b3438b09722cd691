"""What models of OpenAI's and its look-alikes do not take, and what is said to them instead."""

import msgspec
import pytest

from keystead.dialects.openai_chat import OPENAI_CHAT
from keystead.domain.chat import Reasoning, Text, Turn
from keystead.providers.profiles import PROFILES
from tests.unit.dialects.openai_chat import goldens
from tests.unit.dialects.openai_chat.asking import HI, ask, assistant, call, fields, result, user
from tests.unit.dialects.openai_chat.goldens import written

LOOK_ALIKE = PROFILES["vllm"]
MISTRAL = PROFILES["mistral"]


@pytest.mark.parametrize(
    ("model", "reasoning", "effort"),
    [
        ("a-model", Reasoning(effort="max"), "max"),
        ("a-model", Reasoning(budget_tokens=1500), "low"),
        ("a-model", Reasoning(budget_tokens=30_000), "high"),
        ("a-model", Reasoning(budget_tokens=-1), None),
        ("a-model", Reasoning(budget_tokens=0), "none"),
        ("a-model", Reasoning(visible=True), None),
        ("o3", Reasoning(effort="xhigh"), "high"),
        ("o4-mini", Reasoning(effort="none"), "low"),
        ("gpt-5-mini", Reasoning(budget_tokens=0), "minimal"),
        ("gpt-5.1", Reasoning(effort="minimal"), "low"),
        ("gpt-5.2", Reasoning(effort="xhigh"), "xhigh"),
        ("gpt-4.1-mini", Reasoning(effort="high"), None),
        ("ft:gpt-4o-2024-08-06:acme::1", Reasoning(effort="high"), None),
        ("gpt-5-chat-latest", Reasoning(effort="high"), None),
        ("gpt-oss-120b", Reasoning(effort="high"), "high"),
    ],
)
def test_the_effort_is_the_nearest_that_a_model_knows(model: str, reasoning: Reasoning, effort: str | None) -> None:
    body, found = written(ask(model=model, reasoning=reasoning))
    assert body.get("reasoning_effort") == effort
    kept = effort == reasoning.effort or (not reasoning.effort and effort != "minimal")
    assert fields(found.losses, grave=False) == ([] if kept else ["reasoning_effort"])


def test_an_effort_of_tomorrow_is_left_to_the_provider() -> None:
    body = msgspec.json.decode(OPENAI_CHAT.write_request(ask(reasoning=Reasoning(effort="ultra")), goldens.OPENAI).body)
    assert body["reasoning_effort"] == "ultra"


def test_the_effort_is_one_that_a_look_alike_knows() -> None:
    assert written(ask(reasoning=Reasoning(effort="max")), LOOK_ALIKE)[0]["reasoning_effort"] == "high"
    body, found = written(ask(reasoning=Reasoning(effort="high")), MISTRAL)
    assert "reasoning_effort" not in body
    assert fields(found.losses, grave=False) == ["reasoning_effort"]


@pytest.mark.parametrize(
    ("model", "effort", "taken"),
    [
        ("gpt-4.1", "", True),
        ("o3", "", False),
        ("gpt-5", "", False),
        ("gpt-5-chat-latest", "", True),
        ("gpt-5.2", "", True),
        ("gpt-5.2", "none", True),
        ("gpt-5.2", "high", False),
        ("gpt-6-astra", "low", False),
        ("llama-4", "high", True),
    ],
)
def test_a_model_that_reasons_is_not_told_how_to_choose_words(model: str, effort: str, taken: bool) -> None:
    reasoning = Reasoning(effort=effort) if effort else None
    body, found = written(ask(model=model, reasoning=reasoning, temperature=0.2, top_p=0.95, logprobs=2))
    assert ("temperature" in body, "top_p" in body, "logprobs" in body, "top_logprobs" in body) == (taken,) * 4
    assert fields(found.losses, grave=False) == ([] if taken else ["temperature", "top_p"])
    assert fields(found.losses, grave=True) == ([] if taken else ["logprobs"])


def test_sampling_as_usual_is_no_loss() -> None:
    _, found = written(ask(model="o3", temperature=1, top_p=1.0, presence_penalty=0))
    assert not found.losses


# -- look-alikes --------------------------------------------------------------------------------------------------------


def test_members_that_a_provider_refuses_are_left_out_and_named() -> None:
    named = Turn(role="user", parts=(Text(text="Hi"),), name="ada")
    body, found = written(ask(named, n=2, logprobs=1, seed=1, end_user="ada"), PROFILES["groq"])
    assert body == {"model": "a-model", "messages": [{"role": "user", "content": "Hi"}], "seed": 1, "user": "ada"}
    assert fields(found.losses, grave=True) == ["logprobs", "n", "top_logprobs"]
    assert fields(found.losses, grave=False) == ["messages[0].name"]
    body, found = written(ask(seed=1, end_user="ada"), MISTRAL)
    assert body.keys() == {"model", "messages"}
    assert fields(found.losses, grave=False) == ["seed", "user"]


def test_mistral_is_given_ids_of_nine_letters_and_digits() -> None:
    ids = ("toolu_01", "D681PevKs", "")
    turns = (HI, assistant(*map(call, ids)), user(*map(result, ids)))
    spoken, *results = written(ask(*turns), MISTRAL)[0]["messages"][1:]
    given = [each["id"] for each in spoken["tool_calls"]]
    assert all(len(each) == 9 and each.isalnum() for each in given)
    assert given[1] == "D681PevKs"
    assert [each["tool_call_id"] for each in results[:2]] == given[:2]


def test_mistral_hears_the_assistant_between_a_tool_and_the_user_and_instructions_from_the_user() -> None:
    system = Turn(role="system", parts=(Text(text="Hurry."),))
    turns = (system, system, HI, assistant(call("a")), user(result("a"), Text(text="Well?")), system)
    body, found = written(ask(*turns), MISTRAL)
    assert [message["role"] for message in body["messages"]] == [
        *("system", "system", "user", "assistant", "tool", "assistant", "user", "user")
    ]
    assert fields(found.losses, grave=False) == ["messages[5].role"]


@pytest.mark.parametrize("provider", PROFILES)
def test_every_provider_is_sent_what_openais_types_allow(provider: str) -> None:
    for name in goldens.REQUESTS:
        written(goldens.read(goldens.request(name)), PROFILES[provider])
