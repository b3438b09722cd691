"""What Bedrock is shown: a bearer key, a signature, or one with keys that STS lent for a role."""

import json
from pathlib import Path
from typing import Any

import pytest

from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import ProviderError
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.secret import Secret
from keystead.domain.traffic import ErrorClass, OnDisconnect, Owner
from keystead.providers.authorization import Authorized
from keystead.providers.aws.access import AwsAccess
from keystead.providers.identity import Identity
from keystead.providers.request import UpstreamRequest
from keystead.providers.row import Auth
from keystead.providers.tokens import Tokens
from tests.fakes.clock import FakeClock
from tests.fakes.tokens import Asked, TokenServers

FRANKFURT = "https://bedrock-runtime.eu-central-1.amazonaws.com"
BEARER = "ABSKdGVzdA=="
DOCUMENT = '{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}'
ROLE = "arn:aws:iam::123456789012:role/gateway"
REQUEST = UpstreamRequest(
    method="POST",
    origin=FRANKFURT,
    target="/model/m/converse",
    headers=(("content-type", "application/json"),),
    body=b"{}",
    auth=Auth(header="Authorization", prefix="Bearer "),
)


def credential(origin: str = FRANKFURT, **settings: str) -> Credential:
    return Credential(
        id=CredentialId("cred_1"),
        organization_id=OrganizationId("org_1"),
        name="mine",
        provider="bedrock",
        origin=origin,
        settings=settings,
        owner=Owner.OWN,
        region="",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        active=SealedVersion(version=1, state=VersionState.ACTIVE, sealed=b""),
    )


class World:
    """An authorizer, and the STS it asks."""

    def __init__(self, *, file: str = "") -> None:
        self.clock = FakeClock()
        self.refusal: tuple[int, Any] | None = None
        self.sts = TokenServers(self._answer)
        self.access = AwsAccess(
            transport=self.sts, tokens=Tokens(self.clock), identity=Identity(aws_file=file), clock=self.clock
        )

    async def show(self, of: Credential, key: str = DOCUMENT) -> Authorized:
        return await self.access.authorize(REQUEST, of, Secret(key))

    def _answer(self, asked: Asked) -> tuple[int, Any]:
        if self.refusal is not None:
            return self.refusal
        action = asked.form["Action"]
        lent = {
            "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "SecretAccessKey": "lent/secret/EXAMPLEKEY",
            "SessionToken": f"token-{len(self.sts.asked)}",
            "Expiration": self.clock.now_us() / 1_000_000 + 3600,
        }
        return 200, {f"{action}Response": {f"{action}Result": {"Credentials": lent}}}


async def test_a_bearer_key_goes_out_as_it_is() -> None:
    assert await World().show(credential(), BEARER) == Authorized(
        headers=(("Authorization", f"Bearer {BEARER}"),), hidden=(BEARER,)
    )


async def test_an_access_key_signs_and_stays_here() -> None:
    shown = await World().show(credential())
    assert "/eu-central-1/bedrock/aws4_request" in dict(shown.headers)["authorization"]
    assert shown.hidden == ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",)
    assert shown.hidden[0] not in repr(shown.headers)


@pytest.mark.parametrize(
    ("origin", "region"),
    [
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-0abc-def.bedrock-runtime.us-east-1.vpce.amazonaws.com", "us-east-1"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
async def test_the_address_tells_the_region(origin: str, region: str) -> None:
    shown = await World().show(credential(origin))
    assert f"/{region}/bedrock/" in dict(shown.headers)["authorization"]


async def test_a_setting_tells_it_where_the_address_does_not() -> None:
    shown = await World().show(credential("https://bedrock.example.com", region="us-west-2"))
    assert "/us-west-2/bedrock/" in dict(shown.headers)["authorization"]
    with pytest.raises(ProviderError, match="region") as raised:
        await World().show(credential("https://bedrock-runtime.eu-central-1.amazonaws.com.evil.example"))
    assert not raised.value.sent


@pytest.mark.parametrize("key", ["{}", "{", '{"access_key_id":"AKIAIOSFODNN7EXAMPLE"}', DOCUMENT[:-1] + ',"more":1}'])
async def test_a_document_without_an_access_key_is_told_without_its_content(key: str) -> None:
    with pytest.raises(ProviderError, match="access_key_id") as raised:
        await World().show(credential(), key)
    assert (raised.value.sent, raised.value.error_class) == (False, ErrorClass.AUTH_FAILED)
    assert "wJalr" not in raised.value.message


async def test_a_role_is_taken_once_and_its_keys_sign_until_shortly_before_they_end() -> None:
    world = World()
    of = credential(role_arn=ROLE, external_id="tenant-1")
    await world.show(of)
    await world.show(of)
    shown = dict((await world.show(of)).headers)
    assert shown["x-amz-security-token"] == "token-1"
    assert "Credential=ASIAIOSFODNN7EXAMPLE/" in shown["authorization"]
    [asked] = world.sts.asked
    assert asked.url == "https://sts.eu-central-1.amazonaws.com/"
    assert (asked.form["Action"], asked.form["RoleArn"], asked.form["ExternalId"]) == ("AssumeRole", ROLE, "tenant-1")
    assert "/eu-central-1/sts/aws4_request" in asked.headers["authorization"]
    world.clock.advance(3595)
    assert dict((await world.show(of)).headers)["x-amz-security-token"] == "token-2"


async def test_the_gateways_own_identity_takes_a_role_without_any_key(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("eyJ.from.the-platform")
    world = World(file=str(file))
    shown = await world.show(credential(role_arn=ROLE, identity="workload"), "workload")
    assert dict(shown.headers)["x-amz-security-token"] == "token-1"
    [asked] = world.sts.asked
    assert asked.form["Action"] == "AssumeRoleWithWebIdentity"
    assert asked.form["WebIdentityToken"] == "eyJ.from.the-platform"
    assert "authorization" not in asked.headers
    with pytest.raises(ProviderError, match="role_arn"):
        await world.show(credential(identity="workload"), "workload")


async def test_a_role_that_may_not_be_taken_is_told_with_awss_code_alone() -> None:
    world = World()
    world.refusal = 403, {"Error": {"Code": "AccessDenied", "Message": "User arn:aws:iam::1:user/x is not authorized"}}
    with pytest.raises(ProviderError, match="AccessDenied") as raised:
        await world.show(credential(role_arn=ROLE))
    assert raised.value.error_class is ErrorClass.PERMISSION_DENIED
    assert "arn:" not in raised.value.message


@pytest.mark.parametrize("answer", [{}, {"AssumeRoleResponse": {"AssumeRoleResult": {"Credentials": {}}}}, []])
async def test_an_answer_without_keys_is_told(answer: Any) -> None:
    world = World()
    world.refusal = 200, answer
    with pytest.raises(ProviderError, match="without a token"):
        await world.show(credential(role_arn=ROLE))


async def test_the_key_that_takes_a_role_is_hidden_too() -> None:
    world = World()
    shown = await world.show(credential(role_arn=ROLE), json.dumps(json.loads(DOCUMENT)))
    assert world.sts.asked[0].hidden == (json.loads(DOCUMENT)["secret_access_key"],)
    assert shown.hidden == ("lent/secret/EXAMPLEKEY", "token-1")
