"""When the demonstration's organization works: how many requests each hour has, and whose. Pure."""

import math
from collections.abc import Iterator, Sequence
from random import Random  # noqa: TID251 - a made-up past must be the same for the same seed; nothing of it is secret
from typing import Final

from keystead.app.demo.plan import KeyPlan, Rhythm
from keystead.domain.clock import HOUR_US, hour_of, utc

_OFFICE: Final = (0, 0, 0, 0, 0, 0, 2, 6, 14, 20, 21, 18, 12, 15, 20, 21, 18, 11, 5, 3, 2, 1, 1, 0)
_CUSTOMERS: Final = (4, 3, 2, 2, 2, 3, 5, 8, 11, 13, 14, 14, 13, 13, 13, 13, 13, 14, 15, 16, 15, 12, 9, 6)
_NIGHT: Final = (6, 34, 40, 30, 12, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2)
_BY_HOUR: Final[dict[Rhythm, Sequence[int]]] = {
    "office": _OFFICE,
    "customers": _CUSTOMERS,
    "night": _NIGHT,
    "steady": (5,) * 24,
}
_WEEKEND: Final[dict[Rhythm, float]] = {"office": 0.06, "customers": 0.7, "night": 0.9, "steady": 0.5}
_GROWTH: Final = 1.7
"""How much more there is at the end than at the beginning."""


def weights(keys: Sequence[KeyPlan], at: int) -> list[float]:
    """Return how much each key is used in the hour that begins at `at`, in parts of no particular whole."""
    when = utc(at)
    hour, weekend = (when.hour + 1) % 24, when.weekday() >= 5  # an hour east of Greenwich
    return [
        key.weight * _BY_HOUR[key.rhythm][hour] / sum(_BY_HOUR[key.rhythm]) * (_WEEKEND[key.rhythm] if weekend else 1)
        for key in keys
    ]


def hours(
    keys: Sequence[KeyPlan], *, since: int, until: int, count: int, random: Random
) -> Iterator[tuple[int, int, list[float]]]:
    """Yield each hour with the number of its requests and the keys' weights in it; the numbers sum up to `count`."""
    begins = list(range(hour_of(since), until, HOUR_US))
    whole = [weights(keys, at) for at in begins]
    sizes = [
        sum(one) * math.exp(math.log(_GROWTH) * index / max(1, len(begins) - 1)) * random.uniform(0.88, 1.12)
        for index, one in enumerate(whole)
    ]
    scale, summed, given = count / sum(sizes), 0.0, 0
    for at, size, one in zip(begins, sizes, whole, strict=True):
        summed += size * scale
        here = round(summed) - given
        given += here
        yield at, here, one
