"""Where alerts are sent: whole settings or none, and nowhere that the egress guard closes."""

from pathlib import Path

import msgspec
import pytest

from keystead.app.alert_webhook import AlertWebhook, alert_webhook
from keystead.domain.errors import GatewayError
from keystead.providers.egress import EgressGuard
from keystead.settings import Settings, load

SECRET = "5f1d" * 16


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "alerts.secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    environment = {
        "KEYSTEAD_HOME": str(tmp_path),
        "KEYSTEAD_ALERT_WEBHOOK_URL": "https://hooks.example.com/keystead?to=ops",
        "KEYSTEAD_ALERT_WEBHOOK_SECRET_FILE": str(file),
    }
    return load(environment)


def found(settings: Settings, *, allow: tuple[str, ...] = (), **changes: str) -> AlertWebhook | None:
    return alert_webhook(msgspec.structs.replace(settings, **changes), EgressGuard(allow))


def test_an_address_and_a_secret_make_a_webhook(settings: Settings) -> None:
    webhook = found(settings)
    assert webhook is not None
    assert (webhook.origin, webhook.target) == ("https://hooks.example.com", "/keystead?to=ops")
    assert [secret.reveal() for secret in webhook.secrets] == [SECRET]
    bare = found(settings, alert_webhook_url="https://hooks.example.com")
    assert bare is not None
    assert bare.target == "/"


def test_without_both_there_is_none(settings: Settings) -> None:
    assert found(settings, alert_webhook_url="", alert_webhook_secret_file="") is None


@pytest.mark.parametrize("missing", ["alert_webhook_url", "alert_webhook_secret_file"])
def test_half_a_webhook_is_refused(settings: Settings, missing: str) -> None:
    with pytest.raises(GatewayError) as refused:
        alert_webhook(msgspec.structs.replace(settings, **{missing: ""}), EgressGuard(()))
    assert refused.value.code == "alert_webhook_refused"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com/a b",
        "ftp://hooks.example.com/",
        "hooks.example.com",
        "https:///keystead",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_what_is_no_place_to_send_alerts_to_is_refused(settings: Settings, url: str) -> None:
    with pytest.raises(GatewayError) as refused:
        found(settings, alert_webhook_url=url)
    assert refused.value.code == "alert_webhook_refused"


def test_ones_own_network_is_allowed_by_name(settings: Settings) -> None:
    webhook = found(settings, allow=("127.0.0.1",), alert_webhook_url="http://127.0.0.1:8080/in")
    assert webhook is not None
    assert webhook.origin == "http://127.0.0.1:8080"
