"""From differences to the calls of the admin API that make them. Pure.

What a document changes is done by the same handlers that answer the single calls, so it takes the same permissions,
is checked in the same way and leaves the same audit events.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from keystead.web.admin.config import document as doc
from keystead.web.admin.config.difference import Difference, Place
from keystead.web.admin.config.names import noted

Json = dict[str, Any]

RENAMED: Final[Mapping[str, str]] = {"condition": "when", "requirement": "requires", "class": "data_class"}
"""What fields of the admin API are called in the document, where it is something else."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    place: Place
    """What it is for."""
    route: str
    """Its path in the table of routes; the method is POST."""
    path: Mapping[str, str] = {}
    body: Json = {}


class KeyStep(msgspec.Struct, frozen=True, kw_only=True):
    """A call that brings a credential's key."""

    place: Place
    new: bool
    """A new credential, and not the next version of one."""


def steps_of(
    differences: Sequence[Difference], present: doc.Document, wanted: doc.Document, ids: Mapping[Place, str]
) -> list[Step | KeyStep]:
    """Return the calls in an order in which what is referred to is there.

    Args:
        differences: from `present` to `wanted`, without problems.
        present: canonical.
        wanted: canonical.
        ids: of rules that have no name in the database.
    """
    ranks = {section: rank for rank, section in enumerate(("organization", *doc.SECTIONS))}
    depths = _depths(wanted.teams or {})
    made = [one for one in differences if one.action in {"create", "change"}]
    removed = [one for one in differences if one.action == "remove"]
    made.sort(key=lambda one: (ranks[one.section], depths.get(one.name, 0) if one.section == "teams" else 0))
    removed.sort(key=lambda one: -ranks[one.section])
    steps: list[Step | KeyStep] = []
    for one in made:
        before = None if one.action == "create" else entry_at(present, one.place)
        steps.extend(_MAKERS[one.section](_Case(one, before, entry_at(wanted, one.place), ids.get(one.place, ""))))
    for one in removed:
        steps.extend(_REMOVERS[one.section](_Case(one, entry_at(present, one.place), None, ids.get(one.place, ""))))
    return steps


def entry_at(document: doc.Document, place: Place) -> Any:
    """Return an entry of a document."""
    section, name = place
    found = getattr(document, section)
    return found if section == "organization" else found[name]


class _Case:
    """One difference with both sides of it."""

    def __init__(self, difference: Difference, before: Any, after: Any, identifier: str) -> None:
        self.place = difference.place
        self.name = difference.name
        self.changed = {change.field for change in difference.fields}
        self.before = before
        self.after = after
        self.identifier = identifier
        """Of a rule that has no name in the database."""

    def step(self, route: str, body: Json | None = None, **path: str) -> Step:
        return Step(place=self.place, route=route, path=path, body=body or {})


Steps = Iterator[Step | KeyStep]


def _organization(case: _Case) -> Steps:
    yield case.step("/organization/change", {field: getattr(case.after, field) for field in sorted(case.changed)})


def _roles(case: _Case) -> Steps:
    body = {"permissions": case.after.permissions}
    if case.before is None:
        yield case.step("/roles", {"name": case.name, **body})
    else:
        yield case.step("/roles/{role}/change", body, role=case.name)


def _data_classes(case: _Case) -> Steps:
    wanted: doc.DataClass = case.after
    asked = msgspec.structs.asdict(wanted.requires)
    yield case.step("/data-classes", {"name": case.name, "rank": wanted.rank, "requirement": asked})


def _teams(case: _Case) -> Steps:
    wanted: doc.Team = case.after
    if case.before is None:
        yield case.step("/teams", {"name": case.name, **msgspec.structs.asdict(wanted)})
        return
    if "parent" in case.changed:
        place = {"top": True} if wanted.parent is None else {"parent": wanted.parent}
        yield case.step("/teams/{team}/move", place, team=case.name)
    if "data_class" in case.changed:
        yield case.step("/teams/{team}/data-class", {"data_class": wanted.data_class}, team=case.name)
    if "cost_center" in case.changed:
        yield case.step("/teams/{team}/cost-center", {"cost_center": wanted.cost_center}, team=case.name)


def _credentials(case: _Case) -> Steps:
    wanted: doc.Credential = case.after
    if case.before is None:
        yield KeyStep(place=case.place, new=True)
    elif "origin" in case.changed:
        yield case.step("/credentials/{credential}/destination", {"origin": wanted.origin}, credential=case.name)
        yield KeyStep(place=case.place, new=False)
    if "margin_ppm" in case.changed and case.before is not None:
        yield case.step("/credentials/{credential}/margin", {"margin_ppm": wanted.margin_ppm}, credential=case.name)
    # Another origin has taken the terms away, so they are said again.
    if "terms" in case.changed or ("origin" in case.changed and wanted.terms != doc.Terms()):
        yield case.step("/credentials/{credential}/terms", msgspec.structs.asdict(wanted.terms), credential=case.name)
    changed = sorted(case.changed & _CHANGEABLE)
    if changed and case.before is not None:
        body = {field: getattr(wanted, field) for field in changed}
        if body.get("models", "") is None:
            body["all_models"] = True
        yield case.step("/credentials/{credential}/change", body, credential=case.name)


