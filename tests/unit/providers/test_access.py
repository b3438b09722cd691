"""What a key is exchanged for: what is asked, where, and what is told when there is no token."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import ProviderError
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.secret import Secret
from keystead.domain.traffic import Dialect, ErrorClass, OnDisconnect, Owner
from keystead.providers.authorization import Authorized
from keystead.providers.entra_access import EntraAccess
from keystead.providers.failures import CONNECT_FAILED
from keystead.providers.google_access import GoogleAccess
from keystead.providers.identity import Identity
from keystead.providers.request import UpstreamRequest
from keystead.providers.table import PROVIDERS
from keystead.providers.tokens import TokenSource
from keystead.vault.assertion import sign
from tests.fakes.clock import FakeClock
from tests.fakes.tokens import EMAIL, Asked, Script, TokenServers, rsa_key, service_account

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
APP = {"tenant_id": TENANT, "client_id": CLIENT}
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/here"
SECRET = "a~client~secret~of~an~application~0123"
BEARER = (("Authorization", "Bearer access-token-0123456789"),)
GRANTED = {"access_token": "access-token-0123456789", "expires_in": 3599, "token_type": "Bearer"}


def credential(provider: str, **settings: str) -> Credential:
    return Credential(
        id=CredentialId("cred_1"),
        organization_id=OrganizationId("org_1"),
        name="mine",
        provider=provider,
        origin="https://api.example",
        settings=settings,
        owner=Owner.OWN,
        region="",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        active=SealedVersion(version=1, state=VersionState.ACTIVE, sealed=b""),
    )


def granting(_asked: Asked) -> tuple[int, Any]:
    return 200, GRANTED


class House:
    """Both ways in, over token endpoints that answer as scripted."""

    def __init__(self, script: Script, *, identity: Identity | None = None) -> None:
        self.servers = TokenServers(script)
        self.clock = FakeClock()
        shared: dict[str, Any] = {
            "transport": self.servers,
            "tokens": TokenSource(),
            "identity": identity or Identity(),
        }
        self.google = GoogleAccess(sign=sign, clock=self.clock, **shared)
        self.entra = EntraAccess(**shared)

    async def access(self, provider: str, key: str, **settings: str) -> Authorized:
        auth = PROVIDERS[provider].auth_for(Dialect.OPENAI)
        request = UpstreamRequest(
            method="POST", origin="https://api.example", target="/", headers=(), body=b"", auth=auth
        )
        way = self.google if provider == "vertex" else self.entra
        return await way.authorize(request, credential(provider, **settings), Secret(key))

    async def refused(self, provider: str, key: str, **settings: str) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            await self.access(provider, key, **settings)
        assert not caught.value.sent
        said = f"{caught.value.message} {caught.value.next_step} {caught.value.__cause__}"
        for secret in (SECRET, "BEGIN PRIVATE KEY", "eyJ", EMAIL, CLIENT):
            assert secret not in said
        return caught.value


async def test_a_service_account_signs_an_assertion_that_google_takes_for_a_token() -> None:
    house = House(granting)
    authorized = await house.access("vertex", service_account())

    assert authorized == Authorized(headers=BEARER, hidden=("access-token-0123456789",))
    (asked,) = house.servers.asked
    assert asked.url == "https://oauth2.googleapis.com/token"
    assert asked.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert asked.hidden == (asked.form["assertion"],)
    token = jwt.decode(asked.form["assertion"], RSAKey.import_key(rsa_key(2048).public_key()), algorithms=["RS256"])
    now_s = house.clock.now_us() // 1_000_000
    assert token.header == {"alg": "RS256", "typ": "JWT", "kid": "0123456789abcdef0123456789abcdef01234567"}
    assert token.claims == {
        "iss": EMAIL,
        "scope": SCOPE,
        "aud": "https://oauth2.googleapis.com/token",
        "iat": now_s,
        "exp": now_s + 3600,
    }


async def test_the_document_does_not_say_where_its_assertion_goes() -> None:
    house = House(granting)
    await house.access("vertex", service_account(token_uri="https://evil.example/token"))

    (asked,) = house.servers.asked
    assert asked.url == "https://oauth2.googleapis.com/token"


async def test_an_application_shows_its_secret_to_its_own_directory() -> None:
    house = House(granting)
    authorized = await house.access("azure", SECRET, **APP)

    assert authorized == Authorized(headers=BEARER, hidden=("access-token-0123456789",))
    (asked,) = house.servers.asked
    assert asked.url == f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    assert asked.form == {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "scope": "https://cognitiveservices.azure.com/.default",
    }
    assert asked.hidden == (SECRET,)


@pytest.mark.parametrize(
    ("cloud", "authority", "scope"),
    [
        ("usgov", "https://login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"),
        ("china", "https://login.chinacloudapi.cn", "https://cognitiveservices.azure.cn/.default"),
    ],
)
async def test_a_sovereign_cloud_has_its_own_authority(cloud: str, authority: str, scope: str) -> None:
    house = House(granting)
    await house.access("azure", SECRET, cloud=cloud, **APP)

    (asked,) = house.servers.asked
    assert asked.url.startswith(f"{authority}/")
    assert asked.form["scope"] == scope


async def test_a_resources_own_key_is_sent_as_it_is() -> None:
    house = House(granting)
    authorized = await house.access("azure", SECRET)

    assert authorized == Authorized(headers=(("api-key", SECRET),), hidden=(SECRET,))
    assert house.servers.asked == []


async def test_the_gateways_own_identity_stands_for_an_application(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("eyJ-platform-token\n")
    house = House(granting, identity=Identity(entra_file=str(file)))
    await house.access("azure", "workload", identity="workload", **APP)

    (asked,) = house.servers.asked
    assert asked.form["client_assertion"] == "eyJ-platform-token"
    assert asked.form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in asked.form
    assert asked.hidden == ("eyJ-platform-token",)


async def test_the_gateways_own_identity_acts_as_a_service_account(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("eyJ-platform-token")

    def script(asked: Asked) -> tuple[int, Any]:
        if asked.url.startswith("https://sts."):
            return 200, {"access_token": "federated-token-0123", "expires_in": 3600}
        ends = datetime.fromtimestamp(house.clock.now_us() / 1_000_000 + 1800, UTC)
        return 200, {"accessToken": "access-token-0123456789", "expireTime": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}

    house = House(script, identity=Identity(google_file=str(file)))
    settings = {"identity": "workload", "audience": AUDIENCE, "service_account": EMAIL}
    authorized = await house.access("vertex", "workload", **settings)

    assert authorized.headers == BEARER
    exchange, impersonation = house.servers.asked
    assert exchange.url == "https://sts.googleapis.com/v1/token"
    assert exchange.form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": AUDIENCE,
        "scope": SCOPE,
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token": "eyJ-platform-token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }
    accounts = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
    assert impersonation.url == f"{accounts}/{EMAIL}:generateAccessToken"
    assert impersonation.headers == {"Authorization": "Bearer federated-token-0123"}
    assert impersonation.json == {"scope": [SCOPE], "lifetime": "3600s"}


async def test_without_a_service_account_the_federated_token_itself_is_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("eyJ-platform-token")
    house = House(granting, identity=Identity(google_file=str(file)))
    authorized = await house.access("vertex", "workload", identity="workload", audience=AUDIENCE)

    assert authorized.headers == BEARER
    assert len(house.servers.asked) == 1


@pytest.mark.parametrize("content", [None, "", "two\nlines", "não"])
async def test_a_platform_token_that_cannot_be_read_is_the_operators_matter(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    house = House(granting, identity=Identity(google_file=str(file)))
    error = await house.refused("vertex", "workload", identity="workload", audience=AUDIENCE)

    assert (error.error_class, error.code) == (ErrorClass.UNREACHABLE, "no_workload_identity")
    assert str(tmp_path) not in error.message


async def test_a_gateway_without_an_identity_says_which_variable_is_missing() -> None:
    house = House(granting)
    google = await house.refused("vertex", "workload", identity="workload", audience=AUDIENCE)
    entra = await house.refused("azure", "workload", identity="workload", **APP)

    assert "KEYSTEAD_GOOGLE_TOKEN_FILE" in google.message
    assert "AZURE_FEDERATED_TOKEN_FILE" in entra.message


LEAKING = f"{SECRET} was wrong"
REFUSALS = [
    ((400, {"error": "invalid_grant", "error_description": LEAKING}), ErrorClass.AUTH_FAILED, "invalid_grant"),
    ((401, {"error": "invalid_client", "error_description": LEAKING}), ErrorClass.AUTH_FAILED, "invalid_client"),
    ((403, {"error": {"status": "PERMISSION_DENIED", "message": SECRET}}), ErrorClass.PERMISSION_DENIED, "PERMISSION"),
    ((429, {"error": "slow_down"}), ErrorClass.THROTTLED, "slow_down"),
    ((503, b"<html>busy</html>"), ErrorClass.UNREACHABLE, "status 503"),
    ((400, {"error": "temporarily_unavailable"}), ErrorClass.UNREACHABLE, "temporarily_unavailable"),
    ((400, {"error": f"{SECRET}"}), ErrorClass.AUTH_FAILED, "status 400"),
    ((400, b"[" * 60_000), ErrorClass.AUTH_FAILED, "status 400"),
    ((200, {"expires_in": 3600}), ErrorClass.PROTOCOL, "without a token"),
    ((200, {"access_token": "", "expires_in": 3600}), ErrorClass.PROTOCOL, "without a token"),
    ((200, {"access_token": "t", "expires_in": "soon"}), ErrorClass.PROTOCOL, "without a token"),
    ((200, b"not json"), ErrorClass.PROTOCOL, "without a token"),
    (CONNECT_FAILED.error(), ErrorClass.UNREACHABLE, "connect_failed"),
]


@pytest.mark.parametrize(("answer", "error_class", "told"), REFUSALS)
@pytest.mark.parametrize("provider", ["vertex", "azure"])
async def test_a_refusal_says_whose_fault_it_is_and_nothing_of_the_key(
    provider: str, answer: Any, error_class: ErrorClass, told: str
) -> None:
    house = House(lambda _asked: answer)
    key, settings = (service_account(), {}) if provider == "vertex" else (SECRET, APP)
    error = await house.refused(provider, key, **settings)

    assert error.error_class is error_class
    assert told in error.message


async def test_entra_says_by_number_what_is_wrong() -> None:
    described = f"AADSTS7000215: Invalid client secret provided for a secret added to app '{CLIENT}'."
    house = House(lambda _asked: (401, {"error": "invalid_client", "error_description": described}))
    error = await house.refused("azure", SECRET, **APP)

    assert error.message == "Microsoft Entra ID refused the key (invalid_client, AADSTS7000215)."
