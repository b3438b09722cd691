"""Gateways that `doom` befalls."""

from collections.abc import Mapping

import msgspec

from tests.chaos.doom import Doom
from tests.fakes import forked
from tests.fakes.gateway import Gateway, ServerProcess


class DoomedGateway(Gateway):
    """A `Gateway` whose clock and end are fixed from outside."""

    doom = Doom()
    """Of its next start."""

    async def spawn(self, environment: Mapping[str, str]) -> ServerProcess:
        told = msgspec.json.encode(self.doom).decode()
        with self.log.open("ab") as log:
            return await forked.start(["serve"], environment, stderr=log, first=("tests.chaos.doom:befall", told))
