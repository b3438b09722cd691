"""Signatures, against AWS's published vectors and against AWS's own SDK."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.access_key import AccessKey
from keystead.providers.aws.sigv4 import sign
from keystead.providers.request import UpstreamRequest
from keystead.providers.row import Auth

AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
AT_US = int(AT.timestamp()) * 1_000_000
KEY = AccessKey(access_key_id="AKIDEXAMPLEEXAMP", secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def request(
    target: str, *, method: str = "POST", body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()
) -> UpstreamRequest:
    origin = "https://example.amazonaws.com"
    return UpstreamRequest(
        method=method, origin=origin, target=target, headers=headers, body=body, auth=Auth(header="Authorization")
    )


# docs.aws.amazon.com, "Signature Version 4 test suite"
VECTORS = {
    "get-vanilla": (
        request("/", method="GET"),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "post-vanilla": (request("/"), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "get-vanilla-query-order-key": (
        request("/?Param2=value2&Param1=value1", method="GET"),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "post-x-www-form-urlencoded": (
        request("/", body=b"Param1=value1", headers=(("Content-Type", "application/x-www-form-urlencoded"),)),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_published_vectors(name: str) -> None:
    asked, signature = VECTORS[name]
    key = AccessKey(access_key_id="AKIDEXAMPLE", secret_access_key=KEY.secret_access_key)
    headers = dict(sign(asked, key, region="us-east-1", service="service", at_us=AT_US))
    assert headers["authorization"].endswith(f"Signature={signature}")
    assert "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request" in headers["authorization"]


@given(
    model=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=60),
    body=st.binary(max_size=200),
    token=st.none() | st.from_regex(r"[A-Za-z0-9/+=]{20,200}", fullmatch=True),
)
def test_it_signs_as_the_sdk_of_aws_does(model: str, body: bytes, token: str | None) -> None:
    asked = request(
        f"/model/{quote(model, safe='')}/converse", body=body, headers=(("content-type", "application/json"),)
    )
    key = AccessKey(access_key_id=KEY.access_key_id, secret_access_key=KEY.secret_access_key, session_token=token)
    ours = dict(sign(asked, key, region="eu-central-1", service="bedrock", at_us=AT_US))

    theirs = AWSRequest(method="POST", url=asked.url, data=body, headers=dict(asked.headers))
    theirs.context["timestamp"] = AT.strftime("%Y%m%dT%H%M%SZ")
    signer = SigV4Auth(Credentials(key.access_key_id, key.secret_access_key, token), "bedrock", "eu-central-1")
    theirs.headers["X-Amz-Date"] = theirs.context["timestamp"]
    if token:
        theirs.headers["X-Amz-Security-Token"] = token
    canonical = signer.canonical_request(theirs)
    signature = signer.signature(signer.string_to_sign(theirs, canonical), theirs)
    assert ours["authorization"].endswith(f"Signature={signature}")
    assert ours.get("x-amz-security-token") == token


def test_the_secret_is_in_none_of_the_headers() -> None:
    headers = sign(request("/"), KEY, region="us-east-1", service="bedrock", at_us=AT_US)
    assert KEY.secret_access_key not in repr(headers)
    assert KEY.secret_access_key not in repr(KEY)
