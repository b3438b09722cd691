"""The provider a caller names, or an error that lists those there are."""

from keystead.domain.errors import InvalidRequestError
from keystead.providers.row import Provider
from keystead.providers.table import PROVIDERS


def provider_named(name: str) -> Provider:
    """Return the provider.

    Raises:
        InvalidRequestError: there is none of that name.
    """
    provider = PROVIDERS.get(name)
    if provider is None:
        raise InvalidRequestError(
            f"There is no provider {name!r}.",
            code="unknown_provider",
            param="provider",
            next_step=f"Choose one of: {', '.join(sorted(PROVIDERS))}.",
        )
    return provider
