"""How full a budget is, as a bar."""

from types import SimpleNamespace
from typing import Any

from keystead.web.console.pages.budgets import Gauge, gauge_of


def budget(*, spent: str, held: str = "0", forecast: str | None = None) -> Any:
    """Return as much of a budget of ten, which tells from eight on, as a bar needs."""
    standing = SimpleNamespace(spent=spent, held=held, forecast=forecast)
    return SimpleNamespace(limit="10", alert_percent=80, standing=standing)


def test_what_is_spent_held_and_expected_are_parts_of_the_limit() -> None:
    assert gauge_of(budget(spent="4", held="1", forecast="7")) == Gauge(
        spent=40, held=10, alert=80, limit=100, forecast=70, left_percent=50
    )


def test_what_is_over_moves_the_limit_back_and_a_forecast_does_by_a_half_at_most() -> None:
    assert gauge_of(budget(spent="20")) == Gauge(
        spent=100, held=0, alert=40, limit=50, forecast=None, left_percent=-100
    )
    assert gauge_of(budget(spent="3", forecast="900")) == Gauge(
        spent=20, held=0, alert=53.33, limit=66.67, forecast=100, left_percent=70
    )
