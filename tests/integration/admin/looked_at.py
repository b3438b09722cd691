"""A deployment as the doctor is given it."""

from typing import Any

from keystead.app.health import Deployment
from keystead.limits.rates import Rates
from keystead.settings import Settings
from keystead.storage.database import Database
from tests.integration.admin.world import World


def deployment(world: World, database: Database, settings: Settings, **otherwise: Any) -> Deployment:
    """Return a process of the world's deployment in which nothing is wrong, but for what is said otherwise."""
    values: dict[str, Any] = {
        "version": "1",
        "settings": settings,
        "database": database,
        "keyring": world.keyring,
        "rates": Rates(clock=world.clock),
        "snapshot": world.snapshots.current,
        "rounds": (),
        "processes": 1,
        "started_at": world.clock.now_us(),
        "notices_to": "",
        "clock": world.clock,
    }
    return Deployment(**values | otherwise)
