"""Which credential serves the newest model of a family ("the latest sonnet"). Pure.

The same inputs give the same model: among the credentials that may be used, the organization's own come before the
platform's, then those of the family's maker before others that have a model of such a name, then the newest member counts.
"""

from collections.abc import Sequence

from keystead.catalogue.families import PREFIX, bare_name, newest_first
from keystead.domain.errors import NotFoundError
from keystead.domain.traffic import Owner
from keystead.gateway.known import KnownModels
from keystead.routing.resolve import Candidate, ambiguous, fits, split_name


def is_family(asked: str, candidates: Sequence[Candidate]) -> bool:
    """Say whether a name asks for a family: `family:claude-sonnet`, or with a credential or provider before it."""
    return split_name(asked, candidates)[1].startswith(PREFIX)


def named_in(asked: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that the name leaves: all, or those of the credential or provider in it."""
    named, _ = split_name(asked, candidates)
    return [c for c in candidates if named in {None, c.credential.name, c.credential.provider}]


def choose(asked: str, able: Sequence[tuple[Candidate, str]], known: KnownModels, *, preferred: bool) -> Candidate:
    """Choose among candidates, each with its newest member. `preferred` says that they come in an order of preference.

    Raises:
        InvalidRequestError: several have the newest (`model_ambiguous`).
    """
    own = [each for each in able if each[0].credential.owner is not Owner.PLATFORM] or able
    made = [(candidate, model) for candidate, model in own if fits(model, candidate.makes)]
    pool = made or [each for each in own if each[0].native] or own
    newest = newest_first((model, known.released(candidate.credential, model)) for candidate, model in pool)[0]
    best = [candidate for candidate, model in pool if bare_name(model) == bare_name(newest)]
    if len(best) > 1 and not preferred:
        raise ambiguous(asked, best)
    return best[0]


def no_member(asked: str) -> NotFoundError:
    """Return the error of a family that has no member here."""
    return NotFoundError(
        f"No credential that this key may use has a model of {asked!r}.",
        code="model_not_found",
        param="model",
        next_step="`keystead model search` shows each model's family; name the model itself otherwise.",
    )
