"""How a gateway's clock is set ahead and its end fixed, from outside.

`befall` is called in the gateway's process before the program is. It puts functions of its own in the place of the
program's, which knows nothing of it.
"""

import functools
import importlib
import inspect
import itertools
import os
import signal
from pathlib import Path
from typing import Any, Final

import msgspec

from keystead.app.process import DEAD_AFTER_US
from keystead.domain.clock import SystemClock
from tests.chaos.points import POINTS, Place

LONG_DEAD_US: Final = DEAD_AFTER_US + 1_000_000
"""Whoever starts with its clock so far ahead of another's last heartbeat takes it for dead, and ends at once what it
left open. All else about recovery is as it would be after waiting."""


class Doom(msgspec.Struct, frozen=True, kw_only=True):
    """What befalls a process."""

    ahead_us: int = 0
    """How far its clock is ahead."""
    at: str = ""
    """The name of the point (see `tests.chaos.points`) at which it kills itself with SIGKILL; empty: it does not."""
    engine: str = ""
    nth: int = 1
    """How often the point is reached by then."""
    mark: str = ""
    """The file that holds the point's name from then on."""


def befall(told: str) -> None:
    """Let what is told, a `Doom` in JSON, befall this process."""
    doom = msgspec.json.decode(told, type=Doom)
    system_now_us = SystemClock.now_us

    def now_us(clock: SystemClock) -> int:
        return system_now_us(clock) + doom.ahead_us

    SystemClock.now_us = now_us  # type: ignore[assignment,method-assign]
    if doom.at:
        _wrap(POINTS[doom.at].on(doom.engine), doom)


def _wrap(place: Place, doom: Doom) -> None:
    module_name, _, qualified = place.function.partition(":")
    owner: Any = importlib.import_module(module_name)
    *classes, name = qualified.split(".")
    for part in classes:
        owner = getattr(owner, part)
    function = getattr(owner, name)
    signature = inspect.signature(function)
    reached = itertools.count(1)

    def reach(moment: str, args: Any, named: Any, result: Any = None) -> None:
        if moment != place.moment:
            return
        given = {**signature.bind(*args, **named).arguments, "return": result}
        if place.counts(given) and next(reached) == doom.nth:
            Path(doom.mark).write_text(doom.at)
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(function)
    async def awaited(*args: Any, **named: Any) -> Any:
        reach("before", args, named)
        result = await function(*args, **named)
        reach("after", args, named, result)
        return result

    @functools.wraps(function)
    def called(*args: Any, **named: Any) -> Any:
        reach("before", args, named)
        result = function(*args, **named)
        reach("after", args, named, result)
        return result

    setattr(owner, name, awaited if inspect.iscoroutinefunction(function) else called)
