"""Which recorded consent lets a request fall back from own keys to platform credentials. Pure.

Without one, none does. What the consent may cost is not decided here but when the amount is held.
"""

from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase

from keystead.domain.grants import CONSENTABLE, Consent, DataClass, Reason
from keystead.domain.ids import TeamId


def find_consent(
    consents: Iterable[Consent],
    *,
    team_ids: Collection[TeamId],
    model: str,
    data_class: DataClass | None,
    reason: Reason,
    now_us: int,
) -> Consent | str:
    """Return the newest consent that covers the request, or a sentence that says why none does.

    Args:
        consents: one organization's.
        team_ids: the caller's team and the teams above it.
        model: as the platform's provider calls it.
        data_class: of the request; None if it is gone meanwhile. One that stays on own keys is covered by no consent,
            whatever the consent says.
        reason: why an own key could not serve.
        now_us: Unix microseconds.
    """
    if reason not in CONSENTABLE:
        return f"After {_in_words(reason)} nothing falls back to platform credentials: an own key must be mended."
    if data_class is None or data_class.requirement.own_key_only:
        name = "" if data_class is None else f"{data_class.name} "
        return f"A {name}request never falls back to platform credentials."
    tests: tuple[tuple[Callable[[Consent], bool], str], ...] = (
        (lambda consent: consent.expires_at > now_us, "is in force"),
        (lambda consent: consent.team_ids is None or not set(consent.team_ids).isdisjoint(team_ids), "covers the team"),
        (lambda consent: data_class.name in consent.data_classes, f"covers {data_class.name} requests of the team"),
        (lambda consent: _fits(model, consent.models), f"covers the model {model} for such requests"),
        (lambda consent: reason in consent.reasons, f"covers such requests after {_in_words(reason)}"),
    )
    left = list(consents)
    for covers, what in tests:
        left = [consent for consent in left if covers(consent)]
        if not left:
            return f"No consent to fall back to platform credentials {what}."
    return max(left, key=lambda consent: consent.id)


def _fits(model: str, patterns: tuple[str, ...] | None) -> bool:
    return patterns is None or any(fnmatchcase(model, pattern) for pattern in patterns)


def _in_words(reason: Reason) -> str:
    return f"`{reason.value.replace('_', ' ')}`"
