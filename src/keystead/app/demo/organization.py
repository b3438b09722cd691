"""Writes the demonstration's organization, through the rooms' own stores: keys sealed, books balanced, acts recorded."""

from collections.abc import Mapping
from random import Random  # noqa: TID251 - a made-up past must be the same for the same seed; nothing of it is secret
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.app.demo import plan
from keystead.app.demo.calendar import Calendar
from keystead.app.demo.cast import Cast, Placed, Source
from keystead.app.demo.credential_stories import STORIES, CredentialStories
from keystead.app.demo.diary import Diary
from keystead.domain.access import PrincipalKind
from keystead.domain.clock import DAY_US
from keystead.domain.grants import Reason
from keystead.domain.ids import OrganizationId, TeamId, VirtualKeyId, new_id
from keystead.domain.means import CREDITS
from keystead.domain.money import PICO_PER_UNIT, USD
from keystead.domain.secret import Secret
from keystead.domain.traffic import Owner
from keystead.identity.authority import Assigned
from keystead.identity.issuer import insert_virtual_key
from keystead.identity.members import insert_assignment, insert_member
from keystead.identity.narrowing import Narrowing
from keystead.identity.organizations import Founded, found
from keystead.identity.service_accounts import insert_service_account
from keystead.identity.teams import insert_team
from keystead.identity.views import Member, Principal
from keystead.ledger.store import Ledger
from keystead.limits.scopes import Spender
from keystead.limits.store import Budgets, RateLimits
from keystead.limits.views import BudgetView, NewBudget, NewRateLimit
from keystead.policy.store import Consents, Grants
from keystead.policy.views import ConsentView, NewConsent, NewGrant
from keystead.providers.table import PROVIDERS
from keystead.routing.store import AttemptGiven, ModelRoutes
from keystead.vault.credentials import Credentials
from keystead.web.sandbox import ensure_sandbox

_UNPOINTED: Final = 9_000_000 * PICO_PER_UNIT
"""A limit that nothing reaches: budgets get theirs when it is known what was spent."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The organization, and who may enter it."""

    cast: Cast
    owner: Member
    admin_token: Secret


