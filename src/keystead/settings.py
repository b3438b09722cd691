"""Every setting, in one typed table. All come from environment variables named `KEYSTEAD_…`.

The table `SETTINGS` is the single source: reading, validation and `docs/reference/settings.md` come from it.
"""

import os
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsError(Exception):
    """A setting is missing or not valid; the message names the variable and what it takes."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process."""

    home: Path
    host: str
    port: int
    workers: int
    hosts: tuple[str, ...]
    database_url: str
    kek_file: Path
    egress_allow: tuple[str, ...]
    log_level: LogLevel
    sqlite_synchronous: Literal["full", "normal"]
    max_body_bytes: int
    max_file_bytes: int
    max_response_bytes: int
    max_in_flight: int
    header_timeout_s: float
    body_timeout_s: float
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    total_timeout_s: float
    drain_timeout_s: float
    disconnect_drain_s: float
    work_poll_s: float
    ca_file: str
    credit_value: Decimal
    topup_webhook_secret_file: str
    passthrough_file: str
    alert_webhook_url: str
    alert_webhook_secret_file: str
    catalogue_keys_file: str
    redis_url: str
    redis_password_file: str
    models_refresh_h: int
    google_token_origin: str
    google_token_file: str
    entra_origin: str
    entra_token_file: str
    aws_sts_origin: str
    aws_token_file: str


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str
    also: str = ""
    """Another variable that is read where its own is not set: one that platforms set by themselves."""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"KEYSTEAD_{self.name.upper()}"


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(f"takes a whole number from {low} to {high}")
        return value

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(f"takes seconds from {low:g} to {high:g}")
        return value

    return parse


def _decimal(low: str, high: str) -> Callable[[str], Decimal]:
    def parse(text: str) -> Decimal:
        plain = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,12})?", text)
        if not plain or not Decimal(low) <= Decimal(text) <= Decimal(high):
            raise ValueError(f"takes a plain decimal number from {low} to {high}")
        return Decimal(text)

    return parse


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"takes one of: {', '.join(choices)}")
        return text

    return parse


def _path(text: str) -> Path:
    return Path(text).expanduser()


