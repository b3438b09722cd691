"""In which order a route's attempts are tried. Pure.

- `ordered`: as written.
- `weighted`: the first is drawn by weight, the second by weight among the rest, and so on: whoever falls back is
  spread by the same shares. `sticky` takes the draw from the virtual key, so that each key keeps its order, and the
  provider's prompt cache is of use.
- `cheapest`: by price, lowest first; an unknown price is not a low one and comes last.
- `fastest`: by measured time to the first byte. What has not been measured lately comes last, except for one request
  in twenty, where it comes first: that is how it gets measured, and how one that was slow once gets another chance.

Equals stay as written.
"""

from collections.abc import Callable
from decimal import Decimal
from hashlib import blake2b
from typing import Final

from keystead.domain.routes import ModelRoute, RouteAttempt

EXPLORED_SHARE: Final = 0.05
"""With `fastest`: the share of requests that measure what has not been measured."""

PriceOf = Callable[[RouteAttempt], Decimal | int | None]
"""What an attempt costs, in any unit that is the same for all; None if unknown."""
LatencyOf = Callable[[RouteAttempt], int | None]
"""Its measured time to the first byte in microseconds; None if it was not measured lately."""

_DRAWS: Final = 1 << 53
"""Floats between 0 and 1 are this fine."""


def ordered(
    route: ModelRoute, *, affinity: str, draw: float, price_of: PriceOf, latency_of: LatencyOf
) -> tuple[RouteAttempt, ...]:
    """Return the route's attempts in the order to try them.

    Args:
        route: The route.
        affinity: What a sticky route sticks to: the virtual key's id.
        draw: Uniform in [0, 1), fresh for each request.
        price_of: See `PriceOf`; asked for with the strategy `cheapest` alone.
        latency_of: See `LatencyOf`; asked for with the strategy `fastest` alone.
    """
    match route.strategy:
        case "ordered":
            return route.attempts
        case "weighted":
            return _weighted(route.attempts, _draw_of(affinity, route.id) if route.sticky else draw)
        case "cheapest":
            return _lowest_first(route.attempts, price_of, unknown_first=False)
        case "fastest":
            return _lowest_first(route.attempts, latency_of, unknown_first=draw < EXPLORED_SHARE)


def _draw_of(affinity: str, route_id: str) -> float:
    """Return a draw that is the same whenever and wherever the same key asks for the same route."""
    digest = blake2b(affinity.encode(), key=route_id.encode()[:64], digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / _DRAWS


def _weighted(attempts: tuple[RouteAttempt, ...], draw: float) -> tuple[RouteAttempt, ...]:
    """Draw without putting back. Where in its share a draw falls is itself uniform, and draws the next."""
    rest = list(attempts)
    drawn = []
    while rest:
        position = draw * sum(attempt.weight for attempt in rest)
        for chosen in rest:
            if position < chosen.weight:
                break
            position -= chosen.weight
        else:  # rounding, at the very end of the last share
            chosen, position = rest[-1], 0.0
        draw = position / chosen.weight
        rest.remove(chosen)
        drawn.append(chosen)
    return tuple(drawn)


def _lowest_first(
    attempts: tuple[RouteAttempt, ...],
    figure_of: Callable[[RouteAttempt], Decimal | int | None],
    *,
    unknown_first: bool,
) -> tuple[RouteAttempt, ...]:
    known = []
    unknown = []
    for attempt in attempts:
        figure = figure_of(attempt)
        if figure is None:
            unknown.append(attempt)
        else:
            known.append((figure, attempt))
    by_figure = [attempt for _, attempt in sorted(known, key=lambda pair: pair[0])]
    return tuple(unknown + by_figure if unknown_first else by_figure + unknown)
