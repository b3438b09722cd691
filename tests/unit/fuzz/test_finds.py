"""What the fuzzer found, in its smallest form: each broke what its target checks, and holds since."""

from typing import Final

import msgspec
import pytest

from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.domain.usage import UsageSource
from keystead.metering.meter import meter_for
from keystead.web.realtime import kind_of
from tests.fuzz.catalogue import TARGETS
from tests.fuzz.identities import jwk, signed

_DEEP: Final = b"[" * 100_000 + b"]" * 100_000
_FINDS: Final = {
    "claims that nest without end": ("claims", _DEEP),
    "a token's payload that nests without end": ("ID tokens", signed(_DEEP[:8_000]).encode()),
    "a key whose algorithm is a list": ("published keys", msgspec.json.encode({"keys": [{**jwk(), "alg": []}]})),
    "keys that nest without end": ("published keys", b'{"keys":' + _DEEP + b"}"),
    "a provider that answers with what is no text": ("discovery", b'{"a":"\x80"}'),
    "a provider that answers with what nests without end": ("discovery", _DEEP),
    "an update that nests without end": ("updates", b'{"a":' + _DEEP + b"}"),
    "a name in an object that is no text": ("stored objects", b'{"id":"b","results_url":"x","\x8f":1}'),
    "a type that is beyond all numbers": ("realtime from callers", b'{"type":1e999}'),
    "half of an address": ("origins of forms", b"http://[\na.example\n"),
    "an empty address": ("origins of forms", b"http://[]\na.example\n"),
    "a body for the sandbox that nests without end": ("sandbox embeddings", b'{"input":' + _DEEP + b"}"),
    "an answer to the command line that nests without end": ("answers to the command line", _DEEP),
    "a file's name in an upload that is no text": ("beginnings of uploads", b'{"file":{"\xff":""}}'),
    "an upload's query with many fields": ("uploads", b"upload_id=a" + b"&b=c" * 32),
    "vectors that are no text": ("embeddings by titan", b'[{"\xa8":1}]'),
    "vectors that nest without end": ("embeddings by cohere", b'[{"answer":' + _DEEP + b"}]"),
    "requests of a batch that are no text": ("message batches", b'{"requests":["\x80"]}'),
}


@pytest.mark.parametrize("find", _FINDS)
def test_what_was_found_holds(find: str) -> None:
    name, data = _FINDS[find]
    next(target for target in TARGETS if target.name == name).check(data)


def test_a_type_beyond_all_numbers_is_refused_in_our_words() -> None:
    with pytest.raises(InvalidRequestError):
        kind_of('{"type":1e999}')


@pytest.mark.parametrize("zone", ["", "Z"])
def test_a_cache_whose_times_are_not_both_in_a_zone_has_no_hours(zone: str) -> None:
    meter = meter_for(
        "google",
        Dialect.GEMINI,
        Endpoint.CACHED_CONTENTS,
        stream=False,
        content_type="application/json",
        request_model="m",
    )
    times = f'"createTime":"2026-01-02T03:04:05","expireTime":"2026-01-02T04:04:05{zone}"'
    meter.feed(f'{{"usageMetadata":{{"totalTokenCount":9}},{times}}}'.encode())
    assert meter.finish(complete=True).source is UsageSource.NONE


def test_the_time_for_public_keys_grows_with_their_length() -> None:
    target = next(target for target in TARGETS if target.name == "public keys")
    target.check(b"-----BEGIN PUBLIC KEY-----\n" * 100_000)
