"""Which credential serves the model that was asked for.

Rules, in order; each ends in one credential or in an error that says what to write instead:

1. `name/model`, where `name` is one of the organization's credentials or a provider of one: that one, and the
   rest is the model. (A model whose own name has a slash, such as `meta-llama/Llama-4`, is bare unless its first
   part is such a name.)
2. A bare model goes to the credential that is narrowed to it, or whose provider makes it, or whose provider's own list
   has it.
3. A bare model that nobody knows (released this morning, fine-tuned) goes to the only credential that speaks the
   caller's dialect, if there is only one.
4. If several could serve it, a virtual key narrowed to credentials decides by its own order of preference.
   Otherwise it is an error: which contract does the work is never left to chance.
"""

import re
from collections.abc import Container, Sequence
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import Final

import msgspec

from keystead.domain.credential import Credential
from keystead.domain.errors import InvalidRequestError, NotFoundError
from keystead.domain.traffic import Owner

_NAMES_SHOWN: Final = 8


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that the virtual key may use and whose provider speaks the caller's dialect."""

    credential: Credential
    makes: tuple[str, ...] = ()
    """Patterns of the models its provider makes itself (`gpt-*` at OpenAI)."""
    offers: Container[str] = ()
    """Models in its provider's own list, as it was last fetched."""
    native: bool = True
    """Its provider speaks the caller's dialect; otherwise the request is translated."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The credential, the model's name as its provider knows it, and the rule that decided."""

    credential: Credential
    model: str
    rule: str


def split_name(asked: str, candidates: Sequence[Candidate]) -> tuple[str | None, str]:
    """Split `name/model` when `name` is a credential or a provider among the candidates.

    A few makers put their own name into a model's (`groq/compound`, `openrouter/auto`): that is the whole name.
    """
    head, slash, rest = asked.partition("/")
    if not slash or not rest or any(fnmatchcase(asked, own) for c in candidates for own in c.makes if "/" in own):
        return None, asked
    if any(head in {c.credential.name, c.credential.provider} for c in candidates):
        return head, rest
    return None, asked


def resolve(asked: str, candidates: Sequence[Candidate], *, preferred: bool) -> Choice:
    """Choose the credential for `asked`. `preferred` says that the candidates come in an order of preference.

    Raises:
        NotFoundError: no credential serves the model (`model_not_found`) or none is usable (`no_credential`).
        InvalidRequestError: several could (`model_ambiguous`).
    """
    if not candidates:
        raise NotFoundError(
            "No credential of your organization that this key may use speaks this API.",
            code="no_credential",
            next_step="Add one: `keystead credential add --provider …`, or ask your key custodian.",
        )
    named, model = split_name(asked, candidates)
    if named is not None:
        pool = [c for c in candidates if named == c.credential.name]
        rule = "credential_name" if pool else "provider_name"
        pool = pool or [c for c in candidates if named == c.credential.provider]
        pool = [c for c in pool if _serves(c, model)]
    else:
        pool, rule = _bare(model, candidates)
    if not pool:
        raise NotFoundError(
            f"No credential serves the model {asked!r}.",
            code="model_not_found",
            param="model",
            next_step=f"Name one as `credential/model`; you have: {_names(candidates)}.",
        )
    if len(pool) > 1 and not preferred:
        raise ambiguous(asked, pool)
    return Choice(credential=pool[0].credential, model=model, rule=rule)


def finds(asked: str, candidate: Candidate) -> bool:
    """Say whether a name would find its model under this credential, were there no other."""
    try:
        resolve(asked, [candidate], preferred=True)
    except NotFoundError:
        return False
    return True


def ambiguous(asked: str, pool: Sequence[Candidate]) -> InvalidRequestError:
    """Return the error of a name that several credentials could serve."""
    return InvalidRequestError(
        f"Several credentials can serve {asked!r}: {_names(pool)}.",
        code="model_ambiguous",
        param="model",
        next_step=f"Name one, such as `{pool[0].credential.name}/{split_name(asked, pool)[1]}`,"
        " or narrow the virtual key to one.",
    )


def is_within(asked: str, credential: Credential, model: str, patterns: tuple[str, ...]) -> bool:
    """Say whether patterns that something is narrowed to let `model` on `credential` through.

    A pattern may name the model alone (`gpt-5*`), with its provider or credential (`openai/*`), or as asked.
    """
    names = {asked, model, f"{credential.provider}/{model}", f"{credential.name}/{model}"}
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def fits(model: str, patterns: tuple[str, ...]) -> bool:
    """Say whether one of the shell-style patterns means `model`."""
    return _matcher(patterns).match(model) is not None


@lru_cache(maxsize=1024)
def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return one expression for all the patterns: a list of models is held against hundreds of them."""
    return re.compile("|".join(translate(pattern) for pattern in patterns) or "(?!)")


def _serves(candidate: Candidate, model: str) -> bool:
    patterns = candidate.credential.models
    return patterns is None or fits(model, patterns)


def _bare(model: str, candidates: Sequence[Candidate]) -> tuple[list[Candidate], str]:
    # The sandbox never answers for a real model: it is reached only as `sandbox/…`.
    real = [c for c in candidates if c.credential.owner is not Owner.SANDBOX and _serves(c, model)]
    listed = [c for c in real if c.credential.models is not None]
    if listed:
        return _natives(listed), "listed_model"
    made = [c for c in real if fits(model, c.makes)]
    if made:
        return _natives(made), "maker_of_model"
    offered = [c for c in real if model in c.offers]
    if offered:
        return _natives(offered), "offered_model"
    return _natives(real), "only_credential"


def _natives(pool: list[Candidate]) -> list[Candidate]:
    """Leave out those who would need a translation if somebody does not."""
    return [c for c in pool if c.native] or pool


def _names(candidates: Sequence[Candidate]) -> str:
    names = [c.credential.name for c in candidates]
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
