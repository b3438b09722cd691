"""What the parts of a rule must be like before it is kept. Pure."""

import re
from collections.abc import Collection
from typing import Final

from keystead.domain.errors import InvalidRequestError
from keystead.domain.grants import CONSENTABLE, Reason, Requirement
from keystead.domain.money import MAX_PICO

MAX_PATTERNS: Final = 500
MAX_CREDENTIALS: Final = 100
MAX_REGIONS: Final = 50
MAX_RETENTION_DAYS: Final = 36_500

_PATTERN: Final = re.compile(r"[\x21-\x7e]{1,200}")
_NOTE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,500}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
_REGION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def check_models(models: Collection[str] | None) -> None:
    """Refuse what are not patterns of model names; None means all.

    Raises:
        InvalidRequestError: none at all, too many, or one is not a pattern.
    """
    if models is None:
        return
    if not 0 < len(models) <= MAX_PATTERNS:
        raise InvalidRequestError(f"Give 1 to {MAX_PATTERNS} models, or leave them out for all.", param="models")
    for pattern in models:
        if not _PATTERN.fullmatch(pattern) or pattern.count("[") != pattern.count("]"):
            raise InvalidRequestError(
                f"{pattern[:64]!r} is not a model or a pattern of models.",
                code="pattern_invalid",
                param="models",
                next_step="Write a model, or a shell-style pattern such as gpt-5* or openai/*.",
            )


def check_note(note: str) -> None:
    """Refuse a note that is not one line of at most 500 characters.

    Raises:
        InvalidRequestError: it is not.
    """
    if not _NOTE.fullmatch(note):
        raise InvalidRequestError("A note is one line of at most 500 characters.", param="note")


def check_name(name: str) -> None:
    """Refuse a name that could not be written in a header, a condition or a command.

    Raises:
        InvalidRequestError: `invalid_name`.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"{name[:64]!r} is not a name here.",
            code="invalid_name",
            param="name",
            next_step="Use 1 to 50 lower-case letters, digits, `-` and `_`.",
        )


def check_requirement(requirement: Requirement) -> None:
    """Refuse a requirement that no terms could state.

    Raises:
        InvalidRequestError: a region is not one, there are too many, or the days are not days.
    """
    check_regions(requirement.regions)
    check_retention(requirement.most_retention_days, param="most_retention_days")


def check_regions(regions: Collection[str]) -> None:
    """Refuse what are not regions.

    Raises:
        InvalidRequestError: one is not a region, or there are too many.
    """
    if len(regions) > MAX_REGIONS or not all(_REGION.fullmatch(region) for region in regions):
        raise InvalidRequestError(
            f"Regions are at most {MAX_REGIONS} lower-case codes.",
            param="regions",
            next_step="Write them as the contract does, always in the same way: eu, de, us, us-east-1.",
        )


def check_retention(days: int | None, *, param: str) -> None:
    """Refuse days that are none.

    Raises:
        InvalidRequestError: below 0, or beyond a century.
    """
    if days is not None and not 0 <= days <= MAX_RETENTION_DAYS:
        raise InvalidRequestError(f"Retention is 0 to {MAX_RETENTION_DAYS:,} days.", param=param)


def check_reasons(reasons: Collection[Reason]) -> None:
    """Refuse reasons for which no consent can be given.

    Raises:
        InvalidRequestError: none at all, or one such.
    """
    allowed = ", ".join(sorted(CONSENTABLE))
    if not reasons:
        raise InvalidRequestError(
            "Say for which reasons platform credentials may step in.", param="reasons", next_step=f"Any of {allowed}."
        )
    for reason in reasons:
        if reason not in CONSENTABLE:
            raise InvalidRequestError(
                f"Nobody can consent to a fallback after {str(reason)!r}: an own key must be mended.",
                code="reason_not_consentable",
                param="reasons",
                next_step=f"Any of {allowed}.",
            )


def check_cap(pico: int, *, param: str) -> None:
    """Refuse a cap that is no amount.

    Raises:
        InvalidRequestError: zero or less, or more than can be counted.
    """
    if not 0 < pico <= MAX_PICO:
        raise InvalidRequestError("A cap is more than 0 credits, and at most 9,223,372.", param=param)
