"""AWS Signature Version 4, for requests whose whole body is at hand. Pure.

Written here because both official signers are unfit: botocore is 16 MB and synchronous, `aws-sdk-signers` wants a newer
Python than we do. It is checked against AWS's own test vectors and against botocore.
(docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
"""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from keystead.domain.access_key import AccessKey
from keystead.providers.request import UpstreamRequest

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SIGNED: Final = ("content-type", "content-md5")
"""Headers of the request that are signed; those that a proxy may change are not. Ours (host, x-amz-*) always are."""


def sign(
    request: UpstreamRequest, key: AccessKey, *, region: str, service: str, at_us: int
) -> tuple[tuple[str, str], ...]:
    """Return the headers that prove who sends `request`, the date among them.

    Args:
        request: What is sent, complete.
        key: Whose it is.
        region: The region of the endpoint that is called.
        service: AWS's name of the service, `bedrock` or `sts`.
        at_us: Now, Unix microseconds; AWS takes it five minutes off.
    """
    date = datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": date}
    if key.session_token is not None:
        added["x-amz-security-token"] = key.session_token
    kept = {name.lower(): " ".join(value.split()) for name, value in request.headers if name.lower() in _SIGNED}
    signed = dict(sorted({**kept, **added, "host": request.origin.partition("://")[2]}.items()))
    names = ";".join(signed)
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    canonical = _canonical(request, signed, names)
    to_sign = "\n".join([_ALGORITHM, date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(_key(key, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    proof = f"{_ALGORITHM} Credential={key.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return (*added.items(), ("authorization", proof))


def _canonical(request: UpstreamRequest, signed: dict[str, str], names: str) -> str:
    path, _, query = request.target.partition("?")
    return "\n".join(
        [
            request.method,
            quote(path, safe="/~"),  # encoded a second time, as every service but S3 wants it
            "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair)),
            *[f"{name}:{value}" for name, value in signed.items()],
            "",
            names,
            hashlib.sha256(request.body).hexdigest(),
        ]
    )


def _key(key: AccessKey, scope: str) -> bytes:
    made = b"AWS4" + key.secret_access_key.encode()
    for part in scope.split("/"):
        made = hmac.new(made, part.encode(), hashlib.sha256).digest()
    return made
