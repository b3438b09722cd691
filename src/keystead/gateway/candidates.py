"""Which credentials can be asked at all, whatever may then be decided about them. Pure."""

from collections.abc import Sequence

from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.translate import wire_to
from keystead.providers.table import PROVIDERS
from keystead.routing.resolve import Candidate


def candidates_for(
    key: VirtualKey, credentials: Sequence[Credential], *, dialect: Dialect, endpoint: Endpoint
) -> list[Candidate]:
    """Return the usable credentials that `key` is not narrowed from and whose provider can be asked.

    In the key's own order of preference when it is narrowed to credentials.
    """
    asked = (dialect, endpoint)
    able = {
        credential.id: Candidate(
            credential=credential,
            makes=PROVIDERS[credential.provider].native_models,
            native=asked in PROVIDERS[credential.provider].endpoints,
        )
        for credential in credentials
        if credential.active is not None and wire_to(PROVIDERS[credential.provider], asked) is not None
    }
    if key.credential_ids is None:
        return list(able.values())
    return [able[identifier] for identifier in key.credential_ids if identifier in able]
