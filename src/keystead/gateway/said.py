"""The rules that take part in a decision beside the grants, in words. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from keystead.domain.access import VirtualKey
from keystead.domain.grants import DataClass, Requirement
from keystead.domain.means import Measure, RateLimit
from keystead.domain.routes import ModelRoute
from keystead.gateway.rules import Caller

Kind = Literal["virtual_key", "grant", "data_class", "recognizers", "route", "limit", "budget", "consent"]

_MEASURES: Final[dict[Measure, str]] = {
    "requests_per_minute": "requests per minute",
    "tokens_per_minute": "tokens per minute",
    "concurrent_requests": "requests at once",
    "max_output_tokens": "output tokens",
}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule has to say about a request."""

    kind: Kind
    name: str
    says: str


def about_key(key: VirtualKey) -> Iterator[Said]:
    """Say what a virtual key is narrowed to."""
    narrowed = {
        "models": key.models,
        "credentials": key.credential_ids,
        "endpoints": key.endpoints,
        "networks": key.networks,
    }
    for what, values in narrowed.items():
        if values is not None:
            yield Said(kind="virtual_key", name=key.name, says=f"It may use these {what} only: {', '.join(values)}.")
    if key.max_output_tokens is not None:
        says = f"It may ask for {key.max_output_tokens:,} output tokens at most."
        yield Said(kind="virtual_key", name=key.name, says=says)


def about_class(caller: Caller, *, header: str, data_class: DataClass) -> Iterator[Said]:
    """Say where a request's data class comes from, and what it needs."""
    own = caller.key.data_class
    teams = caller.data_classes[: len(caller.data_classes) - bool(own)]
    sayings = [*((name, "its team") for name in teams), (own, "its virtual key"), (header, "its header")]
    for name, whose in sayings:
        if name:
            yield Said(kind="data_class", name=name, says=f"The request is at least {name}, says {whose}.")
    needed = needs(data_class.requirement)
    if needed:
        says = f"It is {data_class.name}, and needs of a credential: {', '.join(needed)}."
        yield Said(kind="data_class", name=data_class.name, says=says)


def needs(requirement: Requirement) -> list[str]:
    """Return what a data class needs of the contract behind a credential, in words."""
    most = requirement.most_retention_days
    asked = (
        (requirement.regions, f"processing in {' or '.join(requirement.regions)} only"),
        (most is not None, "zero data retention" if most == 0 else f"retention of at most {most} days"),
        (requirement.no_training, "no training on the data"),
        (requirement.dpa, "a data processing agreement"),
        (requirement.baa, "a business associate agreement"),
        (requirement.own_key_only, "that it is the organization's own"),
    )
    return [words for asks, words in asked if asks]


def about_recognizers(caller: Caller) -> Iterator[Said]:
    """Say that the body is looked into, if it is."""
    if caller.rules.recognizers is not None:
        says = "They look into the body, and may block it, raise its class or take something out."
        yield Said(kind="recognizers", name="", says=says)


def about_route(route: ModelRoute | None) -> Iterator[Said]:
    """Say that the model asked for is a route."""
    if route is not None:
        sticky = ", the same way for a virtual key each time" if route.sticky else ""
        many = "s" * (len(route.attempts) > 1)
        says = f"It is a route with {len(route.attempts)} attempt{many}, {route.strategy}{sticky}."
        if route.unsupported == "drop":
            says += " What a provider has no word for is dropped and named in a header."
        yield Said(kind="route", name=route.name, says=says)


def about_limits(limits: Sequence[RateLimit]) -> Iterator[Said]:
    """Say which limits a request is under. Whether they have room changes by the second."""
    for limit in limits:
        yield Said(kind="limit", name=limit.name, says=f"At most {limit.most:,} {_MEASURES[limit.measure]}.")
