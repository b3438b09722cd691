"""What keeps other sites out of a signed-in browser, and a page from doing what it was not written to do. Pure."""

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from keystead.web.console.visit import StaleFormError

SECURE_COOKIE: Final = "__Host-keystead"
PLAIN_COOKIE: Final = "keystead"
"""Where the console is not behind TLS, as on one's own machine: a browser would not keep the other."""

HEADERS: Final[Mapping[str, str]] = {
    # Nothing inline, nothing from elsewhere, no frames: what somebody wrote into a name stays text (T33).
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types own-page"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def require_same_origin(headers: Mapping[str, str]) -> None:
    """Let a change through that the console's own page asks for.

    Every browser of today sends `Origin` with a POST, and most `Sec-Fetch-Site`. The scheme is not compared: a proxy
    in front may speak TLS, and the names that count are checked at the socket already.

    Raises:
        StaleFormError: another site asks, or nobody knows who.
    """
    site = headers.get("sec-fetch-site", "same-origin")
    try:
        asking = urlsplit(headers.get("origin", "")).netloc.lower()
    except ValueError:  # half an IPv6 address
        asking = ""
    if site != "same-origin" or not asking or asking != headers.get("host", "").lower():
        raise StaleFormError("This form was sent from another site.")


def require_form_token(given: str, expected: str) -> None:
    """Let a form through that was made for this session.

    Raises:
        StaleFormError: it was not.
    """
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise StaleFormError


def origin_of(headers: Mapping[str, str], cookies: Mapping[str, str]) -> str:
    """Return where a signed-in browser finds the gateway, for texts that name it.

    A session behind TLS is in a cookie that is kept nowhere else, whoever ended TLS.
    """
    scheme = "https" if SECURE_COOKIE in cookies else "http"
    return f"{scheme}://{headers.get('host', '')}"


def session_cookie(token: str, *, secure: bool, max_age_s: int) -> str:
    """Return the `Set-Cookie` that keeps a session; scripts cannot read it."""
    name = SECURE_COOKIE if secure else PLAIN_COOKIE
    return f"{name}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def is_secure(headers: Mapping[str, str]) -> bool:
    """Say whether the console is behind TLS, by what a browser says of the page that sent a form."""
    return headers.get("origin", "").startswith("https://")


def presented_session(cookies: Mapping[str, str]) -> str:
    """Return the session that a browser shows; empty if none."""
    return cookies.get(SECURE_COOKIE) or cookies.get(PLAIN_COOKIE) or ""


def is_own_path(path: str) -> bool:
    """Say whether one may be sent there after signing in: within the console, and nowhere else (open redirects)."""
    return path.startswith("/console/") and "\\" not in path and "//" not in path and path.isprintable()
