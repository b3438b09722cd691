"""Data classes: what each asks of the contract behind a credential, and whether a credential's terms promise it. Pure.

The classes of an organization are a ladder. A class asks for all that the classes below it ask for and for what it
asks itself, so that whoever raises a request's class (the caller, a recogniser) never loosens what it is held to.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from keystead.domain.credential import Credential
from keystead.domain.errors import PolicyDenied
from keystead.domain.grants import DataClass, Requirement, Terms
from keystead.domain.traffic import Owner

PUBLIC: Final = DataClass(name="public", rank=100, requirement=Requirement())
"""Meant for everybody: asks for nothing."""

INTERNAL: Final = DataClass(name="internal", rank=200, requirement=Requirement())
"""Everyday work. Any contract of the organization's own will do, so that a credential works before its terms are
known."""

CONFIDENTIAL: Final = DataClass(name="confidential", rank=300, requirement=Requirement(no_training=True))
"""Harmful in wrong hands. What a model learns it can tell others, so training on it is disclosure."""

RESTRICTED: Final = DataClass(
    name="restricted",
    rank=400,
    requirement=Requirement(most_retention_days=0, no_training=True, dpa=True, own_key_only=True),
)
"""Personal data of the sensitive kinds, secrets, what a law protects. It is not kept (GDPR Art. 5(1)(c) and (e)), it is
processed under a processor's contract (Art. 28(3)) that is the organization's own, and never on a platform credential,
whose contract is somebody else's. A BAA is not asked for: who handles health data under HIPAA (45 CFR 164.502(e)) adds
it here or in a class of their own."""

BUILT_IN: Final = (PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED)

NO_REGION: Final = "-"
"""Where two classes ask for regions that exclude each other: a region that no terms can promise."""


class DataClasses:
    """One organization's classes: the built-in ones, on its own terms where it has set some, and its own."""

    __slots__ = ("_by_name", "ladder")

    def __init__(self, own: Iterable[DataClass] = ()) -> None:
        """Compile. An own class with a built-in one's name replaces what that one asks for, not its rank."""
        built_in = {one.name: one for one in BUILT_IN}
        classes = dict(built_in)
        for one in own:
            known = built_in.get(one.name)
            classes[one.name] = one if known is None else replace(one, rank=known.rank)
        ladder: list[DataClass] = []
        below = Requirement()
        for one in sorted(classes.values(), key=lambda one: (one.rank, one.name)):
            asked = one.requirement
            if one.rank >= RESTRICTED.rank:
                asked = replace(asked, own_key_only=True)
            below = both(below, asked)
            ladder.append(DataClass(name=one.name, rank=one.rank, requirement=below))
        self.ladder = tuple(ladder)
        """Least sensitive first, each with all that it asks for in the end."""
        self._by_name = {one.name: one for one in ladder}

    def get(self, name: str) -> DataClass | None:
        """Return the class of that name, with all that it asks for in the end; None if there is none (any more)."""
        return self._by_name.get(name)

    def highest(self, names: Iterable[str]) -> DataClass:
        """Return the most sensitive of the named classes; the least sensitive of all if none is named.

        An empty name names none.

        Raises:
            PolicyDenied: `data_class_unknown`: there is no such class (any more). Nobody guesses what it asked for.
        """
        found = self.ladder[0]
        for name in names:
            one = self._by_name.get(name) if name else found
            if one is None:
                raise PolicyDenied(
                    f"There is no data class {name[:64]!r}.",
                    code="data_class_unknown",
                    next_step=f"Use one of {', '.join(self._by_name)}, or ask who keeps the data classes.",
                )
            if one.rank > found.rank:
                found = one
        return found

    def why_not(self, data_class: DataClass, credential: Credential, now_us: int) -> str | None:
        """Return why `credential` may not be used for a request of that class; None if it may.

        The sandbox promises everything: what it is sent goes nowhere.
        """
        requirement = data_class.requirement
        if requirement == _NOTHING or credential.owner is Owner.SANDBOX:
            return None
        if requirement.own_key_only and credential.owner is Owner.PLATFORM:
            return f"A {data_class.name} request never runs on a platform credential such as {credential.name}."
        terms = credential.terms
        ended = terms.ends_at is not None and terms.ends_at <= now_us
        lacking = _lacking(requirement, Terms() if ended else terms)
        if not lacking:
            return None
        why = "promise nothing any more: the contract has ended" if ended else "do not promise it"
        return f"A {data_class.name} request needs {_listed(lacking)}; the terms of credential {credential.name} {why}."


_NOTHING: Final = Requirement()


def both(one: Requirement, other: Requirement) -> Requirement:
    """Return what asks for all that either asks for."""
    days = [most for most in (one.most_retention_days, other.most_retention_days) if most is not None]
    regions = one.regions or other.regions
    if one.regions and other.regions:
        regions = tuple(region for region in one.regions if region in other.regions) or (NO_REGION,)
    return Requirement(
        regions=regions,
        most_retention_days=min(days, default=None),
        no_training=one.no_training or other.no_training,
        baa=one.baa or other.baa,
        dpa=one.dpa or other.dpa,
        own_key_only=one.own_key_only or other.own_key_only,
    )


def _lacking(requirement: Requirement, terms: Terms) -> list[str]:
    """Return what is asked for and not promised. What is not known is not promised."""
    lacking = []
    if requirement.regions and (not terms.regions or not set(terms.regions) <= set(requirement.regions)):
        lacking.append(f"processing in {' or '.join(requirement.regions)} only")
    most, kept = requirement.most_retention_days, terms.retention_days
    if most is not None and (kept is None or kept > most):
        lacking.append("zero data retention" if most == 0 else f"retention of at most {most} days")
    if requirement.no_training and not terms.no_training:
        lacking.append("no training on the data")
    if requirement.dpa and not terms.dpa_reference:
        lacking.append("a data processing agreement")
    if requirement.baa and not terms.baa_reference:
        lacking.append("a business associate agreement")
    return lacking


def _listed(things: list[str]) -> str:
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"