SETTINGS: Final = (
    Setting(name="home", default="./var", parse=_path, help="Data folder: database, root key file, admin token."),
    Setting(name="host", default="127.0.0.1", parse=str, help="Address to listen on."),
    Setting(
        name="port",
        default="5397",
        parse=_whole(0, 65535),
        help="Port to listen on (KEYS on a phone); 0 takes a free one.",
    ),
    Setting(name="workers", default="1", parse=_whole(1, 64), help="Worker processes on this machine."),
    Setting(
        name="hosts",
        default="127.0.0.1,localhost,[::1]",
        parse=_words,
        help="Host names the gateway answers to; a request with any other Host header is refused.",
    ),
    Setting(
        name="database_url",
        default="",
        parse=str,
        help="`postgresql://…` for PostgreSQL; empty for SQLite in the data folder.",
    ),
    Setting(
        name="kek_file",
        default="",
        parse=str,
        help="Root key file (mode 600); empty for `root.key` in the data folder.",
    ),
    Setting(
        name="egress_allow",
        default="",
        parse=_words,
        help="Private endpoints that credentials may point to: `host`, `host:port`, address or CIDR, optionally with `:port`. "
        "Without it private, loopback and metadata addresses are refused at connect.",
    ),
    Setting(
        name="log_level",
        default="info",
        parse=_choice("debug", "info", "warning", "error"),
        help="Least severe log line.",
    ),
    Setting(
        name="sqlite_synchronous",
        default="full",
        parse=_choice("full", "normal"),
        help="`full` survives power loss; `normal` survives a process crash only.",
    ),
    Setting(
        name="max_body_bytes",
        default=str(32 * 1024 * 1024),
        parse=_whole(1024, 1024**3),
        help="Largest request body. 32 MiB: Anthropic's own limit for a message, and above OpenAI's 25 MB audio files.",
    ),
    Setting(
        name="max_file_bytes",
        default=str(200 * 1024 * 1024),
        parse=_whole(1024, 8 * 1024**3),
        help="Largest uploaded file, kept on disk on its way. 200 MiB: OpenAI's limit for the input of a batch.",
    ),
    Setting(
        name="max_response_bytes",
        default=str(512 * 1024 * 1024),
        parse=_whole(1024, 16 * 1024**3),
        help="Largest answer passed through; beyond it the stream is cut with an error event.",
    ),
    Setting(
        name="max_in_flight",
        default="4096",
        parse=_whole(1, 1_000_000),
        help="Inference requests in flight per worker; beyond it new ones get 503 at once.",
    ),
    Setting(
        name="header_timeout_s",
        default="10",
        parse=_seconds(0.1, 600),
        help="Time for a caller to send its request headers.",
    ),
    Setting(
        name="body_timeout_s",
        default="60",
        parse=_seconds(0.1, 3600),
        help="Time for a caller to send its request body.",
    ),
    Setting(
        name="connect_timeout_s",
        default="10",
        parse=_seconds(0.1, 600),
        help="Time to connect to a provider, TLS included.",
    ),
    Setting(
        name="first_byte_timeout_s",
        default="600",
        parse=_seconds(0.1, 7200),
        help="Time to a provider's first byte. 10 minutes: the official SDKs' own default; reasoning models think long.",
    ),
    Setting(name="idle_timeout_s", default="300", parse=_seconds(0.1, 7200), help="Longest silence inside an answer."),
    Setting(
        name="total_timeout_s", default="3600", parse=_seconds(0.1, 86400), help="Longest answer, first to last byte."
    ),
    Setting(
        name="drain_timeout_s",
        default="30",
        parse=_seconds(0, 3600),
        help="After SIGTERM or Ctrl-C: time for answers in flight to finish.",
    ),
    Setting(
        name="disconnect_drain_s",
        default="120",
        parse=_seconds(0, 3600),
        help="When a client left: how long the provider's answer is read on for its final usage.",
    ),
    Setting(
        name="work_poll_s",
        default="10",
        parse=_seconds(0.05, 3600),
        help="How soon, at the soonest, a provider is asked again how far a batch or a background response is.",
    ),
    Setting(
        name="ca_file",
        default="",
        parse=str,
        help="PEM file of certificate authorities for providers; empty for the system's.",
    ),
    Setting(
        name="credit_value",
        default="0.01",
        parse=_decimal("0.000001", "1000"),
        help="What a credit is worth, in USD. Set it once: what accounts hold is credits, and would be worth more or less. "
        "An account takes 9.2 million credits over its life.",
    ),
    Setting(
        name="topup_webhook_secret_file",
        default="",
        parse=str,
        help="File (mode 600) with the secret that payment notices are signed with, or two during a change, one a line; "
        "empty for no webhook.",
    ),
    Setting(
        name="passthrough_file",
        default="",
        parse=str,
        help="YAML file of further paths that may be called at providers: `openai: [GET /v1/fine_tuning/jobs/{id}]`. "
        "Empty: none.",
    ),
    Setting(
        name="alert_webhook_url",
        default="",
        parse=str,
        help="Where every organization's alerts, as they open and resolve, and each week's digests are sent; empty for "
        "nowhere. An address on your own network also goes into `KEYSTEAD_EGRESS_ALLOW`.",
    ),
    Setting(
        name="alert_webhook_secret_file",
        default="",
        parse=str,
        help="File (mode 600) with the secret that these notices are signed with, or two during a change, one a line.",
    ),
    Setting(
        name="catalogue_keys_file",
        default="",
        parse=str,
        help="File with the public keys (Ed25519, PEM) that may sign updates of the model catalogue and the price list; "
        "empty: no update is taken.",
    ),
    Setting(
        name="redis_url",
        default="",
        parse=str,
        help="Redis or Valkey that counts rate limits for all processes: `redis://host:6379/0`, `rediss://…` (TLS) or "
        "`unix:///path`. Empty: each process takes its share of every limit. Budgets never need it.",
    ),
    Setting(
        name="redis_password_file",
        default="",
        parse=str,
        help="File (mode 600) with the password for `KEYSTEAD_REDIS_URL`, so that no variable and no URL holds it.",
    ),
    Setting(
        name="models_refresh_h",
        default="6",
        parse=_whole(0, 720),
        help="Hours after which each credential's provider is asked for its list of models again; 0: only when told to.",
    ),
    Setting(
        name="google_token_origin",
        default="https://oauth2.googleapis.com",
        parse=str,
        help="Where service accounts' assertions are exchanged for access tokens; another one only for a private endpoint.",
    ),
    Setting(
        name="google_token_file",
        default="",
        parse=str,
        help="File with the platform's own token that Google Cloud trusts, for credentials with `identity=workload`.",
    ),
    Setting(
        name="entra_origin",
        default="https://login.microsoftonline.com",
        parse=str,
        help="Microsoft Entra ID of the public cloud; another one only for a private endpoint. Other clouds are a "
        "setting of the credential.",
    ),
    Setting(
        name="entra_token_file",
        default="",
        parse=str,
        also="AZURE_FEDERATED_TOKEN_FILE",
        help="File with the platform's own token that Entra ID trusts, for credentials with `identity=workload`; "
        "`AZURE_FEDERATED_TOKEN_FILE`, as Azure's workload identity sets it, means the same.",
    ),
    Setting(
        name="aws_sts_origin",
        default="",
        parse=str,
        help="Where AWS roles are taken; another place than the region's own STS only for a private endpoint.",
    ),
    Setting(
        name="aws_token_file",
        default="",
        parse=str,
        also="AWS_WEB_IDENTITY_TOKEN_FILE",
        help="File with the platform's own token that AWS trusts, for credentials with `identity=workload`; "
        "`AWS_WEB_IDENTITY_TOKEN_FILE`, as EKS sets it, means the same.",
    ),
)


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a value is not valid, or a `KEYSTEAD_…` variable is not a setting (a typing slip).
    """
    environment = os.environ if environment is None else environment  # noqa: TID251 - the one reader
    known = {setting.variable for setting in SETTINGS} | CLIENT_VARIABLES
    for variable in environment:
        if variable.startswith("KEYSTEAD_") and variable not in known:
            raise SettingsError(f"{variable} is not a setting; `keystead doctor --settings` lists them")
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = environment.get(setting.variable, environment.get(setting.also, setting.default))
        try:
            values[setting.name] = setting.parse(text)
        except ValueError as error:
            raise SettingsError(f"{setting.variable}={text!r}: {error}") from error
    values["kek_file"] = _path(values["kek_file"]) if values["kek_file"] else values["home"] / "root.key"
    return Settings(**values)


CLIENT_VARIABLES: Final = frozenset({"KEYSTEAD_URL", "KEYSTEAD_ADMIN_TOKEN", "KEYSTEAD_OUTPUT", "KEYSTEAD_KEY"})
"""Read by the command line, not by the server."""
