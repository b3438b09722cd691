"""T19: nobody but the payment system tops up an account.

new-api CVE-2026-41432: an installation without a webhook secret took a notice signed with the empty one as genuine.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keystead.app.first_start import prepare
from keystead.domain.clock import SystemClock
from keystead.domain.errors import GatewayError
from keystead.domain.secret import Secret
from keystead.ledger.webhook import HEADER, signature_of
from keystead.settings import load
from tests.conftest import ENGINES, PostgresServer
from tests.fakes.gateway import Gateway, Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "5f1d" * 16
OLDER = "a07e" * 16
PATH = "/hooks/top-ups"

_reference = iter(f"pay_{number}" for number in range(10_000))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ENGINES)
async def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("t19")
    settings = {"topup_webhook_secret_file": str(secret_file(folder, f"{SECRET}\n{OLDER}\n"))}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        settings["database_url"] = await server.create_database("t19")
    async with Gateway.running(folder / "home", **settings) as running:
        yield running


def secret_file(folder: Path, content: str, mode: int = 0o600) -> Path:
    path = folder / "webhook.secret"
    path.write_text(content)
    path.chmod(mode)
    return path


def signed(body: bytes, *, secret: str = SECRET, at: float | None = None) -> str:
    stamp = str(int(time.time() if at is None else at))
    return f"t={stamp},v1={signature_of(body, stamp=stamp, secret=Secret(secret))}"


async def notice(gateway: Gateway, **changes: Any) -> bytes:
    organization = (await gateway.admin("GET", "/organization"))["id"]
    content = {"organization": organization, "credits": "500", "reference": next(_reference), **changes}
    return json.dumps(content).encode()


async def tell(gateway: Gateway, body: bytes, signature: str | None, **more: Any) -> Reply:
    headers = {"content-type": "application/json"} | ({} if signature is None else {HEADER: signature})
    return await post(gateway, body, headers, **more)


async def post(gateway: Gateway, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> Reply:
    async with gateway.session.request(method, gateway.url + PATH, data=body, headers=headers) as answer:
        return Reply(answer.status, dict(answer.headers), await answer.read())


async def paid_in(gateway: Gateway) -> str:
    return str((await gateway.admin("GET", "/credits"))["paid_in"])


async def test_a_signed_notice_is_booked_once_however_often_it_is_told(gateway: Gateway) -> None:
    before = Decimal(await paid_in(gateway))
    body = await notice(gateway)
    replies = await asyncio.gather(*[tell(gateway, body, signed(body)) for _ in range(5)])
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert replies[0].json()["credits"] == "500"
    assert Decimal(await paid_in(gateway)) == before + 500
    events = (await gateway.admin("GET", "/audit-events?action=credits.topped_up"))["items"]
    told = [event for event in events if event["object_id"] == replies[0].json()["transfer"]]
    assert [(event["actor_kind"], event["actor_id"]) for event in told] == [("system", "top_up_webhook")]


async def test_the_secret_before_counts_while_they_change(gateway: Gateway) -> None:
    body = await notice(gateway)
    assert (await tell(gateway, body, signed(body, secret=OLDER))).status == 200


FORGERIES: dict[str, Callable[[bytes], str | None]] = {
    "no signature": lambda body: None,
    "an empty one": lambda body: "",
    "the empty secret": lambda body: signed(body, secret=""),
    "another secret": lambda body: signed(body, secret="0" * 64),
    "almost the secret": lambda body: signed(body, secret=SECRET.upper()),
    "an old one": lambda body: signed(body, at=time.time() - 301),
    "one from the future": lambda body: signed(body, at=time.time() + 360),
    "one of 1970": lambda body: signed(body, at=0),
    "of another body": lambda body: signed(body + b" "),
    "two times": lambda body: f"{signed(body)},t=1",
    "another scheme": lambda body: signed(body).replace("v1=", "v0="),
    "a time that is none": lambda body: "t=1e309,v1=" + "0" * 64,
    "an endless time": lambda body: "t=" + "9" * 300 + ",v1=" + "0" * 64,
}


async def test_a_forged_notice_changes_nothing(gateway: Gateway, subtests: pytest.Subtests) -> None:
    before = await paid_in(gateway)
    for what, forged in FORGERIES.items():
        with subtests.test(what):
            body = await notice(gateway)
            reply = await tell(gateway, body, forged(body))
            assert (reply.status, reply.json()["code"]) == (401, "invalid_signature")
            assert await paid_in(gateway) == before


async def test_two_signature_headers_are_one_too_many(gateway: Gateway) -> None:
    body = await notice(gateway)
    good = signed(body)
    assert (await tell(gateway, body, f"{good}, {good}")).status == 401


async def test_a_genuine_signature_is_of_no_use_for_another_payment(gateway: Gateway) -> None:
    body = await notice(gateway)
    signature = signed(body)
    assert (await tell(gateway, body, signature)).status == 200
    before = await paid_in(gateway)
    for changed in (body.replace(b'"500"', b'"501"'), body.replace(b"pay_", b"pay-"), body.replace(b'"500"', b'"5e9"')):
        assert (await tell(gateway, changed, signature)).status == 401
    # Signed anew, the same payment with other content is refused as well: one payment has one reference.
    more = body.replace(b'"500"', b'"501"')
    reply = await tell(gateway, more, signed(more))
    assert (reply.status, reply.json()["code"]) == (409, "reference_taken")
    assert await paid_in(gateway) == before


async def test_even_a_genuine_notice_must_make_sense(gateway: Gateway, subtests: pytest.Subtests) -> None:
    cases: tuple[tuple[dict[str, Any], int], ...] = (
        ({"credits": "-5"}, 400),
        ({"credits": "0"}, 400),
        ({"credits": "NaN"}, 400),
        ({"credits": "1e309"}, 400),
        ({"credits": 500}, 400),
        ({"credits": "0.0000000000001"}, 400),
        ({"credits": "99999999999999999999"}, 400),
        ({"credits": "9223372"}, 409),
        ({"reference": ""}, 400),
        ({"reference": "a\nb"}, 400),
        ({"organization": "org_00000000000000000000000000"}, 404),
        ({"organization": ["/*"]}, 400),
        ({"balance": "1000000"}, 400),
    )
    before = await paid_in(gateway)
    for changes, status in cases:
        with subtests.test(changes=changes):
            body = await notice(gateway, **changes)
            reply = await tell(gateway, body, signed(body))
            assert reply.status == status, reply.body
            assert reply.json()["next_step"]
            assert await paid_in(gateway) == before


async def test_a_body_without_end_is_not_read_to_its_end(gateway: Gateway) -> None:
    body = b" " * 20_000
    assert (await tell(gateway, body, signed(body))).status == 413


async def test_only_a_post_tells_a_payment(gateway: Gateway) -> None:
    body = await notice(gateway)
    for method in ("GET", "PUT", "DELETE"):
        assert (await tell(gateway, body, signed(body), method=method)).status == 405


async def test_an_admin_token_is_no_signature(gateway: Gateway) -> None:
    body = await notice(gateway)
    assert (await post(gateway, body, {"authorization": f"Bearer {gateway.admin_token}"})).status == 401


async def test_without_a_secret_there_is_no_webhook(tmp_path: Path) -> None:
    async with Gateway.running(tmp_path / "home") as bare:
        body = await notice(bare)
        for signature in (None, signed(body, secret=""), signed(body)):
            assert (await tell(bare, body, signature)).status == 404
        assert await paid_in(bare) == "100"


NO_SECRETS: dict[str, tuple[str | None, int]] = {
    "empty": ("", 0o600),
    "blank": ("\n\n", 0o600),
    "short": ("changeme", 0o600),
    "one of two short": (f"{SECRET}\nshort\n", 0o600),
    "three": (f"{SECRET}\n" * 3, 0o600),
    "readable by others": (SECRET, 0o644),
    "missing": (None, 0o600),
}


async def test_a_secret_that_protects_nothing_is_refused_before_anything_is_made(
    tmp_path: Path, subtests: pytest.Subtests
) -> None:
    for what, (content, mode) in NO_SECRETS.items():
        with subtests.test(what):
            path = tmp_path / "nothing" if content is None else secret_file(tmp_path, content, mode)
            home = tmp_path / "home"
            settings = load({"KEYSTEAD_HOME": str(home), "KEYSTEAD_TOPUP_WEBHOOK_SECRET_FILE": str(path)})
            with pytest.raises(GatewayError, match="KEYSTEAD_TOPUP_WEBHOOK_SECRET_FILE") as refused:
                await prepare(settings, SystemClock())
            assert SECRET not in f"{refused.value} {refused.value.next_step}"
            assert not home.exists()


async def test_a_secret_that_protects_nothing_keeps_the_gateway_from_starting(tmp_path: Path) -> None:
    path = secret_file(tmp_path, f"{SECRET}\nshort\n")
    gateway = Gateway(tmp_path / "home", {"KEYSTEAD_TOPUP_WEBHOOK_SECRET_FILE": str(path)})
    with pytest.raises(AssertionError, match="did not start") as failed:
        await gateway.start()
    assert "KEYSTEAD_TOPUP_WEBHOOK_SECRET_FILE" in str(failed.value)
    assert SECRET not in str(failed.value)
