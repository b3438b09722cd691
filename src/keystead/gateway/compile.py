"""From the tables to each organization's rules. One read transaction, one pass over every table."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.credential import Credential
from keystead.domain.traffic import Owner
from keystead.gateway.known import KnownModels
from keystead.gateway.rules import Rules
from keystead.identity import directory
from keystead.ledger import store as ledger
from keystead.limits import store as limits
from keystead.limits.holds import BudgetRules
from keystead.limits.rates import RateRules
from keystead.policy import store as policy
from keystead.policy.access import AccessRules
from keystead.policy.classes import DataClasses
from keystead.policy.recognize import Recognizers
from keystead.routing import store as routing

T = TypeVar("T")


async def compile_rules(
    conn: AsyncConnection, credentials: Sequence[Credential], known: KnownModels
) -> dict[str, Rules]:
    """Return every organization's rules, as the tables say in this transaction. `known` are the models behind them."""
    teams = _by_organization(await directory.team_facts(conn))
    grants = _by_organization(await policy.grants(conn))
    classes = _by_organization(await policy.data_classes(conn))
    recognizers = _by_organization(await policy.recognizers(conn))
    consents = _by_organization(await policy.consents(conn))
    routes = _by_organization(await routing.model_routes(conn))
    budgets = _by_organization(await limits.budgets(conn))
    rate_limits = _by_organization(await limits.rate_limits(conn))
    prepaid = await ledger.prepaid_accounts(conn)
    own = _by_organization(credential for credential in credentials if credential.owner is not Owner.PLATFORM)
    platform = [credential for credential in credentials if credential.owner is Owner.PLATFORM]
    return {
        facts.id: Rules(
            organization_id=facts.id,
            time_zone=facts.time_zone,
            credentials=_usable(own.get(facts.id, []), platform),
            teams={team.id: team for team in teams.get(facts.id, [])},
            access=AccessRules(grants.get(facts.id, [])),
            classes=DataClasses(classes.get(facts.id, [])),
            recognizers=Recognizers(rows) if (rows := recognizers.get(facts.id)) else None,
            routes={route.name: route for route in routes.get(facts.id, [])},
            consents=tuple(consents.get(facts.id, [])),
            budgets=BudgetRules(budgets.get(facts.id, [])),
            rates=RateRules(rate_limits.get(facts.id, [])),
            prepaid_account=prepaid.get(facts.id),
            known=known,
        )
        for facts in await directory.organization_facts(conn)
    }


def _usable(own: Sequence[Credential], platform: Sequence[Credential]) -> tuple[Credential, ...]:
    """Return own credentials, then the platform's whose name is not taken: a name means the organization's own."""
    names = {credential.name for credential in own}
    return (*own, *(credential for credential in platform if credential.name not in names))


def _by_organization(values: Iterable[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for value in values:
        found.setdefault(value.organization_id, []).append(value)  # type: ignore[attr-defined]
    return found
