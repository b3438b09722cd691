"""How fast each credential answers for each model, as measured here. Pure.

An exponentially weighted mean of the time to the first byte: recent answers count most, one slow answer does not
decide. A figure that nothing has renewed for a while is dropped: what was slow an hour ago may be fast now.
"""

from typing import Final

MAX_FIGURES: Final = 10_000
"""Figures kept; beyond that the one longest unrenewed is dropped. Only answers make figures, not invented names."""

STALE_US: Final = 10 * 60 * 1_000_000
"""How long a figure holds without a new measurement."""

_NEW_PART: Final = 5
"""A new measurement moves the mean by a fifth of the difference."""


class Figures:
    """Measured times to the first byte, in microseconds, by credential and the model's name at its provider.

    `now_us` is a monotonic reading in microseconds.
    """

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._measured: dict[tuple[str, str], tuple[int, int]] = {}
        """(mean, when it was last renewed); in the order of renewal."""

    def note(self, credential_id: str, model: str, first_byte_us: int, *, now_us: int) -> None:
        """Take in the time to the first byte of a good answer."""
        key = (credential_id, model)
        mean = self.first_byte_us(credential_id, model, now_us=now_us)
        if self._measured.pop(key, None) is None and len(self._measured) >= MAX_FIGURES:
            del self._measured[next(iter(self._measured))]
        moved = first_byte_us if mean is None else mean + (first_byte_us - mean) // _NEW_PART
        self._measured[key] = (moved, now_us)

    def first_byte_us(self, credential_id: str, model: str, *, now_us: int) -> int | None:
        """Return the mean time to the first byte; None if it was not measured lately."""
        mean, renewed_us = self._measured.get((credential_id, model), (None, 0))
        return mean if now_us - renewed_us < STALE_US else None
