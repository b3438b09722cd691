"""The document of what is in force, read through the rooms."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.access import Administrator, Permission
from keystead.domain.grants import Terms as TermsKept
from keystead.domain.ids import OrganizationId
from keystead.domain.money import to_text
from keystead.identity.views import Member as MemberView
from keystead.limits.scopes import Scoped
from keystead.policy.views import GrantView
from keystead.vault.view import CredentialView
from keystead.web.admin.config import document as doc
from keystead.web.admin.config.difference import Place
from keystead.web.admin.config.names import named
from keystead.web.admin.rooms import AdminRooms
from keystead.web.admin.values import instant, optional_instant

READS: Final[Mapping[str, Permission]] = {
    "organization": Permission.ORGANIZATION_READ,
    "roles": Permission.ORGANIZATION_READ,
    "data_classes": Permission.DATA_CLASS_READ,
    "teams": Permission.ORGANIZATION_READ,
    "credentials": Permission.CREDENTIAL_READ,
    "recognizers": Permission.DATA_CLASS_READ,
    "service_accounts": Permission.KEY_READ,
    "members": Permission.ORGANIZATION_READ,
    "routes": Permission.ROUTE_READ,
    "grants": Permission.GRANT_READ,
    "consents": Permission.CONSENT_READ,
    "budgets": Permission.BUDGET_READ,
    "limits": Permission.BUDGET_READ,
}
"""What each section takes to be seen, in the whole organization."""

_PAGE: Final = 500

V = TypeVar("V")


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force, and what the document does not say of it."""

    document: doc.Document
    """Canonical. Without the sections that the reader may not see."""
    ids: Mapping[Place, str]
    """Of rules that have no name in the database."""
    gone: frozenset[Place]
    """What was disabled or revoked for good, whose name stays taken."""


async def present(rooms: AdminRooms, conn: AsyncConnection, who: Administrator) -> Present:
    """Read what is in force in the reader's organization."""
    reading = _Reading(rooms, conn, who.organization_id)
    readers: Mapping[str, Callable[[], Awaitable[Any]]] = {
        "organization": reading.organization,
        "roles": reading.roles,
        "data_classes": reading.data_classes,
        "teams": reading.teams,
        "credentials": reading.credentials,
        "recognizers": reading.recognizers,
        "service_accounts": reading.service_accounts,
        "members": reading.members,
        "routes": reading.routes,
        "grants": reading.grants,
        "consents": reading.consents,
        "budgets": reading.budgets,
        "limits": reading.limits,
    }
    await reading.look_around()
    sections = {name: await read() for name, read in readers.items() if who.may(READS[name])}
    return Present(
        document=doc.canonical(doc.Document(**sections)), ids=dict(reading.ids), gone=frozenset(reading.gone)
    )


