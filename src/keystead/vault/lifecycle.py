"""The life of a credential's versions, as one table and four moves over it.

    staged ──► active ◄──► draining ──► retired ──► active (brought back)
       └──────────┴───────────┴────────────┴──────► revoked

At most one version is active. A version that another displaces drains: requests that began on it end on it. Its
key is kept, sealed, through draining and retired, so that going back is instant; revoking destroys the key, and
nothing leads out of revoked. Everything about which state may follow which lives here.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from keystead.domain.credential import VersionState
from keystead.domain.errors import ConflictError
from keystead.vault.view import VersionView

NEXT: Final[Mapping[VersionState, frozenset[VersionState]]] = {
    VersionState.STAGED: frozenset({VersionState.ACTIVE, VersionState.REVOKED}),
    VersionState.ACTIVE: frozenset({VersionState.DRAINING, VersionState.REVOKED}),
    VersionState.DRAINING: frozenset({VersionState.ACTIVE, VersionState.RETIRED, VersionState.REVOKED}),
    VersionState.RETIRED: frozenset({VersionState.ACTIVE, VersionState.REVOKED}),
    VersionState.REVOKED: frozenset(),
}
"""The states that may follow each state."""

Changes = dict[int, VersionState]
"""New states by version number; what is not named stays."""


def activate(versions: Sequence[VersionView], chosen: VersionView) -> Changes:
    """Make `chosen` (staged, draining or retired) the active version; the one it displaces drains.

    Raises:
        ConflictError: it is active already, or revoked.
    """
    changes = _move(chosen, VersionState.ACTIVE)
    active = active_of(versions)
    if active is not None:
        changes |= _move(active, VersionState.DRAINING)
    return changes


def previous(versions: Sequence[VersionView]) -> VersionView:
    """Return the version that a rollback brings back.

    That is, of the versions older than the active one, the one displaced last: a bad version in between that was
    rolled back before is passed over, and rolling back twice goes back twice. With none active, any age will do.

    Raises:
        ConflictError: there is none whose key is kept.
    """
    active = active_of(versions)
    candidates = [
        (version.draining_at, version.version, version)
        for version in versions
        if version.state in {VersionState.DRAINING, VersionState.RETIRED}
        and version.draining_at is not None
        and (active is None or version.version < active.version)
    ]
    if not candidates:
        raise ConflictError(
            "There is no earlier version to roll back to.",
            code="no_earlier_version",
            next_step="Stage and activate a new key, or activate a version by its number.",
        )
    return max(candidates, key=lambda candidate: candidate[:2])[2]


def retire(chosen: VersionView) -> Changes:
    """End the draining of `chosen`.

    Raises:
        ConflictError: it is not draining.
    """
    return _move(chosen, VersionState.RETIRED)


def revoke(chosen: Sequence[VersionView]) -> Changes:
    """Revoke every version in `chosen`. One that is revoked already stays so: revoking twice is no error."""
    return {version.version: VersionState.REVOKED for version in chosen if version.state is not VersionState.REVOKED}


def active_of(versions: Sequence[VersionView]) -> VersionView | None:
    """Return the active version, if any."""
    return next((version for version in versions if version.state is VersionState.ACTIVE), None)


def _move(version: VersionView, state: VersionState) -> Changes:
    if state not in NEXT[version.state]:
        raise ConflictError(
            f"Version {version.version} is {version.state.value} and cannot become {state.value}.",
            code="version_state",
            next_step="Look at the credential's versions and choose another.",
        )
    return {version.version: state}
