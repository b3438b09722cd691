"""Structured logs with redaction first, and the process's metrics.

Nothing here is per organization: names of keys, models of a tenant or amounts belong to the record, not to logs
and metrics.
"""

import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_MASK: Final = "[redacted]"
_SECRETS: Final = re.compile(
    r"""
      \bksa?_[0-9a-z]{26}_[\w-]{20,}            # our own keys
    | \b(?:sk|gsk|xai|pplx|csk|fw|tgp|r8|hf)[-_][\w-]{12,}   # OpenAI, Anthropic, Groq, xAI, Perplexity, Cerebras …
    | \bAIza[\w-]{20,}                          # Google
    | (?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}  # an Authorization header's value
    | (?i:[?&](?:key|api_key|token)=)[^&\s"']+  # a key in a query
    """,
    re.VERBOSE,
)


def redact(value: Any) -> Any:
    """Return `value` with everything that looks like a key masked, at any depth."""
    match value:
        case str():
            return _SECRETS.sub(_MASK, value)
        case bytes():
            return _SECRETS.sub(_MASK, value.decode("latin-1"))
        case bool() | int() | float() | None:
            return value
        case Mapping():
            return {redact(key): redact(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redact(item) for item in value]
        case _:
            return _SECRETS.sub(_MASK, repr(value))  # a Secret's repr is its own mask


def _redact_event(_logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): redact(item) for key, item in event.items()}


def _encode(event: Any, **_: object) -> str:
    return msgspec.json.encode(event).decode()


class _ExpectedCuts(logging.Filter):
    """Drops uvicorn's complaint about an answer that was cut on purpose.

    A broken provider stream must reach the client as a cut; ending it politely would make half an answer look
    whole. That is our own decision, told in our own words, and not an error of the server.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg not in {
            "ASGI callable returned without completing response.",
            "Invalid HTTP request received.",
            "Unsupported upgrade request.",
        } and not str(record.msg).startswith("No supported WebSocket library")


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send every log line, ours and the libraries', as one JSON object a line to `stream` (default: stderr)."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=processors,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact_event,
            structlog.processors.JSONRenderer(serializer=_encode),
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn.error").addFilter(_ExpectedCuts())
    for chatty in ("asyncio", "aiosqlite", "alembic", "sqlalchemy.engine", "aiohttp.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *processors,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


class Metrics:
    """The process's metrics, in one registry.

    Labelled children are looked up once and kept: the look-up costs more than the count, and there are only as many
    as dialects × endpoints × outcomes.
    """

    def __init__(self, shared_folder: Path | None = None) -> None:
        """Register them. `shared_folder` is where the workers of one gateway keep theirs (see `share_metrics`)."""
        self._shared_folder = shared_folder
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "keystead_requests_total",
            "Inference requests, by how they ended.",
            ("dialect", "endpoint", "outcome"),
            registry=self.registry,
        )
        self._answered: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self.refused = Counter(
            "keystead_refused_total",
            "Requests refused before they had a record: bad head, no valid key, overload.",
            ("code",),
            registry=self.registry,
        )
        self.duration = Histogram(
            "keystead_request_duration_seconds",
            "Time from the request's head to the end of its answer.",
            ("endpoint",),
            buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
            registry=self.registry,
        )
        self.provider_errors = Counter(
            "keystead_provider_errors_total",
            "Refusals and failures by provider and meaning.",
            ("provider", "error_class"),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "keystead_in_flight",
            "Inference requests under way.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self.journal_backlog = Gauge(
            "keystead_journal_backlog",
            "Records that wait to be written.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self.snapshot_age = Gauge(
            "keystead_snapshot_age_seconds",
            "Age of the compiled view the hot path reads.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.alerts, self.notices = _of_alerts(self.registry)
        self.recovered = Counter(
            "keystead_recovered_total", "Requests of dead processes ended as unknown.", registry=self.registry
        )

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format: of all workers, where there are several."""
        if self._shared_folder is None:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._shared_folder))  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def answered(self, dialect: str, endpoint: str, outcome: str, duration_us: int) -> None:
        """Count one inference request that has ended."""
        kept = self._answered.get((dialect, endpoint, outcome))
        if kept is None:
            kept = (self.requests.labels(dialect, endpoint, outcome), self.duration.labels(endpoint))
            self._answered[dialect, endpoint, outcome] = kept
        kept[0].inc()
        kept[1].observe(duration_us / 1e6)


def _of_alerts(registry: CollectorRegistry) -> tuple[Counter, Counter]:
    """Register what is counted of alerts, and of the notices that the operator's webhook is sent."""
    alerts = Counter(
        "keystead_alerts_total",
        "Alerts that opened and that resolved, by kind.",
        ("kind", "event"),
        registry=registry,
    )
    notices = Counter(
        "keystead_notices_total",
        "What was sent to the alert webhook: taken, refused (and tried again), or given up.",
        ("outcome",),
        registry=registry,
    )
    return alerts, notices
