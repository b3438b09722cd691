"""The named points at which a gateway is killed: on a request's trip, and in what else writes to the same books.

A point is one of the gateway's own functions, about to begin or just done, in which the process kills itself with
SIGKILL. The gateway knows nothing of it: `doom.py` wraps the function from outside. A point that is not reached fails
its test, so that a function that is renamed cannot leave one empty.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from keystead.domain.traffic import State
from keystead.storage.batch import Ending, Intent

Given = Mapping[str, Any]
"""The arguments of a function, by name."""

MANY: Final = 8
"""Records that are many for one transaction here."""


class Place(msgspec.Struct, frozen=True):
    """A function, and which of its calls count."""

    function: str
    """Module and qualified name."""
    moment: Literal["before", "after"]
    counts: Callable[[Given], bool] = lambda given: True


class Point(msgspec.Struct, frozen=True):
    """A point, on each engine."""

    sqlite: Place
    postgresql: Place
    during: Literal["calls", "recovery", "rotation", "payments", "drain"] = "calls"
    """What must go on for it to be reached."""
    latest: int = 10
    """It is some time from the first to this one that the process is killed there."""

    def on(self, engine: str) -> Place:
        return self.sqlite if engine == "sqlite" else self.postgresql


def _everywhere(place: Place, **more: Any) -> Point:
    return Point(place, place, **more)


def _in_sink(function: str, moment: Literal["before", "after"], counts: Callable[[Given], bool], **more: Any) -> Point:
    """Return a point in the function of that name that both sinks have."""
    return Point(
        Place(f"keystead.storage.sqlite_sink:{function}", moment, counts),
        Place(f"keystead.storage.postgres_sink:{function}", moment, counts),
        **more,
    )


def _around_write(moment: Literal["before", "after"], counts: Callable[[Given], bool], **more: Any) -> Point:
    """Return a point just outside of the transaction of a batch."""
    return Point(
        Place("keystead.storage.sqlite_sink:SqliteSink.write", moment, counts),
        Place("keystead.storage.postgres_sink:PostgresSink.write", moment, counts),
        **more,
    )


def _around_sums(moment: Literal["before", "after"], counts: Callable[[Any], bool], **more: Any) -> Point:
    """Return a point beside the last statement of a transaction with ends in it, which is the roll-ups'."""
    return Point(
        Place("keystead.storage.sqlite_sink:_add", moment, lambda given: any(counts(end) for end, _ in given["ended"])),
        Place(
            "keystead.storage.postgres_sink:_add", moment, lambda given: any(counts(end) for end, _ in given["counted"])
        ),
        **more,
    )


def _first_intents(given: Given) -> bool:
    return any(isinstance(record, Intent) and record.attempt.number == 1 for record in given["batch"])


def _further_intents(given: Given) -> bool:
    return any(isinstance(record, Intent) and record.attempt.number > 1 for record in given["batch"])


def _ends(given: Given) -> bool:
    return any(isinstance(record, Ending) and _is_ours(record.settlement) for record in given["batch"])


def _recovered(given: Given) -> bool:
    return any(isinstance(record, Ending) and _is_unknown(record.settlement) for record in given["batch"])


def _is_ours(settlement: Any) -> bool:
    return not _is_unknown(settlement)


def _is_unknown(settlement: Any) -> bool:
    return settlement.state is State.UNKNOWN  # which only recovery says


def _is_answer(given: Given) -> bool:
    return bool(given["request"].method == "POST")


