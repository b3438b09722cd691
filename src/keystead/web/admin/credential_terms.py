"""What the contract behind a credential promises. Data classes say what is needed; see `data_classes`."""

from typing import Final

import msgspec

from keystead.domain.access import Permission
from keystead.domain.grants import Terms
from keystead.web.admin.credential_probes import changing
from keystead.web.admin.credential_shapes import CredentialShown, SetTerms, shown
from keystead.web.admin.route import Call, Route, act
from keystead.web.admin.values import Nothing, future


async def set_terms(call: Call[Nothing, SetTerms]) -> CredentialShown:
    """Say what the contract promises, in place of all that was said before."""
    body = call.body
    terms = Terms(
        regions=tuple(dict.fromkeys(body.regions)),
        retention_days=body.retention_days,
        no_training=body.no_training,
        baa_reference=body.baa_reference.strip(),
        dpa_reference=body.dpa_reference.strip(),
        ends_at=future(body.ends_at, call.rooms.clock.now_us(), param="ends_at"),
    )
    async with act(call) as change:
        before = await changing(call, change.conn)
        after = await call.rooms.credentials.set_terms(
            change.conn, organization_id=call.who.organization_id, credential=before.id, terms=terms
        )
        await change.record(
            "credential.terms_set",
            object_kind="credential",
            object_id=before.id,
            before=msgspec.structs.asdict(before.terms),
            terms=msgspec.structs.asdict(after.terms),
        )
    return shown(after)


ROUTES: Final = (
    Route(
        method="POST",
        path="/credentials/{credential}/terms",
        permission=Permission.CREDENTIAL_WRITE,
        handler=set_terms,
        summary="Say what the contract behind a credential promises.",
        body=SetTerms,
        answer=CredentialShown,
        errors=(404, 409),
    ),
)
