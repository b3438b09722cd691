"""In which order the steps of a plan are tried. Pure."""

from collections.abc import Callable

from keystead.domain.routes import RouteAttempt
from keystead.gateway.plan import Plan, Step
from keystead.routing.order import ordered

FigureOf = Callable[[Step], int | None]


def in_order(plan: Plan, *, affinity: str, draw: float, price_of: FigureOf, latency_of: FigureOf) -> tuple[Step, ...]:
    """Return the steps in the order in which they are tried: the route's, then those that only a consent lets in.

    Args:
        plan: what may be tried.
        affinity: what a sticky route sticks to: the virtual key's id.
        draw: uniform in [0, 1), fresh for each request.
        price_of: what a step costs, in a unit that is the same for all; None if unknown.
        latency_of: its measured time to the first byte; None if it was not measured lately.
    """
    groups = plan.groups
    if plan.route is not None:
        behind = dict(zip(map(_key, plan.route.attempts), plan.groups, strict=True))

        def lowest(figure_of: FigureOf) -> Callable[[RouteAttempt], int | None]:
            def of_attempt(attempt: RouteAttempt) -> int | None:
                figures = map(figure_of, behind[_key(attempt)])
                return min((figure for figure in figures if figure is not None), default=None)

            return of_attempt

        attempts = ordered(
            plan.route, affinity=affinity, draw=draw, price_of=lowest(price_of), latency_of=lowest(latency_of)
        )
        groups = tuple(behind[_key(attempt)] for attempt in attempts)
    return (*(step for group in groups for step in group), *plan.reserve)


def _key(attempt: RouteAttempt) -> tuple[str | None, str | None, str]:
    return attempt.credential_id, attempt.provider, attempt.model