POINTS: Final = {
    # -- the intent
    # Nothing is written; then held and not yet written; then all of it, not yet committed; then committed, and the
    # caller's task does not know.
    "intent_waits": _around_write("before", _first_intents),
    "intent_held": _in_sink(
        "_hold", "after", lambda given: any(intent.attempt.number == 1 for intent in given["intents"])
    ),
    "intent_written": Point(
        Place("keystead.storage.sqlite_sink:_store", "after", _first_intents),
        Place(
            "keystead.storage.postgres_sink:_open",
            "after",
            lambda given: bool(given["intents"]) and given["connection"].is_in_transaction() is True,
        ),
    ),
    "intent_durable": _around_write("after", _first_intents),
    # -- the provider
    "provider_not_called": _everywhere(
        Place("keystead.providers.transport:AiohttpTransport.open", "before", _is_answer)
    ),
    # It has worked, and nothing of its answer was looked at.
    "answer_not_read": _everywhere(
        Place(
            "aiohttp.client_proto:ResponseHandler.data_received",
            "before",
            lambda given: b"chat.completion" in given["data"],
        )
    ),
    "first_chunk_sent": _everywhere(
        Place(
            "keystead.web.relay:_send_chunk",
            "after",
            lambda given: given["flight"]._sent == len(given["chunk"]),
        )
    ),
    "mid_stream": _everywhere(
        Place("keystead.web.relay:_send_chunk", "after", lambda given: given["flight"]._sent > len(given["chunk"]))
    ),
    "answer_whole": _everywhere(Place("keystead.gateway.flight:Flight.finish", "before")),
    # -- the settlement
    # In one transaction: the attempt and its request have ended; what was held is let go and posted; it is added up.
    "end_written": _in_sink("_hold", "before", lambda given: any(map(_is_ours, given["ended"]))),
    "end_counted": _around_sums("before", _is_ours),
    "end_summed": _around_sums("after", _is_ours),
    # Committed, and nobody was told; told, and the client has not got its last byte; it has.
    "end_durable": _around_write("after", _ends),
    "client_waits": _everywhere(Place("keystead.gateway.flight:Flight.finish", "after")),
    "client_answered": _everywhere(Place("keystead.web.relay:Relay.answer", "after")),
    "many_at_once": _in_sink(
        "_hold",
        "after",
        lambda given: sum(map(_is_ours, given["ended"])) + len(given["intents"]) >= MANY,
        latest=4,
    ),
    # -- from an own key that fails to the platform's
    "refusal_read": _everywhere(Place("keystead.gateway.flight:Flight.read_refusal", "after"), latest=4),
    "attempt_ended": _everywhere(
        Place("keystead.gateway.flight:Flight.close", "after", lambda given: not given["ends_request"]), latest=4
    ),
    "next_not_held": _everywhere(
        Place("keystead.gateway.walk:Walk._depart", "before", lambda given: given["trip"].number == 1), latest=4
    ),
    "next_held": _in_sink(
        "_hold", "after", lambda given: any(intent.attempt.number > 1 for intent in given["intents"]), latest=4
    ),
    "next_durable": _around_write("after", _further_intents, latest=4),
    # -- recovery at the start
    # Whoever dies here is itself recovered by the next.
    "recovery_read": _everywhere(
        Place("keystead.storage.instances:_settlements", "after", lambda given: bool(given["return"])),
        during="recovery",
        latest=1,
    ),
    "recovery_written": _around_sums("after", _is_unknown, during="recovery", latest=1),
    "recovery_durable": _around_write("after", _recovered, during="recovery", latest=1),
    "dead_forgotten": _everywhere(
        Place("keystead.storage.instances:_forget_the_dead", "after"), during="recovery", latest=1
    ),
    # -- the administrator and the payment system
    "rotation_written": _everywhere(
        Place("keystead.vault.credentials:Credentials.activate", "after"), during="rotation", latest=3
    ),
    # Committed, and the snapshot does not know.
    "rotation_durable": _everywhere(
        Place(
            "keystead.gateway.snapshots:Snapshots.refresh", "before", lambda given: given["self"]._current is not None
        ),
        during="rotation",
        latest=3,
    ),
    "payment_written": _everywhere(Place("keystead.ledger.store:Ledger.top_up", "after"), during="payments", latest=3),
    "payment_durable": _everywhere(
        Place("keystead.web.payments:Payments._booked", "after"), during="payments", latest=3
    ),
    # -- SIGTERM
    "told_to_stop": _everywhere(Place("keystead.app.server:_Server.shutdown", "before"), during="drain", latest=1),
    "drained": _everywhere(Place("keystead.app.process:Process.stop", "before"), during="drain", latest=1),
    "signed_off": _everywhere(Place("keystead.storage.instances:remove", "after"), during="drain", latest=1),
}
