"""A finished request in the records."""

import json
from typing import Any, Final

from keystead.domain.ids import InstanceId, new_id
from keystead.domain.means import Hold
from keystead.domain.money import Pico
from keystead.domain.records import AttemptIntent, Cost, RequestIntent, Settlement
from keystead.domain.traffic import CostState, State
from keystead.domain.usage import Reading, Usage, UsageSource
from tests.integration.admin.world import World

OUTLINE: Final = '{"body_bytes":400,"asked":{"max_output_tokens":100}}'
"""Of a request of 400 bytes that asks for 100 tokens."""


async def settled(
    world: World,
    *,
    model: str = "gpt-5",
    asked: str = "",
    cost: Cost | None = None,
    team_id: str | None = None,
    key_name: str = "first key",
    decision: Any = None,
    data_class: str = "",
    outline: str = OUTLINE,
    holds: tuple[Hold, ...] = (),
) -> str:
    """Record one finished request and return its id.

    Args:
        world: where.
        model: what was sent.
        asked: what was asked for; by default that model of OpenAI's.
        cost: what it cost.
        team_id: whose it was; by default the key's team's.
        key_name: with which virtual key it was made.
        decision: what was decided, as the gateway writes it.
        data_class: how sensitive it was.
        outline: what else the decision looked at, as the gateway writes it.
        holds: what was held for it.
    """
    now = world.clock.now_us()
    [key] = [key for key in world.snapshots.current.keys.values() if key.name == key_name]
    credential = world.snapshots.current.rules[world.organization_id].credentials[0]
    instance = InstanceId("ins_1")
    request = RequestIntent(
        id=new_id("req", now),
        organization_id=world.organization_id,
        started_at=now,
        instance_id=instance,
        team_id=team_id or key.team_id,
        principal_kind=key.principal_kind,
        principal_id=key.principal_id,
        virtual_key_id=key.id,
        dialect="openai",
        endpoint="chat",
        model_asked=asked or f"openai/{model}",
        stream=False,
        decision=json.dumps(decision or {"rule": "provider_name"}),
        data_class=data_class,
        client="tests/1",
        outline=outline,
    )
    attempt = AttemptIntent(
        number=1,
        started_at=now,
        credential_id=credential.id,
        credential_version=1,
        owner="own",
        provider="openai",
        model_sent=model,
        destination=credential.origin,
        holds=holds,
    )
    await world.database.heartbeat(instance)
    await world.database.journal.intend(request, attempt)
    await world.database.journal.settle(
        Settlement(
            request=request,
            attempt=attempt,
            state=State.SETTLED,
            finished_at=now + 1_500_000,
            duration_us=1_500_000,
            status_code=200,
            upstream_status=200,
            reading=Reading(
                usage=Usage(input_tokens=100, output_tokens=20), source=UsageSource.PROVIDER, model=f"{model}-2025"
            ),
            cost=cost
            or Cost(state=CostState.PRICED, pico=Pico(325_000_000), lines=(("input_tokens", "100", "0.00000125"),)),
        )
    )
    return request.id
