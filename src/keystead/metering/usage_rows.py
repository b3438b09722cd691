"""Rows of requests and attempts as they are shown: JSON read, amounts as text, the arithmetic done. Pure."""

from decimal import Decimal, localcontext
from typing import Any

import msgspec
from sqlalchemy.engine import RowMapping

from keystead.domain.money import to_text
from keystead.domain.usage import COUNTS
from keystead.metering.tariff import decimal_text
from keystead.metering.usage_views import AttemptView, CostLine, HeldView, RequestRow
from keystead.storage.rows import holds_in


def request_row(row: RowMapping) -> RequestRow[int]:
    """Return a request as a list shows it."""
    values = {name: row[name] for name in RequestRow.__struct_fields__ if name in row}
    return RequestRow(
        **values,
        cost=_amount(row["cost_pico"]),
        charge=_amount(row["charge_pico"]),
        model=row["model_served"] or row["model_sent"],
    )


def attempt_view(row: RowMapping) -> AttemptView[int]:
    """Return an attempt, whole."""
    computed = {
        "usage": {name: row[name] for name in COUNTS if row[name]},
        "units": json_value(row["units"], {}),
        "anomalies": tuple(json_value(row["anomalies"], ())),
        "cost": _amount(row["cost_pico"]),
        "computed_cost": _amount(row["computed_pico"]),
        "charge": _amount(row["charge_pico"]),
        "held": tuple(
            HeldView(kind=hold.kind, name=hold.name, amount=to_text(hold.amount), currency=hold.currency)
            for hold in holds_in(row["holds"])
        ),
        "lines": tuple(_cost_line(*line) for line in json_value(row["cost_lines"], ())),
    }
    values = {name: row[name] for name in AttemptView.__struct_fields__ if name not in computed}
    return AttemptView(**values, **computed)


def _cost_line(unit: str, count: str, price: str) -> CostLine:
    if not price:
        return CostLine(unit=unit, count=count, price=None, amount=None)
    with localcontext(prec=60):
        amount = Decimal(count) * Decimal(price)
    return CostLine(unit=unit, count=count, price=price, amount=decimal_text(amount))


def _amount(pico: int | Decimal | None) -> str | None:
    """Return an amount as text; a sum is a Decimal on PostgreSQL."""
    return None if pico is None else to_text(int(pico))


def json_value(text: str | None, otherwise: Any) -> Any:
    """Return what we wrote as JSON; what cannot be read is shown as `otherwise` and does not hide the rest."""
    try:
        return msgspec.json.decode(text) if text else otherwise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return otherwise
