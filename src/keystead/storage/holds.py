"""What a batch does to the counters and to the ledger, as rows. Pure.

Credits are booked as well as counted: a pending transfer stands beside each hold of a prepaid account, and is posted,
voided or expired when the attempt ends. Only the sinks know when a batch touches a row; what it writes is decided here.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Final

import msgspec

from keystead.domain.means import Hold
from keystead.domain.money import MAX_PICO
from keystead.domain.records import AttemptIntent, RequestIntent, Settlement
from keystead.domain.traffic import State
from keystead.storage.admission import Room, Standing, Window, window_of
from keystead.storage.batch import Intent
from keystead.storage.rows import Row
from keystead.storage.sums import whole

COUNTER: Final = ("counter_id", "organization_id")
WINDOW: Final = ("counter_id", "bucket_at", "since_at")
COUNTED: Final = ("counter_id", "bucket_at", "organization_id", "spent", "held")
TRANSFER_INTENT: Final = (
    "id",
    "organization_id",
    "at",
    "debit_account",
    "credit_account",
    "amount",
    "request_id",
    "attempt",
)
TRANSFER_END: Final = ("state", "amount", "ended_at")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Who found no room, and what is written for everybody else."""

    refused: dict[Intent, Hold]
    """With the first hold that had no room."""
    counted: list[Row]
    """Of COUNTED: what to add, sorted."""
    opened: list[Row]
    """Of TRANSFER_INTENT."""


class Holding:
    """The holds of a batch: those of the attempts that it ended, and those that its intents ask for."""

    def __init__(self, ended: Iterable[Settlement], intents: Iterable[Intent]) -> None:
        """Take what really ended, and the intents that are written if there is room, in order."""
        self._ended = [(end, end.attempt) for end in ended if end.attempt and end.attempt.holds]
        self._intents = [intent for intent in intents if intent.attempt.holds]
        self._organizations = {
            hold.counter_id: request.organization_id
            for request, attempt in (
                *((end.request, attempt) for end, attempt in self._ended),
                *((intent.request, intent.attempt) for intent in self._intents),
            )
            for hold in attempt.holds
        }
        self.concerns = bool(self._ended or self._intents)
        """Whether the batch holds or lets go of anything."""
        self.windows: list[Window] = sorted(
            {window_of(hold) for intent in self._intents for hold in intent.attempt.holds}
        )
        """Of WINDOW: what must be read before deciding."""

    def counters(self) -> list[Row]:
        """Return the counters that are concerned, of COUNTER, in the order in which everybody locks them."""
        return sorted(self._organizations.items())

    def ended_transfers(self) -> list[Row]:
        """Return the ends of the transfers of what has ended, of TRANSFER_END and the id."""
        return [row for end, attempt in self._ended for row in _ended(end, attempt)]

    def decide(self, read: Sequence[Row]) -> Decision:
        """Let go of what has ended, then admit in order. `read` has a row for each of `windows` (see `standing_of`)."""
        room = Room({window: standing_of(row) for window, row in zip(self.windows, read, strict=True)})
        for end, attempt in self._ended:
            for hold, post in zip(attempt.holds, posts_of(end, attempt), strict=True):
                room.let_go(hold, post)
        refused = {}
        for intent in self._intents:
            full = room.admit(intent.attempt.holds)
            if full is not None:
                refused[intent] = full
        return Decision(
            refused=refused,
            counted=[
                (counter_id, bucket_at, self._organizations[counter_id], spent, held)
                for counter_id, bucket_at, spent, held in room.changes()
            ],
            opened=[
                row
                for intent in self._intents
                if intent not in refused
                for row in _opened(intent.request, intent.attempt)
            ],
        )


def standing_of(row: Row) -> Standing:
    """Return what the statement `standing` has read. A counter without a row, or without a ceiling, stands at 0."""
    quotients, remainders, ceiling, spent, held = row
    return Standing(counted=whole(quotients, remainders), ceiling=ceiling or 0, spent=spent or 0, held=held or 0)


def posts_of(settlement: Settlement, attempt: AttemptIntent) -> list[int]:
    """Return what is posted for each hold of the attempt; of credits never more than was held."""
    posts = chain(settlement.posts, repeat(0))  # an end that says nothing posts nothing
    return [
        min(max(post, 0), hold.amount if hold.kind == "credits" else MAX_PICO)
        for hold, post in zip(attempt.holds, posts, strict=False)
    ]


def transfer_id(request_id: str, attempt: int) -> str:
    """Return the id of the transfer that charges an attempt."""
    return f"trf_{request_id.rpartition('_')[2]}_{attempt}"


def _opened(request: RequestIntent, attempt: AttemptIntent) -> list[Row]:
    return [
        (
            transfer_id(request.id, attempt.number),
            request.organization_id,
            attempt.started_at,
            hold.counter_id,
            hold.pays,
            hold.amount,
            request.id,
            attempt.number,
        )
        for hold in attempt.holds
        if hold.kind == "credits"
    ]


def _ended(settlement: Settlement, attempt: AttemptIntent) -> list[Row]:
    # What is not posted keeps the amount that was held, which is what the row says happened.
    nothing = "expired" if settlement.state is State.UNKNOWN else "voided"
    key = transfer_id(settlement.request.id, attempt.number)
    return [
        ("posted", post, settlement.finished_at, key) if post else (nothing, hold.amount, settlement.finished_at, key)
        for hold, post in zip(attempt.holds, posts_of(settlement, attempt), strict=True)
        if hold.kind == "credits"
    ]
