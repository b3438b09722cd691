"""What does not fit a field is said to whoever typed it, not to a program."""

from typing import Annotated, Any, Literal

import msgspec
import pytest

from keystead.web.admin.values import LINE, Instant, Name, whole
from keystead.web.console.unfit import unfit


class Attempt(msgspec.Struct):
    model: Annotated[str, msgspec.Meta(max_length=300, pattern=LINE)]


class Body(msgspec.Struct, kw_only=True):
    limit: str
    name: Name = "fine"
    data_classes: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2)] = ("internal",)
    alert_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    currency: Annotated[str, msgspec.Meta(pattern=whole("[A-Z]{3}"))] = "USD"
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=3)] = "so"
    period: Literal["day", "month"] = "day"
    expires_at: Instant | None = None
    attempts: tuple[Attempt, ...] = ()
    word: Annotated[str, msgspec.Meta(pattern=whole("[a-z0-9][a-z0-9_-]*"))] = "a"
    tag: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")] = "a"


@pytest.mark.parametrize(
    ("given", "param", "said"),
    [
        ({"name": "a/b"}, "name", "Name: write it on one line, without a slash, and with no space at either end."),
        ({"name": "a\nb"}, "name", "Name: write it on one line, without a slash, and with no space at either end."),
        ({"name": "a" * 101}, "name", "Name: at most 100 characters."),
        ({"data_classes": []}, "data_classes", "Data classes: choose at least 1."),
        ({"data_classes": ["a", "b", "c"]}, "data_classes", "Data classes: at most 2 of them."),
        ({"alert_percent": "many"}, "alert_percent", "Alert percent: write a whole number."),
        ({"alert_percent": "0"}, "alert_percent", "Alert percent: at least 1."),
        ({"alert_percent": "180"}, "alert_percent", "Alert percent: at most 100."),
        ({"currency": "dollars"}, "currency", "Currency: write three capital letters, such as USD."),
        ({"word": "Not This"}, "word", "Word: write it in lower-case letters, digits, - and _."),
        ({"tag": "a b"}, "tag", "Tag: it cannot be written so."),
        ({"note": ""}, "note", "Note: write something here."),
        ({"period": "year"}, "period", "Period: choose one of those that there are."),
        ({"expires_at": "soon"}, "expires_at", "Expires at: write a day, as 2026-03-01."),
        ({"attempts": [{"model": ""}]}, "attempts[0].model", "Model: write something, on one line."),
        ({"limit": None}, "limit", "Expected `str`, got `null` in limit."),
    ],
)
def test_what_does_not_fit_is_said_by_the_fields_name(given: dict[str, Any], param: str, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"limit": "1"} | given, Body, strict=False)
    error = unfit(caught.value)
    assert (error.param, error.message) == (param, said)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({}, Body)
    error = unfit(caught.value)
    assert (error.param, error.message) == ("limit", "Limit: say it, too.")
    assert "regex" not in error.message
