"""A finished request in the records."""

from keystead.domain.ids import InstanceId, new_id
from keystead.domain.money import Pico
from keystead.domain.records import AttemptIntent, Cost, RequestIntent, Settlement
from keystead.domain.traffic import CostState, State
from keystead.domain.usage import Reading, Usage, UsageSource
from tests.integration.admin.world import World


async def settled(world: World, *, model: str = "gpt-5", cost: Cost | None = None, team_id: str | None = None) -> str:
    """Record one finished request of the first key, as of that key's team or another, and return its id."""
    now = world.clock.now_us()
    [key] = [key for key in world.snapshots.current.keys.values() if key.name == "first key"]
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
        model_asked=f"openai/{model}",
        stream=False,
        decision='{"rule":"provider_name"}',
        client="tests/1",
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
            reading=Reading(
                usage=Usage(input_tokens=100, output_tokens=20), source=UsageSource.PROVIDER, model=f"{model}-2025"
            ),
            cost=cost
            or Cost(state=CostState.PRICED, pico=Pico(325_000_000), lines=(("input_tokens", "100", "0.00000125"),)),
        )
    )
    return request.id
