"""T2: who may change an address cannot have the key sent there.

Langfuse CVE-2026-41487: an edited base URL reused the stored secret, and the connection test sent it.
"""

import pytest

from tests.attacks.conftest import Stage
from tests.fakes.provider import FakeProvider

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLD_KEY = "sk-proj-attack-before-9d5e2a4860b1c9d7f3"
NEW_KEY = "sk-proj-attack-after-2a4860b1c9d7f3b9d5e"


async def test_a_changed_destination_voids_the_key_for_every_use(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    # Both ports of this provider are allowed: what protects the key here is the binding alone.
    async with FakeProvider() as elsewhere:
        await gateway.add_credential("moving", "openai", OLD_KEY, origin=each_stage.fake.origin)
        assert (await gateway.chat("moving/gpt-5")).status == 200
        calls = len(each_stage.fake.calls)

        # An address outside the allow-list is refused before anything changes.
        refused = await gateway.admin(
            "POST", "/credentials/moving/destination", {"origin": elsewhere.origin}, expect=403
        )
        assert refused["code"] == "egress_denied"
        assert (await gateway.chat("moving/gpt-5")).status == 200

        moved = await gateway.admin(
            "POST", "/credentials/moving/destination", {"origin": "https://api.elsewhere.example"}
        )
        assert moved["active_version"] is None
        assert [version["state"] for version in moved["versions"]] == ["revoked"]

        refusals = {
            "chat": (await gateway.chat("moving/gpt-5")).status,
            **{
                action: (
                    await gateway.call("POST", f"/admin/v1/credentials/moving/{action}", body, key=gateway.admin_token)
                ).status
                for action, body in {
                    "probe": {"version": 1},
                    "activate": {"version": 1, "force": True},
                    "rollback": {},
                    "retire": {"version": 1},
                }.items()
            },
        }
        assert refusals == {"chat": 404, "probe": 409, "activate": 409, "rollback": 409, "retire": 409}
        assert elsewhere.connections == 0
        assert len(each_stage.fake.calls) == calls + 1

        # Back at the first address the old key stays void: it was destroyed, not hidden.
        await gateway.admin("POST", "/credentials/moving/destination", {"origin": each_stage.fake.origin})
        assert (await gateway.chat("moving/gpt-5")).status == 404

        rotated = await gateway.admin("POST", "/credentials/moving/rotate", {"key": NEW_KEY})
        assert rotated["credential"]["active_version"] == 2
        assert (await gateway.chat("moving/gpt-5")).status == 200
        assert each_stage.fake.calls[-1].auth == f"Bearer {NEW_KEY}"
    await gateway.admin("POST", "/credentials/moving/revoke", {})


async def test_an_addition_or_a_rotation_cannot_name_another_destination(each_stage: Stage) -> None:
    gateway = each_stage.gateway
    for path, body in (
        ("/credentials/my-openai/rotate", {"key": NEW_KEY, "origin": each_stage.internal.origin}),
        ("/credentials/my-openai/probe", {"version": 1, "origin": each_stage.internal.origin}),
        ("/credentials/my-openai/activate", {"version": 1, "base_url": each_stage.internal.origin}),
        ("/credentials", {"name": "x", "provider": "openai", "key": NEW_KEY, "base_url": each_stage.internal.origin}),
    ):
        await gateway.admin("POST", path, body, expect=400)