class Founding:
    """Writes one organization, in its own past, in one transaction of the caller's."""

    def __init__(
        self,
        conn: AsyncConnection,
        *,
        calendar: Calendar,
        credentials: Credentials,
        until: int,
        now: int,
        random: Random,
    ) -> None:
        """Begin at the calendar's time and end at `until`; what is to happen after `now` happens at once.

        `credentials` must tell the time by the calendar.
        """
        self._conn = conn
        self._calendar = calendar
        self._vault = credentials
        self._random = random
        self._begins_at = calendar.now_us()
        self._span = until - self._begins_at
        self._until = until
        self._now = now

    async def found(self, organization_id: OrganizationId, name: str, *, pepper: bytes) -> Made:
        """Write it all."""
        made = await found(
            self._conn,
            pepper=pepper,
            organization_id=organization_id,
            name=name,
            currency=USD,
            time_zone=plan.TIME_ZONE,
            owner=plan.OWNER,
            operator=False,
            now=self._begins_at,
        )
        self._organization_id, self._owner_id = organization_id, made.owner.id
        self._diary = Diary(self._conn, self._calendar, organization_id=organization_id, owner_id=made.owner.id)
        self._stories = CredentialStories(
            self._conn,
            self._vault,
            self._diary,
            organization_id=organization_id,
            owner_id=made.owner.id,
            begins_at=self._begins_at,
            until=self._until,
            random=self._random,
        )
        await self._diary.record("organization.created", "organization", organization_id, system=True)
        await ensure_sandbox(self._conn, self._vault, organization_id)
        teams = await self._teams()
        principals = await self._people(made, teams)
        placed = {one.name: await self._stories.add(one, Owner.OWN) for one in plan.CREDENTIALS}
        placed[plan.PLATFORM.name] = await self._stories.add(plan.PLATFORM, Owner.PLATFORM)
        grants = await self._grants(teams, placed)
        cast = Cast(
            organization_id=organization_id,
            owner_id=made.owner.id,
            time_zone=plan.TIME_ZONE,
            begins_at=self._begins_at,
            instance_id=new_id("ins", self._begins_at),
            sources=await self._keys(teams, principals, pepper),
            credentials=placed,
            grants=grants,
            routes=await self._routes(),
            budgets=await self._limits(teams),
            account_id=await Ledger(self._calendar).open_account(self._conn, organization_id, actor_id=made.owner.id),
            consent=await self._consent(),
        )
        return Made(cast=cast, owner=made.owner, admin_token=made.admin_token)

    def _go(self, part: float) -> int:
        """Go to a part of the whole span, counted from its beginning."""
        self._calendar.set(min(self._now, self._begins_at + int(self._span * part)))
        return self._calendar.now_us()

    async def _teams(self) -> dict[str, tuple[TeamId, ...]]:
        """Return each team's id with those above it, by name."""
        paths: dict[str, tuple[TeamId, ...]] = {}
        for team in plan.TEAMS:
            above = paths[team.parent] if team.parent else ()
            made = await insert_team(
                self._conn,
                self._organization_id,
                name=team.name,
                parent_id=above[0] if above else None,
                data_class=team.data_class,
                cost_center=team.cost_center,
                now=self._calendar.now_us(),
            )
            paths[team.name] = (made.id, *above)
            await self._diary.record("team.created", "team", made.id, name=team.name, cost_center=team.cost_center)
        return paths

    async def _people(
        self, made: Founded, teams: Mapping[str, tuple[TeamId, ...]]
    ) -> dict[str, tuple[PrincipalKind, str]]:
        principals: dict[str, tuple[PrincipalKind, str]] = {plan.OWNER: ("member", made.owner.id)}
        for one in plan.MEMBERS:
            team_id = teams[one.team][0]
            now = self._calendar.now_us()
            member = await insert_member(
                self._conn, self._organization_id, team_id=team_id, name=one.name, operator=False, now=now
            )
            principals[one.name] = ("member", member.id)
            await self._diary.record("member.created", "member", member.id, name=one.name, team=team_id)
            if one.role:
                assigned = Assigned(role=one.role, team_id=teams[one.within][0] if one.within else None)
                await insert_assignment(
                    self._conn,
                    self._organization_id,
                    member_id=member.id,
                    assigned=assigned,
                    actor_id=self._owner_id,
                    now=self._calendar.now_us(),
                )
        for name, team in plan.ACCOUNTS:
            account = await insert_service_account(
                self._conn,
                self._organization_id,
                team_id=teams[team][0],
                name=name,
                actor_id=self._owner_id,
                now=self._calendar.now_us(),
            )
            principals[name] = ("service_account", account.id)
            await self._diary.record("service_account.created", "service_account", account.id, name=name)
        return principals

    async def _keys(
        self,
        teams: Mapping[str, tuple[TeamId, ...]],
        principals: Mapping[str, tuple[PrincipalKind, str]],
        pepper: bytes,
    ) -> dict[str, Source]:
        cost_centers = {team.name: team.cost_center for team in plan.TEAMS}
        classes = {team.name: team.data_class for team in plan.TEAMS}
        sources = {}
        for key in plan.KEYS:
            kind, principal_id = principals[key.owner]
            path = teams[key.team]
            view, _ = await insert_virtual_key(
                self._conn,
                self._organization_id,
                pepper=pepper,
                team_id=path[0],
                principal=Principal(kind=kind, id=principal_id, team_id=path[0], disabled=False),
                name=key.name,
                narrowing=Narrowing(),
                actor_id=self._owner_id,
                now=self._calendar.now_us(),
                tags=plan.tags_of(key),
            )
            await self._diary.record("virtual_key.created", "virtual_key", view.id, name=key.name)
            sources[key.name] = Source(
                virtual_key_id=VirtualKeyId(view.id),
                name=key.name,
                team=key.team,
                spender=Spender(
                    organization_id=self._organization_id,
                    team_ids=path,
                    principal_kind=kind,
                    principal_id=principal_id,
                    virtual_key_id=VirtualKeyId(view.id),
                ),
                cost_center=cost_centers[key.team],
                data_class=classes[key.team] or "internal",
            )
        return sources

    async def _grants(self, teams: Mapping[str, tuple[TeamId, ...]], placed: Mapping[str, Placed]) -> dict[str, str]:
        made = {}
        for team, names, models, note in plan.GRANTS:
            new = NewGrant(
                effect="allow",
                subject_kind="team",
                subject_id=teams[team][0],
                credentials=[placed[name].id for name in names],
                models=models,
                note=note,
            )
            made[team] = await self._grant(new)
            await self._diary.record("grant.created", "grant", made[team], team=team)
        sandbox = NewGrant(
            effect="allow",
            subject_kind="organization",
            subject_id=self._organization_id,
            credentials=["sandbox"],
            note="The sandbox sends nothing anywhere.",
        )
        await self._diary.record("grant.created", "grant", await self._grant(sandbox))
        for below in plan.TEAMS:
            if below.name not in made and below.parent:
                made[below.name] = made[below.parent]
        return made

    async def _grant(self, new: NewGrant) -> str:
        view = await Grants(self._calendar).create(
            self._conn, organization_id=self._organization_id, actor_id=self._owner_id, new=new
        )
        return view.id

    async def _routes(self) -> dict[str, str]:
        store, made = ModelRoutes(self._calendar, providers=PROVIDERS), {}
        for name, strategy, attempts in plan.ROUTES:
            view = await store.create(
                self._conn,
                organization_id=self._organization_id,
                actor_id=self._owner_id,
                name=name,
                strategy=strategy,
                sticky=False,
                attempts=[AttemptGiven(model=model, credential=credential) for model, credential in attempts],
            )
            made[name] = view.id
            await self._diary.record("route.created", "route", view.id, name=name)
        return made

    async def _limits(self, teams: Mapping[str, tuple[TeamId, ...]]) -> tuple[BudgetView, ...]:
        store, made = Budgets(self._calendar), []
        for name, team, period, _ in plan.BUDGETS:
            new = NewBudget(
                name=name,
                scope_kind="team" if team else "organization",
                scope_id=teams[team][0] if team else self._organization_id,
                period=period,
                limit_pico=_UNPOINTED,
                hard=False,
                unpriced="allow",
            )
            view = await store.create(
                self._conn, organization_id=self._organization_id, actor_id=self._owner_id, new=new
            )
            made.append(view)
            await self._diary.record("budget.created", "budget", view.id, name=name)
        limit = NewRateLimit(
            name="Support per minute",
            scope_kind="team",
            scope_id=teams["Support"][0],
            measure="requests_per_minute",
            most=600,
        )
        await RateLimits(self._calendar).create(
            self._conn, organization_id=self._organization_id, actor_id=self._owner_id, new=limit
        )
        return tuple(made)

    async def _consent(self) -> ConsentView:
        new = NewConsent(
            team_ids=None,
            models=("gpt-*",),
            data_classes=("internal",),
            reasons=(Reason.THROTTLED, Reason.DOWN),
            daily_cap_pico=100_000 * PICO_PER_UNIT,
            monthly_cap_pico=1_000_000 * PICO_PER_UNIT,
            expires_at=self._calendar.now_us() + 360 * DAY_US,
            note="Customers' answers go on when a key of ours is throttled.",
        )
        view = await Consents(self._calendar).give(
            self._conn, organization_id=self._organization_id, actor_id=self._owner_id, new=new
        )
        await self._diary.record("consent.given", "consent", view.id, currency=CREDITS)
        return view

    async def later(self, cast: Cast, *, top_ups: int, credits_pico: int) -> None:
        """Write what happened since: payments, and what became of the credentials' versions, in order."""
        stories = {one.name: one for one in plan.CREDENTIALS}
        turns = [(number / max(1, top_ups), "", "pay") for number in range(top_ups)]
        for name, one in stories.items():
            turns += [(part, name, what) for part, what in STORIES[one.story]]
        for part, name, what in sorted(turns):
            self._go(part)
            if what == "pay":
                await self._pay(credits_pico)
            else:
                await self._stories.turn(cast.credentials[name].id, stories[name], what)
        await self._vault.revoke(
            self._conn,
            organization_id=self._organization_id,
            credential=cast.credentials[plan.PLATFORM.name].id,
            version=None,
        )
        await self._diary.record("credential.revoked", "credential", cast.credentials[plan.PLATFORM.name].id)

    async def _pay(self, credits_pico: int) -> None:
        at = self._calendar.now_us()
        booking = await Ledger(self._calendar).top_up(
            self._conn,
            organization_id=self._organization_id,
            amount=credits_pico,
            reference=f"demo-{self._organization_id}-{at}",
            note="A made-up payment.",
            actor_id=self._owner_id,
        )
        await self._diary.record("credits.topped_up", "transfer", booking.transfer.id)
