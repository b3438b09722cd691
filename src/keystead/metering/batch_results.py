"""What a batch has used and what it costs, line by line of its results, whatever their number. Pure.

Each line is read and priced like an answer of its own, at the price book's batch prices. What the lines say is not kept.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from keystead.domain.money import USD
from keystead.domain.records import Cost
from keystead.domain.traffic import CostState, Dialect, Endpoint
from keystead.domain.usage import COUNTS, Reading, Usage, UsageSource
from keystead.metering.meter import meter_for
from keystead.metering.tariff import decimal_text

LINE_UNREADABLE: Final = "line_unreadable"
TIER: Final = "batch"

_WORST: Final = (
    CostState.UNKNOWN,
    CostState.UNPRICED,
    CostState.ESTIMATED,
    CostState.PRICED,
    CostState.REPORTED,
    CostState.FREE,
)


class _Response(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw()


class _Result(msgspec.Struct):
    type: str = ""
    message: msgspec.Raw = msgspec.Raw()


class _Line(msgspec.Struct):
    response: _Response | None = None
    result: _Result | None = None


_LINE: Final = msgspec.json.Decoder(_Line)


class BatchResults:
    """Adds up the lines of a batch's results."""

    def __init__(
        self, price: Callable[[Reading], Cost], *, provider: str, dialect: Dialect, endpoint: Endpoint, model: str
    ) -> None:
        """`price` returns what one line costs; the rest says how a line's answer is read."""
        self.containers: dict[str, int | None] = {}
        """Those that lines were answered in, by id with their end in Unix microseconds; who takes them may clear it."""
        self._price = price
        self._provider = provider
        self._dialect = dialect
        self._endpoint = endpoint
        self._model = model
        self._counts = dict.fromkeys(COUNTS, 0)
        self._units: dict[str, Decimal] = {}
        self._served: str | None = None
        self._anomalies: dict[str, None] = {}
        self._partial = False
        self._pico = 0
        self._currency = USD
        self._states: set[CostState] = set()
        self._versions: dict[str, None] = {}
        self._lines: dict[tuple[str, str], Decimal] = {}

    def add(self, raw: bytes) -> None:
        """Take a line. One that failed, expired or was cancelled is not billed."""
        if not raw.strip():
            return
        try:
            line = _LINE.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._anomalies[LINE_UNREADABLE] = None
            self._states.add(CostState.UNKNOWN)
            return
        if line.result is not None and line.result.type == "succeeded":
            self._answer(bytes(line.result.message))
        elif line.response is not None and 200 <= line.response.status_code < 300:
            self._answer(bytes(line.response.body))

    def reading(self, batch_id: str) -> Reading:
        """Return what all lines used."""
        units = {name: decimal_text(count) for name, count in self._units.items()}
        return Reading(
            usage=Usage(**self._counts, units=units),
            source=UsageSource.PROVIDER_PARTIAL if self._partial else UsageSource.PROVIDER,
            model=self._served,
            response_id=batch_id,
            service_tier=TIER,
            anomalies=tuple(self._anomalies),
            finished=True,
        )

    def cost(self) -> Cost:
        """Return what all lines cost: known only if it is known of each."""
        state = next((each for each in _WORST if each in self._states), CostState.FREE)
        known = state not in {CostState.UNKNOWN, CostState.UNPRICED}
        return Cost(
            state=state,
            pico=self._pico if known else None,
            currency=self._currency,
            price_version=", ".join(self._versions)[:1024],
            lines=tuple((unit, decimal_text(count), price) for (unit, price), count in self._lines.items()),
        )

    def _answer(self, body: bytes) -> None:
        meter = meter_for(
            self._provider,
            self._dialect,
            self._endpoint,
            stream=False,
            content_type="application/json",
            request_model=self._model,
            containers=self.containers,
        )
        meter.feed(body)
        reading = msgspec.structs.replace(meter.finish(complete=True), service_tier=TIER)
        self._served = self._served or reading.model
        self._partial = self._partial or reading.source is not UsageSource.PROVIDER
        self._anomalies.update(dict.fromkeys(reading.anomalies))
        for name in COUNTS:
            self._counts[name] += getattr(reading.usage, name)
        for name, text in reading.usage.units.items():
            self._units[name] = self._units.get(name, Decimal(0)) + _decimal(text)
        self._take(self._price(reading))

    def _take(self, cost: Cost) -> None:
        self._states.add(cost.state)
        self._currency = cost.currency
        self._pico += cost.pico or 0
        if cost.price_version:
            self._versions[cost.price_version] = None
        for unit, count, price in cost.lines:
            self._lines[unit, price] = self._lines.get((unit, price), Decimal(0)) + _decimal(count)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)
