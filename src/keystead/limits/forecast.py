"""What a period of a budget will come to if it goes on as it did until now. Pure."""

from typing import Final

_EARLIEST: Final = 20
"""A twentieth of a period says something; less does not."""


def forecast(spent: int, *, starts_at: int, ends_at: int, now_us: int) -> int | None:
    """Return what will be spent by the end of a period, in pico units; None while it is too early to say.

    Args:
        spent: until now, in pico units.
        starts_at: when the period began, in Unix microseconds.
        ends_at: when it ends.
        now_us: the time.
    """
    gone, whole = now_us - starts_at, ends_at - starts_at
    if not whole // _EARLIEST <= gone <= whole or not gone:
        return None
    return spent * whole // gone
