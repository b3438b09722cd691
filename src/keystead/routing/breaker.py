"""Breakers: what has just failed is left alone for a while. Pure.

There is one circuit per credential and model, for what concerns that model there (throttled, overloaded, failing,
missing), and a wider one per credential, for what concerns the key itself (refused, out of funds). A circuit is

- *closed*: requests pass. It opens after several failures in a row, when half of the recent requests failed, or at
  once when the provider says how long it wants to be left alone or that the account is empty;
- *open*: nothing passes until its time is over;
- *half open*: one request passes, as a probe. A good answer closes the circuit, a failure opens it for longer. A probe
  that never reports is given up after a while, and another may pass.

Circuits of different credentials share nothing, so a throttled tenant never closes another's way.
"""

from typing import Final, Literal

import msgspec

from keystead.domain.traffic import ErrorClass

MAX_CREDENTIALS: Final = 10_000
MAX_MODELS: Final = 128
"""Circuits kept per credential. Callers choose model names: whoever invents many displaces only their own."""

FAILURES_IN_A_ROW: Final = 5
KEY_REFUSALS_IN_A_ROW: Final = 3
"""A refused key is refused for everything; three in a row rule out a hiccup of the provider's."""

WINDOW_US: Final = 30_000_000
FEWEST_IN_WINDOW: Final = 20
"""The share of failures opens a circuit only when so many requests have ended within the window."""

FIRST_OPEN_US: Final = 5_000_000
LONGEST_OPEN_US: Final = 120_000_000
"""A circuit first stays open for the one, then twice as long each time its probe fails, up to the other."""

LONGEST_ASKED_US: Final = 300_000_000
"""The most that a provider's own `retry-after` counts for: absurd ones have been seen."""

OUT_OF_FUNDS_OPEN_US: Final = 300_000_000
"""Money can arrive any minute; one probe in five is enough to see it."""

LONGEST_OUT_OF_FUNDS_US: Final = 3_600_000_000

PROBE_US: Final = 60_000_000
"""After this long a probe that has not reported counts as lost."""

_OF_THE_KEY: Final = frozenset({ErrorClass.AUTH_FAILED, ErrorClass.OUT_OF_FUNDS})
_OF_THE_REQUEST: Final = frozenset(
    {
        ErrorClass.CONTEXT_TOO_LONG,
        ErrorClass.CONTENT_REFUSED,
        ErrorClass.INVALID_REQUEST,
        ErrorClass.NOT_FOUND,
        ErrorClass.TOO_LARGE,
    }
)
"""Refusals that show a working provider."""


class BreakerState(msgspec.Struct, frozen=True, kw_only=True):
    """How a circuit stands, for the record, for explanations and for metrics."""

    state: Literal["closed", "open", "half_open"]
    error_class: ErrorClass | None = None
    """What opened it."""
    opens_until_us: int | None = None
    """When the next request may pass, as a probe: a monotonic reading in microseconds."""


CLOSED: Final = BreakerState(state="closed")


class _Circuit:
    """One circuit. It exists only while there is something to remember."""

    __slots__ = ("error_class", "failures", "in_a_row", "open_until_us", "opened", "others", "probe_us", "window_us")

    def __init__(self, now_us: int) -> None:
        self.in_a_row = 0
        self.window_us = now_us
        self.failures = 0
        self.others = 0
        """Failures and good answers since the window began."""
        self.open_until_us: int | None = None
        """None: closed."""
        self.probe_us: int | None = None
        """When the probe under way passed."""
        self.opened = 0
        """How often it has opened since it was last closed."""
        self.error_class: ErrorClass | None = None

    def allows(self, now_us: int) -> bool:
        if self.open_until_us is None:
            return True
        return now_us >= self.open_until_us and (self.probe_us is None or now_us - self.probe_us >= PROBE_US)

    def pass_through(self, now_us: int) -> None:
        if self.open_until_us is not None:
            self.probe_us = now_us

    def fail(self, error_class: ErrorClass, *, began_us: int, now_us: int, limit: int, open_us: int | None) -> None:
        """Count a failure. `open_us` opens at once, for that long; without it, the rules decide."""
        if self.open_until_us is not None and began_us != self.probe_us:
            # It began before the circuit opened. Only what the provider says about the wait is news.
            self.open_until_us = max(self.open_until_us, now_us + (open_us or 0))
            return
        self.in_a_row += 1
        self._roll(now_us)
        self.failures += 1
        total = self.failures + self.others
        mostly = total >= FEWEST_IN_WINDOW and 2 * self.failures >= total
        if self.open_until_us is not None or mostly or open_us is not None or self.in_a_row >= limit:
            escalated = min(FIRST_OPEN_US << min(self.opened, 10), LONGEST_OPEN_US)
            self.open_until_us = now_us + (escalated if open_us is None else open_us)
            self.opened += 1
            self.probe_us = None
            self.error_class = error_class

    def succeed(self, *, began_us: int, now_us: int) -> bool:
        """Count a good answer; True when nothing is left to remember."""
        if self.open_until_us is not None:
            return began_us == self.probe_us
        self.in_a_row = 0
        self._roll(now_us)
        self.others += 1
        return self.failures == 0

    def abandon(self, *, began_us: int) -> None:
        """Give the probe's place back, if this was the probe."""
        if began_us == self.probe_us:
            self.probe_us = None

    def state(self, now_us: int) -> BreakerState:
        if self.open_until_us is None:
            return CLOSED
        return BreakerState(
            state="open" if now_us < self.open_until_us else "half_open",
            error_class=self.error_class,
            opens_until_us=self.open_until_us,
        )

    def _roll(self, now_us: int) -> None:
        if now_us - self.window_us >= WINDOW_US:
            self.window_us = now_us
            self.failures = self.others = 0


