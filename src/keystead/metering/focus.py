"""Usage as charges of the FinOps Open Cost and Usage Specification (FOCUS 1.2, https://focus.finops.org), day by day.

A charge is what one virtual key used of one model on one credential within a local day, or within the part of a day in
which its tags stayed as they were. Costs are what the price book says, as far as they are known: the bill may differ,
and so billed, effective, contracted and list cost are one figure. What the platform's credentials cost is the
platform's; such a charge has no cost, and the credits that were paid for it in a column of its own.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.domain.clock import HOUR_US, hour_of
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Owner
from keystead.metering.calendar import days_between, month_of, zone_of
from keystead.metering.days import Span
from keystead.metering.usage import usage_by
from keystead.metering.usage_views import UsageLine
from keystead.storage.governance import virtual_key_tags

BY: Final = ("team", "cost_center", "virtual_key", "credential", "provider", "model", "owner")
"""What charges are told apart by, beside their time."""
MOST_IN_A_DAY: Final = 200_000
"""Charges of one part of a day, which are held in memory."""

Tags = dict[str, dict[str, str]]


class TagChange(msgspec.Struct, frozen=True, kw_only=True):
    """From which hour on a virtual key has a value of a tag; an empty one is none."""

    hour_at: int
    virtual_key_id: str
    tag: str
    value: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A day, or the part of one in which no tag changed, with the tags of every key in it."""

    span: Span
    month: Span
    """The local month that holds it: the billing period."""
    tags: Tags
    """Until the next part is asked for."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Whose charges they are."""

    organization_id: str
    name: str
    currency: str
    time_zone: str


def asked_span(since: int, until: int) -> Span:
    """Return the whole hours from one instant until another.

    Raises:
        InvalidRequestError: it ends before it begins.
    """
    span = Span(hour_of(since), hour_of(until + HOUR_US - 1))
    if span.since >= span.until:
        raise InvalidRequestError("The span must end after it begins.", param="until")
    return span


async def tag_changes(conn: AsyncConnection, organization_id: str) -> Sequence[TagChange]:
    """Return every change of a tag there was, the oldest first."""
    table = virtual_key_tags
    query = select(table).where(table.c.organization_id == organization_id).order_by(table.c.valid_from)
    return [
        TagChange(
            # An hour counts to the tags that the key had when it began.
            hour_at=hour_of(row.valid_from + HOUR_US - 1),
            virtual_key_id=row.virtual_key_id,
            tag=row.tag,
            value=row.value,
        )
        for row in await conn.execute(query)
    ]


def parts_of(account: Account, span: Span, changes: Sequence[TagChange]) -> Iterator[Part]:
    """Yield the parts of a span, in order."""
    zone = zone_of(account.time_zone)
    cuts = sorted({change.hour_at for change in changes})
    tags: Tags = {}
    coming = deque(changes)
    for begin, end in days_between(zone, span.since, span.until):
        first, last = max(begin, span.since), min(end, span.until)
        bounds = [first, *(at for at in cuts if first < at < last), last]
        for since, until in pairwise(bounds):
            while coming and coming[0].hour_at <= since:
                _apply(tags, coming.popleft())
            yield Part(span=Span(since, until), month=Span(*month_of(begin, zone)), tags=tags)


async def charges(
    conn: AsyncConnection, account: Account, part: Part, *, team_ids: frozenset[str] | None
) -> Sequence[UsageLine]:
    """Return what was used in a part (by these teams; None: by all); what was refused unsent is no charge."""
    found = await usage_by(
        conn,
        organization_id=account.organization_id,
        dimensions=BY,
        from_at=part.span.since,
        to_at=part.span.until,
        team_ids=team_ids,
        most=MOST_IN_A_DAY,
    )
    return [line for line in found.lines if line.attempts]


def charge(line: UsageLine, account: Account, part: Part, *, titles: Mapping[str, str]) -> dict[str, Any]:
    """Return a charge by column: a FOCUS one, or one of ours, `x_…`. `titles` are the providers' names for people."""
    team, center, key, credential, provider_key, model, owner = line.keys
    provider = titles.get(provider_key.id, provider_key.id)
    cost = Decimal(line.cost if owner.id != Owner.PLATFORM else 0)
    tokens = line.input_total + line.output_total
    quantity, unit = (tokens, "Tokens") if tokens else (line.attempts, "Requests")
    sku = f"{provider_key.id}/{model.id}"
    tags = part.tags.get(key.id)
    return {
        "BilledCost": cost,
        "BillingAccountId": account.organization_id,
        "BillingAccountName": account.name,
        "BillingAccountType": "Organization",
        "BillingCurrency": line.currency or account.currency,
        "BillingPeriodEnd": _instant(part.month.until),
        "BillingPeriodStart": _instant(part.month.since),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": f"{model.name}, {provider}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _instant(part.span.until),
        "ChargePeriodStart": _instant(part.span.since),
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "InvoiceIssuerName": provider if owner.id != Owner.PLATFORM else "Keystead",
        "ListCost": cost,
        "PricingCategory": "Standard",
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "ProviderName": provider,
        "PublisherName": provider,
        "ResourceId": key.id,
        "ResourceName": key.name,
        "ResourceType": "Virtual key",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": provider,
        "ServiceSubcategory": "Generative AI",
        "SkuId": sku,
        "SkuPriceId": sku,
        "SubAccountId": team.id,
        "SubAccountName": team.name,
        "SubAccountType": "Team",
        "Tags": msgspec.json.encode(tags, order="deterministic").decode() if tags else None,
        "x_CostCenter": center.name,
        "x_CredentialId": credential.id,
        "x_CredentialName": credential.name,
        "x_CredentialOwner": owner.id,
        "x_Credits": Decimal(line.charge),
        "x_Requests": line.requests,
        "x_InputTokens": line.input_total,
        "x_OutputTokens": line.output_total,
        "x_EstimatedAttempts": line.estimated,
        "x_UnpricedAttempts": line.unpriced,
        "x_UnknownCostAttempts": line.unknown,
    }


COLUMNS: Final = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost",
    "InvoiceIssuerName", "ListCost", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName",
    "PublisherName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
    "ServiceSubcategory", "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
    "x_CostCenter", "x_CredentialId", "x_CredentialName", "x_CredentialOwner", "x_Credits", "x_Requests",
    "x_InputTokens", "x_OutputTokens", "x_EstimatedAttempts", "x_UnpricedAttempts", "x_UnknownCostAttempts",
)  # fmt: skip
"""The columns of a charge, in order."""


def _apply(tags: Tags, change: TagChange) -> None:
    mine = tags.setdefault(change.virtual_key_id, {})
    if change.value:
        mine[change.tag] = change.value
    else:
        mine.pop(change.tag, None)


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
