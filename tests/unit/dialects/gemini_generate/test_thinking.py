"""How much a Gemini model is told to think: what each takes, and never what it refuses."""

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.gemini_generate import GEMINI_GENERATE
from keystead.dialects.gemini_generate.thinking_out import thinking
from keystead.dialects.translating import Profile
from keystead.domain.chat import ChatRequest, Reasoning, Text, Turn

MODELS = (
    "gemini-2.0-flash",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.5-pro",
    "gemini-3-pro-preview",
    "gemini-3-flash-preview",
    "gemini-3.1-pro-preview",
    "gemini-3.8-flash",
    "gemini-flash-latest",
)


@pytest.mark.parametrize(
    ("model", "reasoning", "expected"),
    [
        ("gemini-2.5-pro", Reasoning(budget_tokens=0), {"thinkingBudget": 128}),
        ("gemini-2.5-pro", Reasoning(budget_tokens=50_000), {"thinkingBudget": 32768}),
        ("gemini-2.5-flash", Reasoning(budget_tokens=0), {"thinkingBudget": 0}),
        ("gemini-2.5-flash", Reasoning(budget_tokens=32_000), {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", Reasoning(effort="none"), {"thinkingBudget": 0}),
        ("gemini-2.5-flash", Reasoning(effort="medium"), {"thinkingBudget": 8192}),
        ("gemini-2.5-flash", Reasoning(effort="high", budget_tokens=-1), {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", Reasoning(budget_tokens=-1), {"thinkingBudget": -1}),
        ("gemini-2.5-flash", Reasoning(visible=True), {"includeThoughts": True}),
        ("gemini-2.5-flash-lite", Reasoning(budget_tokens=100), {"thinkingBudget": 512}),
        ("gemini-2.0-flash", Reasoning(effort="high", visible=True), None),
        ("gemini-3-pro-preview", Reasoning(effort="none"), {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", Reasoning(effort="medium"), {"thinkingLevel": "HIGH"}),
        ("gemini-3-pro-preview", Reasoning(budget_tokens=1000), {"thinkingLevel": "LOW"}),
        ("gemini-3-flash-preview", Reasoning(effort="minimal"), {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash-preview", Reasoning(budget_tokens=0, effort="high"), {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.1-pro-preview", Reasoning(effort="medium"), {"thinkingLevel": "MEDIUM"}),
        ("gemini-3.8-flash", Reasoning(effort="minimal"), {"thinkingLevel": "LOW"}),
        ("gemini-3.8-flash", Reasoning(effort="max"), {"thinkingLevel": "HIGH"}),
        ("gemini-3.8-flash", Reasoning(effort="high", budget_tokens=-1, visible=True), {"thinkingLevel": "HIGH"}),
        ("gemini-3.8-flash", Reasoning(budget_tokens=-1), {}),
        ("gemini-3.8-flash", Reasoning(budget_tokens=20_000), {"thinkingLevel": "HIGH"}),
    ],
)
def test_it_is_asked_for_as_the_model_knows_it(
    model: str, reasoning: Reasoning, expected: dict[str, Any] | None
) -> None:
    found = thinking(reasoning, model)
    shown = {"includeThoughts": True} if reasoning.visible else {}
    assert found == (None if expected is None else {**expected, **shown})


efforts = st.sampled_from(["", "none", "minimal", "low", "medium", "high", "xhigh", "max", "of tomorrow"])


@given(
    st.sampled_from(MODELS),
    st.builds(Reasoning, effort=efforts, budget_tokens=st.none() | st.integers(-1, 99_999), visible=st.none()),
)
def test_no_model_is_told_a_level_and_a_budget(model: str, reasoning: Reasoning) -> None:
    found = thinking(reasoning, model) or {}
    assert len(found) <= 1
    types.ThinkingConfig.model_validate(found)
    assert ("thinkingLevel" in found) <= ("2." not in model)


def test_a_model_that_does_not_think_is_not_asked_to_and_the_caller_is_told() -> None:
    hello = Turn(role="user", parts=(Text(text="Hi"),))
    request = ChatRequest(model="gemini-2.0-flash", turns=(hello,), reasoning=Reasoning(effort="high"))
    written = GEMINI_GENERATE.write_request(request, Profile())
    assert "generationConfig" not in json.loads(written.body)
    assert [(loss.field, loss.grave) for loss in written.losses] == [("reasoning_effort", False)]
