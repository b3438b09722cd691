"""A revocation made through a gateway counts at once, and nothing that goes on beside it brings the key back."""

import asyncio

import pytest

from tests.attacks.conftest import Stage
from tests.attacks.keys import issue

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE = 6
ROUNDS = 6


async def test_a_key_works_from_its_first_moment_to_its_last_and_not_after(each_stage: Stage) -> None:
    # Each change makes the gateway compile its view of the keys anew. Several at once overlap, and an older view that
    # is finished later must not take the place of a newer one.
    gateway = each_stage.gateway

    async def life(_: int) -> None:
        for _ in range(ROUNDS):
            key = await issue(gateway, "brief")
            assert (await gateway.call("GET", "/v1/responses/none", key=key["key"])).status == 404
            await gateway.admin("POST", f"/virtual-keys/{key['id']}/revoke")
            for _ in range(3):
                assert (await gateway.call("GET", "/v1/responses/none", key=key["key"])).status == 401

    await asyncio.gather(*[life(number) for number in range(AT_ONCE)])
