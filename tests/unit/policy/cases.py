"""A subject, a credential, grants and facts, with whatever a test changes about them."""

from typing import Any

from keystead.domain.credential import Credential
from keystead.domain.grants import Grant
from keystead.domain.ids import CredentialId, OrganizationId, TeamId
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.policy.access import Subject
from keystead.policy.facts import Facts

ORG = OrganizationId("org_1")
NOW = 1_767_225_600_000_000
SUBJECT = Subject(
    organization_id=ORG,
    team_ids=(TeamId("team_research"), TeamId("team_all")),
    principal_kind="member",
    principal_id="mem_1",
    team_name="Research",
)


def credential(**changes: Any) -> Credential:
    values: dict[str, Any] = {
        "id": CredentialId("cred_1"),
        "organization_id": ORG,
        "name": "openai-eu",
        "provider": "openai",
        "origin": "https://api.openai.com",
        "settings": {},
        "owner": Owner.OWN,
        "region": "",
        "models": None,
        "on_disconnect": OnDisconnect.DRAIN,
        "active": None,
    }
    return Credential(**{**values, **changes})


def grant(number: int = 1, **changes: Any) -> Grant:
    values: dict[str, Any] = {
        "id": f"grt_{number}",
        "organization_id": ORG,
        "effect": "allow",
        "subject_kind": "team",
        "subject_id": "team_research",
        "credential_ids": None,
        "models": None,
        "endpoints": None,
        "condition": "",
        "expires_at": None,
    }
    return Grant(**{**values, **changes})


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "model": "gpt-5",
        "endpoint": "chat",
        "dialect": "openai",
        "stream": False,
        "tags": {},
        "team": "team_research",
        "principal": "mem_1",
        "data_class": "internal",
        "time_us": NOW,
    }
    return Facts(**{**values, **changes})
