"""Somebody who signs catalogue updates, and the updates that they sign."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from keystead.domain.secret import Secret
from keystead.gateway.editions import PAYLOAD_TYPE
from keystead.metering.price_list import PriceList
from keystead.metering.prices import load_snapshot
from keystead.vault.signatures import sign


class Signer:
    """A key pair."""

    def __init__(self) -> None:
        key = Ed25519PrivateKey.generate()
        self.private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, contents: Any, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
        """Return `contents` signed, as a file holds it."""
        payload = contents if isinstance(contents, bytes) else msgspec.json.encode(contents)
        signed: dict[str, Any] = msgspec.to_builtins(sign(payload, payload_type, Secret(self.private_pem)))
        return signed


SIGNER: Final = Signer()


def price_list(prices: Mapping[str, Mapping[str, str]], built_on: str = "2027-01-01") -> PriceList:
    """Return the vendored list as of `built_on`, in which these OpenAI models have other standard prices, or are new."""
    before = load_snapshot().catalogue.price_list
    models = {model.id: model for model in before.providers["openai"]}
    for name, given in prices.items():
        row = {"prices": given}
        models[name] = msgspec.convert(
            {"id": name, "match": [name], "rows": [row]}, type=type(before.providers["openai"][0])
        )
    return msgspec.structs.replace(
        before, built_on=built_on, providers={**before.providers, "openai": tuple(models.values())}
    )


def signed_update() -> dict[str, Any]:
    """Return an update that may be applied."""
    prices = price_list({"gpt-99": {"input_tokens": "0.000002", "output_tokens": "0.000008"}})
    return SIGNER.sign({"format": 1, "prices": prices})
