"""What does not fit a field, in words for whoever typed it: the admin API's own are for programs. Pure."""

import re
from typing import Final

import msgspec

from keystead.domain.errors import InvalidRequestError
from keystead.web.admin.endpoint import invalid
from keystead.web.admin.values import LINE, NAME, whole

_PATTERNS: Final = {
    NAME: "write it on one line, without a slash, and with no space at either end",
    LINE: "write something, on one line",
    whole("[a-z0-9][a-z0-9_-]*"): "write it in lower-case letters, digits, - and _",
    whole("[A-Z]{3}"): "write three capital letters, such as USD",
}
_BOUNDS: Final = (
    (re.compile(r"Expected `str` of length >= \d+"), "write something here"),
    (re.compile(r"Expected `str` of length <= (\d+)"), "at most {0} characters"),
    (re.compile(r"Expected `array` of length >= (\d+)"), "choose at least {0}"),
    (re.compile(r"Expected `array` of length <= (\d+)"), "at most {0} of them"),
    (re.compile(r"Expected `int` >= (-?\d+)"), "at least {0}"),
    (re.compile(r"Expected `int` <= (-?\d+)"), "at most {0}"),
    (re.compile(r"Expected `int[^`]*`, got `\w+`"), "write a whole number"),
    (re.compile(r"Invalid RFC3339 encoded datetime"), "write a day, as 2026-03-01"),
    (re.compile(r"Invalid enum value .*"), "choose one of those that there are"),
    (re.compile(r"Expected `str` matching regex .*"), "it cannot be written so"),
)
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_REGEX: Final = "Expected `str` matching regex "
_NEXT_STEP: Final = "Change it, and send it again."


def unfit(error: msgspec.ValidationError) -> InvalidRequestError:
    """Return what does not fit, by the field's name; what there are no words for, in the admin API's."""
    told = invalid(error)
    message = str(error).partition(" - at `")[0]
    missing = _MISSING.fullmatch(message)
    if missing is not None:
        return InvalidRequestError(
            f"{_named(missing[1])}: say it, too.", param=told.param or missing[1], next_step=_NEXT_STEP
        )
    said = _said(message)
    if said is None or not told.param:
        return told
    return InvalidRequestError(f"{_named(told.param)}: {said}.", param=told.param, next_step=_NEXT_STEP)


def _said(message: str) -> str | None:
    for pattern, said in _PATTERNS.items():
        if message == f"{_REGEX}{pattern!r}":
            return said
    for shape, said in _BOUNDS:
        found = shape.fullmatch(message)
        if found is not None:
            return said.format(*found.groups())
    return None


def _named(param: str) -> str:
    """Return the last name on the way to a field, as people write it: `attempts[0].model` is the model."""
    names = re.findall(r"[a-z]\w*", re.sub(r"\[[^\]]*\]", "", param))
    return names[-1].replace("_", " ").capitalize() if names else param
