"""Which models an organization's credentials lead to, and which credential to which. Pure.

It is what could be asked for at all. Whether somebody may is for `gateway.usable` to say.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from keystead.catalogue.facts import ModelFacts
from keystead.catalogue.families import family_of
from keystead.domain.credential import Credential
from keystead.gateway.known import KnownModel, KnownModels

Place = tuple[str, str]
"""A provider, and a model's name there in lower case."""


class Through(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that leads to a model."""

    credential: Credential
    model: KnownModel


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that credentials lead to."""

    through: Mapping[Place, Sequence[Through]]

    def to(self, provider: str, model: str) -> Sequence[Through]:
        """Return the credentials that lead to a model of a provider."""
        return self.through.get((provider, model.lower()), ())

    def uncatalogued(self) -> Iterator[tuple[str, ModelFacts]]:
        """Yield each model that the catalogue has never heard of, with its provider and as far as that tells of it."""
        for (provider, _), found in self.through.items():
            model = found[0].model
            if model.facts is None:
                yield provider, told_of(model)


def reach_of(credentials: Sequence[Credential], known: KnownModels, *, today: str) -> Reach:
    """Return what credentials lead to on an ISO day: what has ended by then is only there if its provider still lists it."""
    found: dict[Place, list[Through]] = {}
    for credential in credentials:
        if credential.active is None:
            continue
        for model in known.of(credential):
            if model.listed is None and model.retires and model.retires <= today:
                continue
            name = model.facts.id if model.facts else model.name
            found.setdefault((credential.provider, name.lower()), []).append(
                Through(credential=credential, model=model)
            )
    return Reach(through=found)


def told_of(model: KnownModel) -> ModelFacts:
    """Return the facts of a model that only its provider tells of."""
    return ModelFacts(
        id=model.name,
        family=family_of(model.name),
        released=model.released,
        retires=model.retires,
        context=model.context,
        max_output=model.max_output,
    )
