"""What may be changed of a credential without another key: whatever no key is bound to."""

from typing import Annotated, Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import OnDisconnect
from keystead.providers.given import check_change
from keystead.providers.table import PROVIDERS
from keystead.web.admin.credential_probes import changing, require_own_identity
from keystead.web.admin.credential_shapes import CredentialShown, PriceRegion, Setting, SettingName, shown
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import ModelPatterns, Nothing


class ChangeCredential(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; null leaves it as it is."""

    settings: Annotated[dict[SettingName, Setting], msgspec.Meta(max_length=20)] | None = None
    """All of them, in place of those it has."""
    region: PriceRegion | None = None
    models: ModelPatterns | None = None
    all_models: bool = False
    """Serve all that the provider has."""
    on_disconnect: OnDisconnect | None = None


async def change_credential(call: Call[Nothing, ChangeCredential]) -> CredentialShown:
    """Change a credential's settings, price region, models or what it does when a client leaves."""
    body = call.body
    if body == ChangeCredential():
        raise InvalidRequestError("Nothing changes.", next_step="Say what to change.")
    if body.models is not None and body.all_models:
        raise InvalidRequestError("Some models are not all models.", param="all_models")
    some = msgspec.UNSET if body.models is None else body.models
    async with act(call) as change:
        before = await changing(call, change.conn)
        if body.settings is not None:
            check_change(PROVIDERS[before.provider], before.settings, body.settings)
            require_own_identity(call, {**before.settings, **body.settings})
        after = await call.rooms.credentials.change(
            change.conn,
            organization_id=call.who.organization_id,
            credential=before.id,
            settings=body.settings,
            region=body.region,
            models=None if body.all_models else some,
            on_disconnect=body.on_disconnect,
        )
        fields = ("settings", "region", "models", "on_disconnect")
        await change.record(
            "credential.changed",
            object_kind="credential",
            object_id=before.id,
            before={field: getattr(before, field) for field in fields},
            after={field: getattr(after, field) for field in fields},
        )
    return shown(after)


ROUTES: Final = (
    Route(
        method="POST",
        path="/credentials/{credential}/change",
        permission=Permission.CREDENTIAL_WRITE,
        handler=change_credential,
        summary="Change a credential's settings, price region, models or what it does when a client leaves.",
        body=ChangeCredential,
        answer=CredentialShown,
        errors=(404, 409),
    ),
)