class _Reading:
    """One reading of one organization, with the names of what is referred to."""

    def __init__(self, rooms: AdminRooms, conn: AsyncConnection, organization_id: OrganizationId) -> None:
        self._rooms = rooms
        self._conn = conn
        self._of = organization_id
        self.ids: dict[Place, str] = {}
        self.gone: set[Place] = set()
        self._keys_known = False

    async def look_around(self) -> None:
        """Learn the names of teams, people, credentials and roles."""
        rooms, conn, of = self._rooms, self._conn, self._of
        self._teams = await _all(lambda **page: rooms.directory.teams(conn, of, **page))
        self._members = await _all(lambda **page: rooms.directory.members(conn, of, **page))
        self._accounts = await _all(lambda **page: rooms.directory.service_accounts(conn, of, **page))
        self._own_roles = await rooms.directory.own_roles(conn, of)
        self._credentials = await rooms.credentials.list(conn, of)
        own = {one.name for one in self._credentials}
        platform = await rooms.credentials.platform(conn)
        self._names: dict[str, str] = {
            # A name means the organization's own credential, so another's that has the same goes by its id.
            **{one.id: one.name for one in platform if one.name not in own},
            **{
                one.id: one.name
                for many in (self._teams, self._members, self._accounts, self._own_roles, self._credentials)
                for one in many
            },
        }

    async def organization(self) -> doc.Organization:
        """Read what is the organization's own."""
        found = await self._rooms.directory.organization(self._conn, self._of)
        return doc.Organization(
            name=found.name, time_zone=found.time_zone, second_factor_required=found.second_factor_required
        )

    async def roles(self) -> dict[str, doc.Role]:
        """Read the organization's own roles."""
        return {role.name: doc.Role(permissions=tuple(role.permissions)) for role in reversed(self._own_roles)}

    async def data_classes(self) -> dict[str, doc.DataClass]:
        """Read the organization's own classes, and what it asks for in built-in ones."""
        found = await self._rooms.data_classes.own(self._conn, self._of)
        return {
            one.name: doc.DataClass(rank=one.rank, requires=one.requirement)
            for one in sorted(found, key=lambda one: one.rank)
        }

    async def teams(self) -> dict[str, doc.Team]:
        """Read the teams."""
        now = self._rooms.clock.now_us()
        return {
            team.name: doc.Team(
                parent=self._name(team.parent_id),
                cost_center=team.cost_center(now) or None,
                data_class=team.data_class,
            )
            for team in self._teams
        }

    async def credentials(self) -> dict[str, doc.Credential]:
        """Read the credentials, and not their keys: those are named after them."""
        self.gone |= {("credentials", one.name) for one in self._credentials if one.revoked_at is not None}
        return {one.name: _credential(one) for one in self._credentials if one.revoked_at is None}

    async def recognizers(self) -> dict[str, doc.Recognizer]:
        """Read the recognisers."""
        return {
            one.name: doc.Recognizer(kind=one.kind, pattern=one.pattern, action=one.action, data_class=one.data_class)
            for one in await self._rooms.recognizers.list(self._conn, self._of)
        }

    async def service_accounts(self) -> dict[str, doc.ServiceAccount]:
        """Read the service accounts."""
        self.gone |= {("service_accounts", one.name) for one in self._accounts if one.disabled_at is not None}
        return {
            one.name: doc.ServiceAccount(team=self._names[one.team_id])
            for one in self._accounts
            if one.disabled_at is None
        }

    async def members(self) -> dict[str, doc.Member]:
        """Read the members and their roles."""
        self.gone |= {("members", one.name) for one in self._members if one.disabled_at is not None}
        active = [one for one in self._members if one.disabled_at is None]
        roles = await self._roles_held(active)
        return {
            one.name: doc.Member(team=self._names[one.team_id], roles=tuple(roles.get(one.id, ()))) for one in active
        }

    async def _roles_held(self, members: list[MemberView]) -> dict[str, list[str | doc.RoleHeld]]:
        found: dict[str, list[str | doc.RoleHeld]] = {}
        wanted = {member.id for member in members}
        for one in await self._rooms.directory.assignments(self._conn, self._of, wanted):
            role = self._names.get(one.role, one.role)
            held = role if one.team_id is None else doc.RoleHeld(role=role, team=self._names[one.team_id])
            found.setdefault(one.member_id, []).append(held)
        return found

    async def routes(self) -> dict[str, doc.Route]:
        """Read the routes."""
        found = await _all(lambda **page: self._rooms.model_routes.list(self._conn, self._of, **page))
        return {
            view.name: doc.Route(
                strategy=view.strategy,
                sticky=view.sticky,
                unsupported=view.unsupported,
                attempts=tuple(
                    doc.Attempt(
                        model=attempt.model,
                        credential=self._name(attempt.credential_id),
                        provider=attempt.provider,
                        weight=attempt.weight,
                        first_byte_timeout_s=attempt.first_byte_timeout_s,
                    )
                    for attempt in view.attempts
                ),
            )
            for view in found
        }

    async def grants(self) -> dict[str, doc.Grant]:
        """Read the grants in force."""
        found = await _all(lambda **page: self._rooms.grants.list(self._conn, self._of, in_force_only=True, **page))
        rules = named(found)
        self.ids |= {("grants", name): view.id for name, (view, _) in rules.items()}
        return {name: self._grant(view, note) for name, (view, note) in rules.items()}

    def _grant(self, view: GrantView, note: str) -> doc.Grant:
        everyone = view.subject_kind == "organization"
        subject = {} if everyone else {view.subject_kind: self._names[view.subject_id]}
        return doc.Grant(
            effect=view.effect,
            everyone=everyone,
            **subject,
            credentials=None if view.credential_ids is None else tuple(map(self._known, view.credential_ids)),
            models=view.models,
            endpoints=view.endpoints,
            when=view.condition,
            note=note,
            expires_at=optional_instant(view.expires_at),
        )

    async def consents(self) -> dict[str, doc.Consent]:
        """Read the consents in force."""
        found = await _all(lambda **page: self._rooms.consents.list(self._conn, self._of, in_force_only=True, **page))
        rules = named(found)
        self.ids |= {("consents", name): view.id for name, (view, _) in rules.items()}
        return {
            name: doc.Consent(
                teams=None if view.team_ids is None else tuple(map(self._known, view.team_ids)),
                models=view.models,
                data_classes=view.data_classes,
                reasons=view.reasons,
                daily_cap=to_text(view.daily_cap_pico),
                monthly_cap=to_text(view.monthly_cap_pico),
                note=note,
                expires_at=instant(view.expires_at),
            )
            for name, (view, note) in rules.items()
        }

    async def budgets(self) -> dict[str, doc.Budget]:
        """Read the budgets in force."""
        rooms, now = self._rooms, self._rooms.clock.now_us()
        found = await _all(lambda **page: rooms.budgets.list(self._conn, self._of, **page))
        await self._learn_keys(found)
        live = [one for one in found if one.ended_at is None and (one.ends_at is None or one.ends_at > now)]
        self.gone |= {("budgets", one.name) for one in found} - {("budgets", one.name) for one in live}
        return {
            one.name: doc.Budget(
                **self._scope(one),
                period=one.period,
                rolling_hours=one.rolling_hours,
                limit=to_text(one.limit_pico),
                currency=one.currency,
                hard=one.hard,
                alert_percent=one.alert_percent,
                unpriced=one.unpriced,
                unpriced_hold=to_text(one.unpriced_hold_pico) if one.unpriced == "hold" else None,
                ends_at=optional_instant(one.ends_at),
            )
            for one in live
        }

    async def limits(self) -> dict[str, doc.Limit]:
        """Read the rate limits."""
        found = await _all(lambda **page: self._rooms.rate_limits.list(self._conn, self._of, **page))
        await self._learn_keys(found)
        return {one.name: doc.Limit(**self._scope(one), measure=one.measure, most=one.most) for one in found}

    async def _learn_keys(self, rules: Sequence[Scoped]) -> None:
        """Learn the names of virtual keys, if some rule is about one: there may be many."""
        if any(rule.scope_kind == "virtual_key" for rule in rules) and not self._keys_known:
            issuer = self._rooms.issuer
            keys = await _all(lambda **page: issuer.virtual_keys(self._conn, self._of, **page))
            self._names |= {key.id: key.name for key in keys}
            self._keys_known = True

    def _scope(self, rule: Scoped) -> dict[str, Any]:
        if rule.scope_kind == "organization":
            return {"organization": True}
        known = rule.scope_id if rule.scope_kind == "model" else self._known(rule.scope_id)
        return {rule.scope_kind: known}

    def _name(self, identifier: str | None) -> str | None:
        return None if identifier is None else self._known(identifier)

    def _known(self, identifier: str) -> str:
        return self._names.get(identifier, identifier)


async def _all(list_page: Callable[..., Awaitable[list[V]]]) -> list[V]:
    """Return every page of a list, oldest first."""
    found: list[V] = []
    before: str | None = None
    while True:
        page = await list_page(before=before, limit=_PAGE)
        found.extend(page)
        if len(page) < _PAGE:
            return found[::-1]
        before = page[-1].id  # type: ignore[attr-defined]


def _credential(view: CredentialView) -> doc.Credential:
    return doc.Credential(
        provider=view.provider,
        key=key_reference(view.name),
        origin=view.origin,
        region=view.region,
        settings=view.settings,
        models=view.models,
        on_disconnect=view.on_disconnect,
        margin_ppm=view.margin_ppm,
        terms=_terms(view.terms),
    )


def key_reference(name: str) -> str:
    """Return the variable that a credential's key is expected in: `my-openai` in `${MY_OPENAI_KEY}`."""
    plain = "".join(character if character.isascii() and character.isalnum() else "_" for character in name.upper())
    return f"${{{'_' if plain[:1].isdigit() else ''}{plain}_KEY}}"


def _terms(terms: TermsKept) -> doc.Terms:
    return doc.Terms(**msgspec.structs.asdict(terms) | {"ends_at": optional_instant(terms.ends_at)})
