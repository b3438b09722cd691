"""A Secret gives its value to `reveal` and to nothing else."""

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import msgspec
import pytest

from keystead.domain.secret import Secret

VALUE = "canary-3f9c27"

ATTEMPTS: dict[str, Callable[[Secret], object]] = {
    "str": str,
    "format": lambda secret: f"{secret}",
    "format with a spec": lambda secret: format(secret, ">40"),
    "percent": lambda secret: "%s" % secret,  # noqa: UP031 - the form under test
    "str.format": "{}".format,
    "join": lambda secret: ", ".join((secret,) * 2),  # type: ignore[arg-type]
    "concatenation": lambda secret: "Bearer " + secret,  # type: ignore[operator]
    "bytes": bytes,  # type: ignore[dict-item]
    "length": len,  # type: ignore[dict-item]
    "iteration": list,  # type: ignore[dict-item]
    "index": lambda secret: secret[0],  # type: ignore[index]
    "equality": lambda secret: secret == VALUE,
    "inequality": lambda secret: secret != VALUE,
    "equality from the left": lambda secret: VALUE == secret,  # noqa: SIM300 - the form under test
    "equality with a Secret": lambda secret: secret == Secret(VALUE),
    "membership": lambda secret: secret in [Secret("a"), Secret(VALUE)],
    "order": lambda secret: secret < VALUE,  # type: ignore[operator]
    "hash": hash,
    "set": lambda secret: {secret},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "oldest pickle": lambda secret: pickle.dumps(secret, protocol=0),
    "json": json.dumps,
    "msgspec json": msgspec.json.encode,
    "msgspec msgpack": msgspec.msgpack.encode,
    "msgspec builtins": msgspec.to_builtins,
    "vars": vars,
    "the plain attribute": lambda secret: secret.value,  # type: ignore[attr-defined]
    "a new attribute": lambda secret: setattr(secret, "note", "x"),
}


def test_reveal_gives_the_value() -> None:
    assert Secret(VALUE).reveal() == VALUE


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_every_other_way_to_the_value_is_an_error_that_does_not_hold_it(attempt: Callable[[Secret], object]) -> None:
    with pytest.raises((TypeError, AttributeError)) as refusal:
        attempt(Secret(VALUE))

    assert VALUE not in "".join(traceback.format_exception(refusal.value))


def test_its_repr_is_a_fixed_mask() -> None:
    assert repr(Secret(VALUE)) == repr(Secret("another")) == "Secret(…)"
    assert f"{Secret(VALUE)!r}" == f"{[Secret(VALUE)]}"[1:-1] == "Secret(…)"


def test_a_struct_that_holds_one_prints_the_mask() -> None:
    class Holder(msgspec.Struct):
        key: Secret

    assert VALUE not in repr(Holder(key=Secret(VALUE)))


def test_a_log_line_does_not_hold_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", True)
    logger = logging.getLogger("keystead.test_secret")
    monkeypatch.setattr(logger, "propagate", False)
    logger.addHandler(logging.StreamHandler())

    logger.error("key %s", Secret(VALUE))
    logger.error("key %r", Secret(VALUE))

    shown = capsys.readouterr()
    assert "key Secret(…)" in shown.err
    assert VALUE not in shown.err + shown.out


def test_a_traceback_with_its_locals_does_not_hold_it() -> None:
    def fail(key: Secret) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError) as failure:
        fail(Secret(VALUE))

    captured = traceback.TracebackException.from_exception(failure.value, capture_locals=True)
    assert "key = Secret(…)" in "".join(captured.format())
    assert VALUE not in "".join(captured.format())
