"""The vendored catalogue: whole, large enough, joined with prices, and read only when asked."""

import hashlib
import json
from importlib.resources import files

import pytest

from keystead.catalogue.facts import CAPABILITIES, ModelCatalogue, ModelFacts
from keystead.catalogue.search import Wanted, search
from keystead.metering.prices import load_snapshot

TODAY = "2026-11-26"


@pytest.fixture(scope="module")
def catalogue() -> ModelCatalogue:
    return ModelCatalogue()


def names(catalogue: ModelCatalogue, **wanted: object) -> list[str]:
    found = search(catalogue.document.providers, Wanted(**wanted), today=TODAY)  # type: ignore[arg-type]
    return [entry.position for entry in found]


def test_more_than_800_models_are_described_and_priced(catalogue: ModelCatalogue) -> None:
    prices = load_snapshot().catalogue
    both = [
        facts
        for provider, models in catalogue.document.providers.items()
        for facts in models
        if facts.can is not None and facts.context and prices.find(provider, facts.id)
    ]
    listed = sum(len(models) for models in catalogue.document.providers.values())
    priced = sum(
        1 for p, models in catalogue.document.providers.items() for facts in models if prices.find(p, facts.id)
    )
    assert listed > 1600
    assert priced > 1400
    assert len(both) > 500


def test_the_file_is_what_its_hash_says_and_sorted_for_review() -> None:
    text = (files("keystead.catalogue") / "data" / "models.json").read_text(encoding="utf-8")
    body = text.partition('"providers":{\n')[2].removesuffix("}}\n")
    assert hashlib.sha256(body.encode()).hexdigest() == json.loads(text)["sha256"]
    for models in json.loads(text)["providers"].values():
        assert [model["id"] for model in models] == sorted({model["id"] for model in models})


def test_every_entry_keeps_to_the_words_and_to_whole_dates(catalogue: ModelCatalogue) -> None:
    for models in catalogue.document.providers.values():
        for facts in models:
            assert set(facts.can or ()) <= set(CAPABILITIES)
            for day in (facts.released, facts.deprecated, facts.retires):
                assert day == "" or (len(day) in {7, 10} and day[:2] == "20"), facts


def test_a_model_is_found_by_the_name_its_provider_uses(catalogue: ModelCatalogue) -> None:
    found = catalogue.find("google", "models/Gemini-2.5-Flash")
    assert found is not None
    assert (found.family, found.context, found.retires) == ("gemini-flash", 1_048_576, "2026-12-01")
    assert catalogue.find("google", "gpt-5") is None
    assert catalogue.find("nobody", "gpt-5") is None


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (ModelFacts(id="m"), ""),
        (ModelFacts(id="m", status="beta"), "beta"),
        (ModelFacts(id="m", deprecated="2027-01-01"), ""),
        (ModelFacts(id="m", deprecated="2026-01-01"), "deprecated"),
        (ModelFacts(id="m", retires="2027-01-01"), "deprecated"),
        (ModelFacts(id="m", retires=TODAY, status="deprecated"), "retired"),
    ],
)
def test_a_models_dates_say_where_it_is_in_its_life(facts: ModelFacts, status: str) -> None:
    assert facts.status_on(TODAY) == status


def test_searching_asks_for_every_word_and_every_condition(catalogue: ModelCatalogue) -> None:
    assert "anthropic/claude-sonnet-4-6" in names(catalogue, text="SONNET 4.6 anthropic", provider="anthropic")
    assert names(catalogue, text="sonnet no-such-word") == []
    seeing = names(catalogue, provider="groq", capabilities=("vision", "tools"))
    assert seeing
    assert len(seeing) < len(names(catalogue, provider="groq"))
    assert names(catalogue, family="claude-opus", maker="openai") == []
    assert names(catalogue, provider="openai", min_context=1_000_000)


def test_what_has_ended_is_only_found_when_asked_for(catalogue: ModelCatalogue) -> None:
    assert "anthropic/claude-opus-4-1" not in names(catalogue, provider="anthropic")
    assert "anthropic/claude-opus-4-1" in names(catalogue, provider="anthropic", with_retired=True)


def test_nothing_is_read_before_the_first_question() -> None:
    assert "document" not in vars(ModelCatalogue())
