"""What a virtual key that is narrowed to endpoints or models may not do, whatever its grants say. Pure."""

from keystead.domain.access import VirtualKey
from keystead.domain.credential import Credential
from keystead.domain.errors import PolicyDenied
from keystead.domain.traffic import Endpoint


def check_endpoint(key: VirtualKey, endpoint: Endpoint) -> None:
    """Refuse an endpoint that the key is narrowed from.

    Raises:
        PolicyDenied: as it says.
    """
    if key.endpoints is not None and endpoint not in key.endpoints:
        raise PolicyDenied(f"This virtual key may not use {endpoint.value}.", code="endpoint_not_allowed")


def check_alternatives(key: VirtualKey, credential: Credential) -> None:
    """Refuse a request with a list of other models to fall back on where not every model is allowed.

    Raises:
        PolicyDenied: the key or the credential is narrowed to models, and the body names more than the one checked.
    """
    if key.models is not None or credential.models is not None:
        raise PolicyDenied(
            "This virtual key may not let the provider choose among `models`.",
            code="model_not_allowed",
            param="models",
            next_step="Name the one model in `model`, and leave `models` out.",
        )
