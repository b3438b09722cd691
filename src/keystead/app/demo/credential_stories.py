"""The demonstration's credentials: keys that are none, sealed, and what became of their versions."""

from collections.abc import Mapping
from random import Random  # noqa: TID251 - a made-up past must be the same for the same seed; nothing of it is secret
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from keystead.app.demo import plan
from keystead.app.demo.cast import Placed
from keystead.app.demo.diary import Diary
from keystead.domain.credential import Credential
from keystead.domain.grants import Terms
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.secret import Secret
from keystead.domain.traffic import OnDisconnect, Owner
from keystead.vault.credentials import Credentials

_KEY_SIGNS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class CredentialStories:
    """Adds credentials and turns their versions, in the caller's transaction. The vault tells the time."""

    def __init__(
        self,
        conn: AsyncConnection,
        vault: Credentials,
        diary: Diary,
        *,
        organization_id: OrganizationId,
        owner_id: str,
        begins_at: int,
        until: int,
        random: Random,
    ) -> None:
        """Write for one organization, whose past is from `begins_at` to `until`."""
        self._conn = conn
        self._vault = vault
        self._diary = diary
        self._organization_id = organization_id
        self._owner_id = owner_id
        self._begins_at = begins_at
        self._span = until - begins_at
        self._random = random

    async def add(self, one: plan.CredentialPlan, owner: Owner) -> Placed:
        """Add one that works, with its terms."""
        origin = f"https://{one.provider}.demo.invalid"
        candidate = Credential(
            id=CredentialId(""),
            organization_id=self._organization_id,
            name=one.name,
            provider=one.provider,
            origin=origin,
            settings={},
            owner=owner,
            region=one.region,
            models=one.models,
            on_disconnect=OnDisconnect.DRAIN,
            margin_ppm=plan.MARGIN_PPM if owner is Owner.PLATFORM else None,
            active=None,
        )
        view = await self._vault.add(
            self._conn, candidate=candidate, actor_id=self._owner_id, key=self._fake_key(one), activate=True
        )
        await self._diary.record("credential.added", "credential", view.id, name=one.name, provider=one.provider)
        terms = Terms(
            regions=(one.region,) if one.region else ("us",),
            retention_days=0 if one.zero_retention else 30,
            no_training=True,
            dpa_reference=f"DPA-{one.provider.upper()}-2024",
        )
        await self._vault.set_terms(self._conn, organization_id=self._organization_id, credential=view.id, terms=terms)
        await self._probe(view.id, 1, ok=True)
        return Placed(
            id=view.id,
            name=one.name,
            provider=one.provider,
            origin=origin,
            region=one.region,
            owner=owner.value,
            versions=self._timeline(one),
        )

    def _timeline(self, one: plan.CredentialPlan) -> tuple[tuple[int, int], ...]:
        turns = {
            "rotated": ((0.0, 1), (0.45, 2)),
            "draining": ((0.0, 1), (0.999, 2)),
            "rolled_back": ((0.0, 1), (0.5, 2), (0.52, 1)),
        }
        return tuple(
            (self._begins_at + int(self._span * part), version) for part, version in turns.get(one.story, ((0.0, 1),))
        )

    def _fake_key(self, one: plan.CredentialPlan) -> Secret:
        tail = "".join(self._random.choices(_KEY_SIGNS, k=24))
        return Secret(f"{one.key}not-a-real-key-{tail}")

    async def _probe(self, credential_id: str, version: int, *, ok: bool) -> None:
        result: dict[str, object] = {
            "ok": ok,
            "outcome": "valid" if ok else "invalid",
            "status": 200 if ok else 401,
            "message": "The provider accepts the key." if ok else "The provider does not know this key.",
            "latency_us": 184_000,
        }
        await self._vault.record_probe(
            self._conn,
            organization_id=self._organization_id,
            credential=credential_id,
            version=version,
            result=result,
        )

    async def turn(self, credential: str, one: plan.CredentialPlan, what: str) -> None:
        """Do one thing of a story to a credential."""
        vault, conn, organization_id = self._vault, self._conn, self._organization_id
        if what == "stage":
            view = await vault.stage(
                conn,
                organization_id=organization_id,
                actor_id=self._owner_id,
                credential=credential,
                key=self._fake_key(one),
            )
            await self._probe(credential, view.version, ok=True)
        elif what == "activate":
            await vault.activate(conn, organization_id=organization_id, credential=credential, version=2)
        elif what == "retire":
            await vault.retire(conn, organization_id=organization_id, credential=credential, version=1)
        elif what == "back":
            await vault.rollback(conn, organization_id=organization_id, credential=credential)
        elif what == "revoke":
            await vault.revoke(conn, organization_id=organization_id, credential=credential, version=None)
        else:
            await self._probe(credential, 1, ok=False)
        await self._diary.record(f"credential.{_DONE[what]}", "credential", credential)


STORIES: Final[Mapping[str, tuple[tuple[float, str], ...]]] = {
    "rotated": ((0.44, "stage"), (0.45, "activate"), (0.46, "retire")),
    "draining": ((0.97, "stage"), (0.9999, "activate")),
    "staged": ((0.98, "stage"),),
    "rolled_back": ((0.49, "stage"), (0.5, "activate"), (0.52, "back")),
    "revoked": ((0.7, "revoke"),),
    "expired": ((0.9, "fail"),),
    "plain": (),
}
"""What becomes of credentials, by the part of the past at which it does."""
_DONE: Final = {
    "stage": "staged",
    "activate": "activated",
    "retire": "retired",
    "back": "rolled_back",
    "revoke": "revoked",
    "fail": "probed",
}
