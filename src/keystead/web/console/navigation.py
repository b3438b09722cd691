"""The sections of the console, and which of them somebody is shown."""

from typing import Final

import msgspec

from keystead.web.admin import (
    audit_events,
    consents,
    credentials,
    explain,
    grants,
    requests,
    service_accounts,
    usage,
    virtual_keys,
)
from keystead.web.console.desk import Desk, Handler


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the menu."""

    title: str
    path: str
    needs: Handler
    """Whoever its route admits has something to see there."""


SECTIONS: Final = (
    Section(title="Overview", path="/console/", needs=usage.report),
    Section(title="Vault", path="/console/vault", needs=credentials.list_all),
    Section(title="People", path="/console/people", needs=service_accounts.list_all),
    Section(title="Permissions", path="/console/permissions", needs=grants.list_all),
    Section(title="Why?", path="/console/explain", needs=explain.explain),
    Section(title="Consents", path="/console/consents", needs=consents.list_all),
    Section(title="Virtual keys", path="/console/keys", needs=virtual_keys.list_all),
    Section(title="Requests", path="/console/requests", needs=requests.list_all),
    Section(title="Spend", path="/console/spend", needs=usage.report),
    Section(title="Playground", path="/console/playground", needs=virtual_keys.create),
    Section(title="Connect", path="/console/connect", needs=virtual_keys.list_all),
    Section(title="Audit", path="/console/audit", needs=audit_events.list_all),
)


def sections(desk: Desk) -> list[Section]:
    """Return what this person's menu shows."""
    return [section for section in SECTIONS if desk.may(section.needs)]
