"""What can be asked for under a credential: what its provider offers or else is known to serve, and families of it. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import msgspec

from keystead.catalogue.facts import ModelCatalogue, ModelFacts
from keystead.catalogue.families import PREFIX, family_of, newest_first
from keystead.catalogue.offers import Offer
from keystead.domain.credential import Credential
from keystead.domain.ids import CredentialId
from keystead.domain.models import ListedModel
from keystead.providers.sandbox.script import MODELS as SANDBOX_MODELS
from keystead.routing.resolve import fits

_MOST_TRIED: Final = 16
"""Members of a family that are looked at, from the newest: a grant for old ones alone names them."""
_WILDCARDS: Final = frozenset("*?[")


class KnownModel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A model that can be asked for under a credential, with what the provider and the catalogue say of it."""

    name: str
    """As the provider calls it."""
    facts: ModelFacts | None
    """None: the catalogue has never heard of it."""
    listed: ListedModel | None
    """None: the provider has not been asked for its list, or gave none."""

    @property
    def released(self) -> str:
        """The ISO day on which it came out, as the catalogue or else the provider says; empty if neither does."""
        return (self.facts.released if self.facts else "") or (self.listed.released if self.listed else "")

    @property
    def retires(self) -> str:
        """The ISO day on which it ends, as the provider or else the catalogue says; empty if neither does."""
        return (self.listed.retires if self.listed else "") or (self.facts.retires if self.facts else "")

    @property
    def context(self) -> int | None:
        """Its context window in tokens."""
        return (self.facts.context if self.facts else None) or (self.listed.context if self.listed else None)

    @property
    def max_output(self) -> int | None:
        """The most tokens that it answers with."""
        return (self.facts.max_output if self.facts else None) or (self.listed.max_output if self.listed else None)

    @property
    def family(self) -> str:
        """Its family; empty for a fine-tuned model."""
        return (self.facts.family if self.facts else "") or family_of(self.name)


class KnownModels:
    """The catalogue, and each credential's own list on top of it. Immutable but for its memo."""

    def __init__(self, facts: ModelCatalogue | None = None, offers: Mapping[CredentialId, Offer] | None = None) -> None:
        """Know nothing but the catalogue's facts, or what the providers said as well."""
        self.facts: Final = facts or ModelCatalogue()
        self.offers: Final = offers or {}
        self._families: dict[str, dict[str, dict[str, KnownModel]]] = {}
        self._ordered: dict[tuple[str, str], tuple[KnownModel, ...]] = {}

    def with_offers(self, offers: Mapping[CredentialId, Offer]) -> "KnownModels":
        """Return the same catalogue with these lists; itself, if they are the ones it has."""
        same = offers.keys() == self.offers.keys() and all(self.offers[key] is offer for key, offer in offers.items())
        return self if same else KnownModels(self.facts, offers)

    def with_facts(self, facts: ModelCatalogue) -> "KnownModels":
        """Return the same lists with this catalogue; itself, if it is the one it has."""
        return self if facts is self.facts else KnownModels(facts, self.offers)

    def of(self, credential: Credential) -> list[KnownModel]:
        """Return what can be asked for under a credential, as far as it is known, within what it is narrowed to."""
        found = self._all(credential)
        if credential.models is None:
            return found
        kept = [model for model in found if fits(model.name, credential.models)]
        there = {model.name for model in kept}
        named = [name for name in credential.models if not set(name) & _WILDCARDS and name not in there]
        return [*kept, *(self._known(credential, name) for name in named)]

    def meant(self, credential: Credential, name: str, now_us: int) -> Sequence[str]:
        """Return the models that `name` means under a credential: itself, or a family's members, newest first.

        A family has the members that the provider lists or, before it has been asked, those in the catalogue. Those that
        have ended are left out.
        """
        if not name.startswith(PREFIX):
            return (name,)
        today = datetime.fromtimestamp(now_us / 1_000_000, UTC).date().isoformat()
        left = (
            model.name
            for model in self._family(credential, name.removeprefix(PREFIX).lower())
            if _within(credential, model.name) and not (model.retires and model.retires <= today)
        )
        return list(islice(left, _MOST_TRIED))

    def families(self, credential: Credential) -> Collection[str]:
        """Return the families that have members under a credential; `meant` says which."""
        return self._families_under(credential).keys()

    def released(self, credential: Credential, name: str) -> str:
        """Return the ISO day on which a model came out; empty if nobody says."""
        return self._known(credential, name).released

    def _all(self, credential: Credential) -> list[KnownModel]:
        offer = self.offers.get(credential.id)
        if offer is not None and offer.present:
            return [
                KnownModel(name=name, facts=self.facts.find(credential.provider, name), listed=listed)
                for name, listed in offer.present.items()
            ]
        if credential.provider == "sandbox":
            return [KnownModel(name=name, facts=None, listed=None) for name in SANDBOX_MODELS]
        catalogued = self.facts.of(credential.provider)
        return [KnownModel(name=facts.id, facts=facts, listed=None) for facts in catalogued]

    def _known(self, credential: Credential, name: str) -> KnownModel:
        offer = self.offers.get(credential.id)
        listed = offer.present.get(name) if offer else None
        return KnownModel(name=name, facts=self.facts.find(credential.provider, name), listed=listed)

    def _family(self, credential: Credential, family: str) -> Iterable[KnownModel]:
        """Return a family's members under a credential, newest first."""
        place = self._place(credential)
        families = self._families_under(credential)
        ordered = self._ordered.get((place, family))
        if ordered is None:
            members = families.get(family, {})
            names = newest_first((model.name, model.released) for model in members.values())
            ordered = tuple(members[name] for name in names)
            if members:  # a caller's inventions are not remembered
                self._ordered[place, family] = ordered
        return ordered

    def _families_under(self, credential: Credential) -> dict[str, dict[str, KnownModel]]:
        place = self._place(credential)
        families = self._families.get(place)
        if families is None:
            families = self._families[place] = _families_of(self._all(credential))
        return families

    def _place(self, credential: Credential) -> str:
        """Return what to remember a list by: credentials without one of their own share their provider's."""
        return credential.id if credential.id in self.offers else credential.provider


def _families_of(models: Iterable[KnownModel]) -> dict[str, dict[str, KnownModel]]:
    found: dict[str, dict[str, KnownModel]] = {}
    for model in models:
        if model.family:
            found.setdefault(model.family.lower(), {})[model.name] = model
    return found


def _within(credential: Credential, name: str) -> bool:
    return credential.models is None or fits(name, credential.models)
