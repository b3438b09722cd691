"""From rows of the tables to values, for the room's modules that read them."""

import msgspec
from sqlalchemy.engine import RowMapping

from keystead.domain.access import Permission
from keystead.domain.ids import CredentialId, TeamId
from keystead.domain.traffic import Endpoint
from keystead.identity.views import Assignment, Member, Organization, OwnRole, ServiceAccount


def texts(text: str | None) -> tuple[str, ...] | None:
    """Read a JSON list of text from its column."""
    return None if text is None else msgspec.json.decode(text, type=tuple[str, ...])


def credential_ids(text: str | None) -> tuple[CredentialId, ...] | None:
    """Read a JSON list of credential ids from its column."""
    return None if text is None else tuple(CredentialId(value) for value in msgspec.json.decode(text, type=list[str]))


def endpoints(text: str | None) -> tuple[Endpoint, ...] | None:
    """Read a JSON list of endpoints from its column."""
    return None if text is None else msgspec.json.decode(text, type=tuple[Endpoint, ...])


def organization_of(row: RowMapping) -> Organization:
    """Read an organization from its row."""
    return Organization(**row)


def member_of(row: RowMapping) -> Member:
    """Read a member from its row."""
    return Member(
        id=row["id"],
        team_id=TeamId(row["team_id"]),
        name=row["name"],
        operator=row["operator"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )


def service_account_of(row: RowMapping) -> ServiceAccount:
    """Read a service account from its row."""
    return ServiceAccount(
        id=row["id"],
        team_id=TeamId(row["team_id"]),
        name=row["name"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        disabled_at=row["disabled_at"],
    )


def own_role_of(row: RowMapping) -> OwnRole:
    """Read an own role from its row."""
    known = set(Permission)
    return OwnRole(
        id=row["id"],
        name=row["name"],
        # A permission that this version does not know, after a newer one ran, is held by nobody.
        permissions=frozenset(
            Permission(name) for name in msgspec.json.decode(row["permissions"], type=list[str]) if name in known
        ),
        created_at=row["created_at"],
        created_by=row["created_by"],
    )


def assignment_of(row: RowMapping) -> Assignment:
    """Read an assignment from its row."""
    return Assignment(
        member_id=row["member_id"],
        role=row["role"],
        team_id=TeamId(row["team_id"]) if row["team_id"] else None,
        created_at=row["created_at"],
        created_by=row["created_by"],
    )
