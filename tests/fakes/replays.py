"""Simulations of recorded traffic, and what they are of."""

from collections.abc import Sequence
from typing import Any, Final

from keystead.domain.access import VirtualKey
from keystead.domain.grants import Consent, Reason
from keystead.domain.routes import ModelRoute, RouteAttempt
from keystead.domain.traffic import ErrorClass, Owner
from keystead.gateway.replay.side import Side
from keystead.gateway.replay.simulate import Simulation
from keystead.gateway.replay.sums import Change
from keystead.gateway.rules import Rules
from keystead.metering.recorded import Recorded
from tests.fakes.clock import START_US
from tests.fakes.traffic import ORGANIZATION, Asking, Traffic, credential, means, virtual_key

OWN, SPARE = credential("own"), credential("spare")
POOL: Final = credential("pool", owner=Owner.PLATFORM, margin_ppm=0)
SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
ONE: Final = 625_000_000
"""What a request of 100 tokens in and 50 out costs, in pico USD."""
MOST: Final = 7_100_000_000
"""The most that can be, by 400 bytes and a limit of 100 tokens: what is held."""
COSTS_ONE: Final = Asking(at=START_US)
DOWN: Final = {"own": ErrorClass.UNREACHABLE}
ROUTE: Final = ModelRoute(
    id="rte_1",
    organization_id=ORGANIZATION,
    name="coding",
    strategy="ordered",
    sticky=False,
    attempts=(
        RouteAttempt(model="gpt-5", credential_id=OWN.id),
        RouteAttempt(model="gpt-5-mini", credential_id=SPARE.id),
    ),
)
CONSENT: Final = Consent(
    id="con_1",
    organization_id=ORGANIZATION,
    team_ids=None,
    models=None,
    data_classes=("public", "internal"),
    reasons=(Reason.DOWN,),
    daily_cap_pico=3 * 10**12,
    monthly_cap_pico=5 * 10**12,
    created_by="mem_1",
    expires_at=START_US * 2,
)


def every(seconds: float, times: int, **asked: Any) -> list[Asking]:
    return [Asking(at=START_US + round(number * seconds * SECOND), **asked) for number in range(times)]


def simulation(
    today: Rules, other: Rules, *keys: VirtualKey, since: int = 0, withdrawn: Sequence[str] = (), differ: bool = False
) -> Simulation:
    return Simulation(
        Side(today, keys or (virtual_key(),), means()),
        Side(other, keys or (virtual_key(),), means(), withdrawn=frozenset(withdrawn)),
        since=since,
        recognizers_differ=differ,
        examples=5,
    )


async def replayed(simulation: Simulation, records: Sequence[Recorded]) -> list[Change]:
    return [await simulation.add(recorded) for recorded in records]


async def kinds(today: Rules, other: Rules, *asked: Asking) -> list[str]:
    """What becomes of requests made under `today` under `other`."""
    records = await Traffic(today).record(*asked)
    return [change.kind for change in await replayed(simulation(today, other), records)]
