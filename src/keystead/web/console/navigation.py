"""The sections of the console, and which of them somebody is shown."""

from typing import Final, Literal, get_args

import msgspec

from keystead.web.admin import (
    alerts,
    audit_events,
    budgets,
    consents,
    credentials,
    credit_accounts,
    data_classes,
    explain,
    grants,
    identity_provider,
    known_models,
    model_routes,
    operations,
    organization,
    price_overrides,
    rate_limits,
    requests,
    retention,
    service_accounts,
    usage,
    virtual_keys,
)
from keystead.web.console.desk import Desk, Handler

Group = Literal["Overview", "Keys", "Use", "Record", "Settings"]
"""The parts of the menu, in their order."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the menu."""

    title: str
    path: str
    needs: Handler
    """Whoever its route admits has something to see there."""
    group: Group
    """Under which word it stands; within a group, sections stand in the order of `SECTIONS`."""
    below: str = ""
    """What is part of it: every page below this path; empty: below `path`."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the settings."""

    title: str
    path: str
    needs: Handler
    """What it shows."""
    concerns: tuple[Handler, ...]
    """And whom that concerns: whoever one of these routes admits."""


SECTIONS: Final = (
    Section(title="Overview", path="/console/", needs=usage.report, group="Overview"),
    Section(title="Vault", path="/console/vault", needs=credentials.list_all, group="Keys"),
    Section(title="Virtual keys", path="/console/keys", needs=virtual_keys.list_all, group="Keys"),
    Section(title="People", path="/console/people", needs=service_accounts.list_all, group="Keys"),
    Section(title="Permissions", path="/console/permissions", needs=grants.list_all, group="Keys"),
    Section(title="Why?", path="/console/explain", needs=explain.explain, group="Keys"),
    Section(title="Consents", path="/console/consents", needs=consents.list_all, group="Keys"),
    Section(title="Models", path="/console/models", needs=known_models.list_all, group="Use"),
    Section(title="Routes", path="/console/routes", needs=model_routes.list_all, group="Use"),
    Section(title="Playground", path="/console/playground", needs=virtual_keys.create, group="Use"),
    Section(title="Connect", path="/console/connect", needs=virtual_keys.list_all, group="Use"),
    Section(title="Requests", path="/console/requests", needs=requests.list_all, group="Record"),
    Section(title="Spend", path="/console/spend", needs=usage.report, group="Record"),
    Section(title="Budgets", path="/console/budgets", needs=budgets.list_all, group="Record"),
    Section(title="Rate limits", path="/console/rate-limits", needs=rate_limits.list_all, group="Record"),
    Section(title="Credits", path="/console/credits", needs=credit_accounts.show, group="Record"),
    Section(title="Alerts", path="/console/alerts", needs=alerts.list_all, group="Record"),
    Section(title="Audit", path="/console/audit", needs=audit_events.list_all, group="Record"),
)

SETTINGS: Final = "/console/settings"
_AUDITING: Final = audit_events.list_all
ROOMS: Final = (
    Room(
        title="Organization",
        path=SETTINGS,
        needs=organization.show,
        concerns=(organization.change_organization, _AUDITING),
    ),
    Room(
        title="Sign-in",
        path=f"{SETTINGS}/sign-in",
        needs=identity_provider.show,
        concerns=(identity_provider.set_identity_provider, _AUDITING),
    ),
    Room(title="Data", path=f"{SETTINGS}/data", needs=data_classes.list_all, concerns=(data_classes.list_all,)),
    Room(
        title="Retention",
        path=f"{SETTINGS}/retention",
        needs=retention.show,
        concerns=(retention.set_retention, _AUDITING),
    ),
    Room(
        title="Own prices",
        path=f"{SETTINGS}/prices",
        needs=price_overrides.list_all,
        concerns=(price_overrides.add, _AUDITING),
    ),
    Room(title="Health", path=f"{SETTINGS}/health", needs=operations.doctor, concerns=(operations.doctor,)),
)
"""The pages of the settings: for whoever can change something there, and for whoever audits. Developers too may ask the
admin API for much of it, but have nothing to do here."""


def rooms(desk: Desk) -> list[Room]:
    """Return the pages of the settings that this person is shown."""
    return [room for room in ROOMS if desk.may(room.needs) and any(desk.may(one) for one in room.concerns)]


def sections(desk: Desk) -> list[Section]:
    """Return what this person's menu shows; the settings lead to the first page of them that is for this person."""
    settings = [
        Section(title="Settings", path=room.path, needs=room.needs, group="Settings", below=SETTINGS)
        for room in rooms(desk)[:1]
    ]
    return [section for section in SECTIONS if desk.may(section.needs)] + settings


def menu(desk: Desk) -> dict[Group, list[Section]]:
    """Return this person's menu by its groups; a group of which they see nothing is not there."""
    shown = sections(desk)
    grouped = {group: [one for one in shown if one.group == group] for group in get_args(Group)}
    return {group: some for group, some in grouped.items() if some}