class _Credential:
    """The circuits of one credential."""

    __slots__ = ("models", "whole")

    def __init__(self) -> None:
        self.whole: _Circuit | None = None
        self.models: dict[str, _Circuit] = {}

    def circuit(self, model: str, now_us: int) -> _Circuit:
        """Return a model's circuit; the one whose last failure is longest ago makes room for it."""
        found = self.models.pop(model, None)
        if found is None:
            if len(self.models) >= MAX_MODELS:
                del self.models[next(iter(self.models))]
            found = _Circuit(now_us)
        self.models[model] = found
        return found


class Breakers:
    """The circuits of one gateway process.

    `now_us` is a monotonic reading in microseconds. Every request that `allows` let through ends in exactly one of
    `succeeded`, `failed` and `abandoned`, which take the `now_us` of its `allows` as `began_us`: in a circuit that is
    not closed, only the probe's own result counts, and not that of a request which began before the trouble.
    """

    def __init__(self) -> None:
        """Begin with everything closed."""
        self._credentials: dict[str, _Credential] = {}

    def allows(self, credential_id: str, model: str, *, now_us: int) -> bool:
        """Say whether a request may pass. In a half-open circuit the first that may is its probe."""
        circuits = self._circuits(credential_id, model)
        if not all(circuit.allows(now_us) for circuit in circuits):
            return False
        for circuit in circuits:
            circuit.pass_through(now_us)
        return True

    def succeeded(self, credential_id: str, model: str, *, began_us: int, now_us: int) -> None:
        """The provider answered well: the key and the model work."""
        found = self._credentials.get(credential_id)
        if found is None:
            return
        if found.whole is not None and found.whole.succeed(began_us=began_us, now_us=now_us):
            found.whole = None
        circuit = found.models.get(model)
        if circuit is not None and circuit.succeed(began_us=began_us, now_us=now_us):
            del found.models[model]
        if found.whole is None and not found.models:
            del self._credentials[credential_id]

    def failed(
        self,
        credential_id: str,
        model: str,
        error_class: ErrorClass,
        *,
        retry_after_s: float | None,
        began_us: int,
        now_us: int,
    ) -> None:
        """The provider failed or refused. What is only the request's fault counts as a good answer."""
        if error_class in _OF_THE_REQUEST:
            self.succeeded(credential_id, model, began_us=began_us, now_us=now_us)
            return
        found = self._credential(credential_id)
        asked_us = None if retry_after_s is None else int(min(retry_after_s, 86_400.0) * 1_000_000)
        if error_class in _OF_THE_KEY:
            circuit = found.whole = found.whole or _Circuit(now_us)
            limit, open_us = KEY_REFUSALS_IN_A_ROW, _open_for_key_us(error_class, asked_us)
        else:
            circuit = found.circuit(model, now_us)
            limit, open_us = FAILURES_IN_A_ROW, min(asked_us, LONGEST_ASKED_US) if asked_us else None
        circuit.fail(error_class, began_us=began_us, now_us=now_us, limit=limit, open_us=open_us)
        # About the other circuit it says nothing: if it was that one's probe too, the next request is.
        self.abandoned(credential_id, model, began_us=began_us)

    def abandoned(self, credential_id: str, model: str, *, began_us: int) -> None:
        """A request that was let through ended without saying anything about the provider: the client left, say."""
        for circuit in self._circuits(credential_id, model):
            circuit.abandon(began_us=began_us)

    def forget(self, credential_id: str) -> None:
        """Close everything of a credential: it has a new key, or a new destination."""
        self._credentials.pop(credential_id, None)

    def state(self, credential_id: str, model: str, *, now_us: int) -> BreakerState:
        """Return how the way to a model stands, without taking part: the circuit that lets through last."""
        states = [circuit.state(now_us) for circuit in self._circuits(credential_id, model)]
        return max(states, key=lambda state: state.opens_until_us or 0, default=CLOSED)

    def standing(self, *, now_us: int) -> dict[tuple[str, str], BreakerState]:
        """Return every circuit that is not closed, by credential and model; an empty model is the whole credential."""
        found = {}
        for credential_id, circuits in self._credentials.items():
            whole = {"": circuits.whole} if circuits.whole is not None else {}
            for model, circuit in (whole | circuits.models).items():
                state = circuit.state(now_us)
                if state.state != "closed":
                    found[credential_id, model] = state
        return found

    def _circuits(self, credential_id: str, model: str) -> list[_Circuit]:
        found = self._credentials.get(credential_id)
        if found is None:
            return []
        return [circuit for circuit in (found.whole, found.models.get(model)) if circuit is not None]

    def _credential(self, credential_id: str) -> _Credential:
        found = self._credentials.get(credential_id)
        if found is None:
            if len(self._credentials) >= MAX_CREDENTIALS:
                del self._credentials[next(iter(self._credentials))]
            found = self._credentials[credential_id] = _Credential()
        return found


def _open_for_key_us(error_class: ErrorClass, asked_us: int | None) -> int | None:
    """Return for how long a credential is left alone at once; None to let the number of refusals decide."""
    if error_class is ErrorClass.OUT_OF_FUNDS:
        return min(asked_us, LONGEST_OUT_OF_FUNDS_US) if asked_us else OUT_OF_FUNDS_OPEN_US
    return None
