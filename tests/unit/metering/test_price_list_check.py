"""What a price list must hold to before anybody is billed by it."""

from typing import Any

import msgspec
import pytest

from keystead.metering.price_list import PriceList
from keystead.metering.price_list_check import problems
from keystead.metering.prices import load_snapshot

GOOD: dict[str, Any] = {
    "id": "gpt-6",
    "match": ["gpt-6", "gpt-6-*"],
    "rows": [
        {"prices": {"input_tokens": "0.000002"}, "steps": [{"over": 200_000, "prices": {"input_tokens": "0.000004"}}]},
        {"valid_from": "2027-01-01", "prices": {"input_tokens": "0.000001"}},
        {"tier": "batch", "prices": {"input_tokens": "0.000001"}},
    ],
}


def with_model(**changed: Any) -> PriceList:
    model = {**GOOD, **changed}
    return msgspec.convert(
        {
            "source": "contract",
            "source_version": "1",
            "source_url": "",
            "licence": "",
            "built_on": "2027-01-01",
            "providers": {"openai": [model]},
        },
        type=PriceList,
    )


def test_the_vendored_list_has_no_problems() -> None:
    assert list(problems(load_snapshot().catalogue.price_list)) == []


def test_a_good_list_has_no_problems() -> None:
    assert list(problems(with_model())) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"match": []}, "no name"),
        ({"match": ["GPT-6"]}, "lower case"),
        ({"match": ["*a*b*c*d*e*"]}, "too many stars"),
        ({"exclude": [""]}, "empty"),
        ({"rows": []}, "first row"),
        ({"rows": [{"tier": "batch", "prices": {}}]}, "first row"),
        ({"rows": [{"prices": {"input_tokens": "1e-6"}}]}, "plain decimal"),
        ({"rows": [{"prices": {"input_tokens": "-1"}}]}, "plain decimal"),
        ({"rows": [{"prices": {"input_tokens": "2000"}}]}, "cannot be the price of one"),
        ({"rows": [{"prices": {"wishes": "1"}}]}, "no unit"),
        ({"rows": [{"prices": {}}, {"valid_from": "soon", "prices": {}}]}, "not a day"),
        ({"rows": [{"prices": {}}, *[{"valid_from": "2027-01-01", "prices": {}}] * 2]}, "do not rise"),
        ({"rows": [{"prices": {}}, {"hours": ["25:00", "26:00"], "prices": {}}]}, "times of day"),
        ({"rows": [{"prices": {}}, {"weekdays": "89", "prices": {}}]}, "weekdays"),
        ({"rows": [{"prices": {}, "steps": [{"over": 2, "prices": {}}, {"over": 1, "prices": {}}]}]}, "do not rise"),
    ],
)
def test_what_cannot_be_priced_by_is_told(changed: dict[str, Any], told: str) -> None:
    found = list(problems(with_model(**changed)))
    assert any(told in problem for problem in found), found
    assert all("openai/gpt-6" in problem for problem in found)


def test_the_head_is_checked() -> None:
    damaged = msgspec.structs.replace(with_model(), built_on="1st of May", source="a b")
    assert len(list(problems(damaged))) == 2
