"""How callers are proved to the clouds, wired to the transport, the vault's signer and the platform's own tokens."""

from keystead.domain.clock import Clock
from keystead.providers.authorization import Authorizer
from keystead.providers.aws.access import AwsAccess
from keystead.providers.entra_access import EntraAccess
from keystead.providers.google_access import GoogleAccess
from keystead.providers.identity import Identity
from keystead.providers.row import Scheme
from keystead.providers.tokens import TokenSource
from keystead.providers.transport import Transport
from keystead.settings import Settings
from keystead.vault.assertion import sign


def cloud_ways(
    settings: Settings, *, transport: Transport, tokens: TokenSource, clock: Clock
) -> dict[Scheme, Authorizer]:
    """Return the ways that exchange a key for an access token, which `tokens` keeps or does not."""
    identity = Identity(
        google_file=settings.google_token_file, entra_file=settings.entra_token_file, aws_file=settings.aws_token_file
    )
    return {
        Scheme.AWS: AwsAccess(
            transport=transport, tokens=tokens, identity=identity, clock=clock, sts_origin=settings.aws_sts_origin
        ),
        Scheme.GOOGLE: GoogleAccess(
            transport=transport,
            tokens=tokens,
            sign=sign,
            identity=identity,
            clock=clock,
            origin=settings.google_token_origin,
        ),
        Scheme.ENTRA: EntraAccess(
            transport=transport, tokens=tokens, identity=identity, public_origin=settings.entra_origin
        ),
    }
