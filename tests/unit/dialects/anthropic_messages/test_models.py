"""What a model takes, by its name."""

import pytest

from keystead.dialects.anthropic_messages.models import taken_by


@pytest.mark.parametrize(
    ("model", "adaptive", "sampling", "most"),
    [
        ("claude-3-7-sonnet-20250219", False, "one", ""),
        ("claude-sonnet-4-20250514", False, "one", ""),
        ("claude-opus-4-5-20251101", False, "one", "high"),
        ("anthropic/claude-opus-4.5", False, "one", "high"),
        ("claude-sonnet-4-5@20250929", False, "one", ""),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", False, "one", ""),
        ("anthropic.claude-opus-4-6-v1", True, "one", "max"),
        ("claude-sonnet-4-6", True, "one", "max"),
        ("anthropic/claude-4.7-opus", True, "none", "max"),
        ("claude-opus-4-8", True, "none", "max"),
        ("claude-haiku-5-5", True, "none", "max"),
        ("claude-mythos-preview", True, "none", "max"),
        ("claude-of-ours", True, "none", "max"),
        ("kimi-k3", False, "all", ""),
    ],
)
def test_versions_are_told_by_names(model: str, adaptive: bool, sampling: str, most: str) -> None:
    taken = taken_by(model)
    assert (taken.adaptive, taken.sampling, (taken.efforts or ("",))[-1]) == (adaptive, sampling, most)
    assert ("xhigh" in taken.efforts) is (sampling == "none")


def test_some_models_always_think() -> None:
    thinkers = ["claude-fable-5-1", "claude-mythos-preview", "claude-opus-5-5", "claude-3-7-sonnet"]
    assert [taken_by(model).always_thinks for model in thinkers] == [True, True, False, False]
