"""Where the operator has alerts and digests sent, as the settings say it."""

import re
from typing import Final

import msgspec

from keystead.app.webhook_secrets import load_webhook_secrets
from keystead.domain.errors import GatewayError, InvalidRequestError, PolicyDenied
from keystead.domain.secret import Secret
from keystead.providers.egress import EgressGuard
from keystead.settings import Settings

_URL: Final = re.compile(r"(https?://[^/?#\s]+)(/[!-\"$-~]*)?", re.ASCII)
"""Printable ASCII without a fragment; of the origin the guard has its own, strict reading."""


class AlertWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where, and what is signed with."""

    origin: str
    target: str
    secrets: tuple[Secret, ...]


def alert_webhook(settings: Settings, guard: EgressGuard) -> AlertWebhook | None:
    """Return where alerts are sent; None where they are not.

    Raises:
        GatewayError: the settings of the webhook cannot be used.
    """
    url, file = settings.alert_webhook_url, settings.alert_webhook_secret_file
    if bool(url) is not bool(file):
        raise GatewayError(
            "An alert webhook takes a URL and a secret.",
            code="alert_webhook_refused",
            next_step="Set both KEYSTEAD_ALERT_WEBHOOK_URL and KEYSTEAD_ALERT_WEBHOOK_SECRET_FILE, or neither.",
        )
    if not url:
        return None
    found = _URL.fullmatch(url)
    if found is None:
        raise _unusable("It is not a URL of scheme, host and path.")
    try:
        origin = guard.check_origin(found[1])
    except (InvalidRequestError, PolicyDenied) as error:
        raise _unusable(error.message) from error
    secrets = load_webhook_secrets(file, variable="KEYSTEAD_ALERT_WEBHOOK_SECRET_FILE")
    return AlertWebhook(origin=origin, target=found[2] or "/", secrets=secrets)


def _unusable(reason: str) -> GatewayError:
    return GatewayError(
        f"KEYSTEAD_ALERT_WEBHOOK_URL cannot be used. {reason}",
        code="alert_webhook_refused",
        next_step="Give an https URL; what is on your own network also goes into KEYSTEAD_EGRESS_ALLOW.",
    )
