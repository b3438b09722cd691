"""The one door from a sealed key to plaintext."""

from keystead.domain.credential import Credential, SealedVersion
from keystead.domain.secret import Secret
from keystead.vault.envelope import open_sealed, provider_key_binding
from keystead.vault.keyring import Keyring


class LeaseDoor:
    """Opens a credential's key for one attempt. Its importers are kept to the gateway's dispatch and the probe."""

    def __init__(self, keyring: Keyring) -> None:
        """Open keys with the root keys of `keyring`."""
        self._keyring = keyring

    async def lease(self, credential: Credential, version: SealedVersion) -> Secret:
        """Return the key of `version`, to be used for one attempt to `credential.origin` and dropped.

        With the organization's root key at hand (see `Keyring.root_keys`) this is computation only.

        Raises:
            IntegrityError: the sealed bytes were not made for this credential, version, provider and origin.
            VaultError: the organization's root key cannot be had.
        """
        root_keys = await self._keyring.root_keys(credential.organization_id)
        binding = provider_key_binding(
            organization_id=credential.organization_id,
            credential_id=credential.id,
            version=version.version,
            provider=credential.provider,
            origin=credential.origin,
        )
        return Secret(open_sealed(root_keys, binding, version.sealed).decode("ascii"))