_CHANGEABLE: Final = frozenset({"settings", "region", "models", "on_disconnect"})


def _recognizers(case: _Case) -> Steps:
    if case.before is not None:
        yield from _remove_recognizer(case)
    yield case.step("/recognizers", {"name": case.name, **msgspec.structs.asdict(case.after)})


def _remove_recognizer(case: _Case) -> Steps:
    yield case.step("/recognizers/{recognizer}/remove", recognizer=case.name)


def _service_accounts(case: _Case) -> Steps:
    yield case.step("/service-accounts", {"name": case.name, "team": case.after.team})


def _members(case: _Case) -> Steps:
    wanted = [_role(held) for held in case.after.roles]
    if case.before is None:
        yield case.step("/members", {"name": case.name, "team": case.after.team, "roles": wanted})
        return
    there = [_role(held) for held in case.before.roles]
    for held in wanted:
        if held not in there:
            yield case.step("/members/{member}/assign", held, member=case.name)
    for held in there:
        if held not in wanted:
            yield case.step("/members/{member}/unassign", held, member=case.name)


def _role(held: str | doc.RoleHeld) -> Json:
    return {"role": held} if isinstance(held, str) else {"role": held.role, "team": held.team}


def _routes(case: _Case) -> Steps:
    body = {
        "strategy": case.after.strategy,
        "sticky": case.after.sticky,
        "unsupported": case.after.unsupported,
        "attempts": [msgspec.structs.asdict(attempt) for attempt in case.after.attempts],
    }
    if case.before is None:
        yield case.step("/model-routes", {"name": case.name, **body})
    else:
        yield case.step("/model-routes/{model_route}/change", body, model_route=case.name)


def _grants(case: _Case) -> Steps:
    if case.before is not None:
        yield from _revoke_grant(case)
    body = msgspec.structs.asdict(case.after)
    body["condition"] = body.pop("when")
    yield case.step("/grants", {**body, "note": noted(case.name, body["note"])})


def _revoke_grant(case: _Case) -> Steps:
    yield case.step("/grants/{grant}/revoke", grant=case.identifier)


def _consents(case: _Case) -> Steps:
    if case.before is not None:
        yield from _revoke_consent(case)
    body = msgspec.structs.asdict(case.after)
    yield case.step("/consents", {**body, "note": noted(case.name, body["note"])})


def _revoke_consent(case: _Case) -> Steps:
    yield case.step("/consents/{consent}/revoke", consent=case.identifier)


def _budgets(case: _Case) -> Steps:
    if case.before is None:
        yield case.step("/budgets", {"name": case.name, **msgspec.structs.asdict(case.after)})
        return
    body = {field: getattr(case.after, field) for field in sorted(case.changed)}
    if body.get("unpriced_hold", "") is None:
        del body["unpriced_hold"]  # it goes with the policy that held it
    if body.get("ends_at", "") is None:
        body["endless"] = True
    yield case.step("/budgets/{budget}/change", body, budget=case.name)


def _limits(case: _Case) -> Steps:
    if case.before is not None:
        yield from _delete_limit(case)
    yield case.step("/rate-limits", {"name": case.name, **msgspec.structs.asdict(case.after)})


def _delete_limit(case: _Case) -> Steps:
    yield case.step("/rate-limits/{rate_limit}/delete", rate_limit=case.name)


_MAKERS: Final[Mapping[str, Callable[[_Case], Steps]]] = {
    "organization": _organization,
    "roles": _roles,
    "data_classes": _data_classes,
    "teams": _teams,
    "credentials": _credentials,
    "recognizers": _recognizers,
    "service_accounts": _service_accounts,
    "members": _members,
    "routes": _routes,
    "grants": _grants,
    "consents": _consents,
    "budgets": _budgets,
    "limits": _limits,
}
_REMOVERS: Final[Mapping[str, Callable[[_Case], Steps]]] = {
    "roles": lambda case: iter([case.step("/roles/{role}/delete", role=case.name)]),
    "data_classes": lambda case: iter([case.step("/data-classes/{data_class}/remove", data_class=case.name)]),
    "recognizers": _remove_recognizer,
    "service_accounts": lambda case: iter(
        [case.step("/service-accounts/{service_account}/disable", service_account=case.name)]
    ),
    "members": lambda case: iter([case.step("/members/{member}/disable", member=case.name)]),
    "routes": lambda case: iter([case.step("/model-routes/{model_route}/delete", model_route=case.name)]),
    "grants": _revoke_grant,
    "consents": _revoke_consent,
    "budgets": lambda case: iter([case.step("/budgets/{budget}/end", budget=case.name)]),
    "limits": _delete_limit,
}


def keys_needed(steps: Iterable[Step | KeyStep]) -> tuple[str, ...]:
    """Return the credentials whose keys must be brought."""
    return tuple(step.place[1] for step in steps if isinstance(step, KeyStep))


def _depths(teams: Mapping[str, doc.Team]) -> dict[str, int]:
    """Return how many teams of the document stand above each; there is no circle."""
    found: dict[str, int] = {}
    for name in teams:
        at, depth = teams[name].parent, 0
        while at is not None and at in teams:
            at, depth = teams[at].parent, depth + 1
        found[name] = depth
    return found
