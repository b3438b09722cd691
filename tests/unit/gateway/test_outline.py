"""What is kept of a request to decide about it again, and what is not."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.dialects.asked import Asked
from keystead.dialects.body import read_json
from keystead.domain.errors import InvalidRequestError
from keystead.domain.traffic import Dialect, Endpoint
from keystead.gateway.ask import Ask
from keystead.gateway.inspect import check_fallback, inspect, outline_of
from keystead.gateway.rules import caller_of
from keystead.metering.outline import Outline, read_outline
from keystead.policy.recognize import Recognizer, Recognizers
from tests.fakes.traffic import ORGANIZATION, credential, rules, virtual_key

PLAIN = caller_of(virtual_key(), rules(credential("own")))
MAIL = Recognizers(
    [
        Recognizer(organization_id=ORGANIZATION, name="mail", kind="email", action="redact"),
        Recognizer(
            organization_id=ORGANIZATION,
            name="apollo",
            kind="pattern",
            pattern="APOLLO",
            action="raise",
            data_class="restricted",
        ),
    ]
)
LOOKING = caller_of(virtual_key(), msgspec.structs.replace(rules(credential("own")), recognizers=MAIL))


def ask(body: dict[str, Any], headers: dict[bytes, bytes] | None = None, **more: Any) -> Ask:
    raw = json.dumps(body).encode()
    values: dict[str, Any] = {
        "request_id": "req_1",
        "started_at": 0,
        "started_us": 0,
        "method": "POST",
        "dialect": Dialect.OPENAI,
        "endpoint": Endpoint.CHAT,
        "tail": "",
        "query": b"",
        "headers": headers or {},
        "model": "gpt-5",
        "stream": False,
        "body": raw,
        "json": read_json(raw),
    }
    return Ask(**values | more)


def messages(text: str) -> dict[str, Any]:
    return {"model": "gpt-5", "max_tokens": 70, "messages": [{"role": "user", "content": text}]}


def test_it_says_how_large_a_request_is_and_what_it_asks_for() -> None:
    asked = ask({**messages("Hi"), "tools": [], "models": ["a", "b"]}, {b"x-keystead-fallback": b" None"})
    assert outline_of(PLAIN, asked) == Outline(
        body_bytes=len(asked.body),
        asked=Asked(max_output_tokens=70, tools=True),
        alternatives=True,
        own_only=True,
    )


@pytest.mark.parametrize("said", [b"off", b"no", b"", b"none, none", b"platform"])
def test_a_slip_in_the_header_that_forbids_a_fallback_is_refused_and_not_overlooked(said: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="x-keystead-fallback"):
        check_fallback(ask(messages("Hi"), {b"x-keystead-fallback": said}))


def test_a_class_is_kept_if_it_is_one() -> None:
    for said, kept in ((b"restricted ", "restricted"), (b"my own words", "")):
        assert outline_of(PLAIN, ask(messages("Hi"), {b"x-keystead-data-class": said})).said == kept


def test_what_recognisers_found_is_kept_once_they_have_looked() -> None:
    asked = ask(messages("APOLLO, from a@example.com"))
    assert outline_of(LOOKING, asked).found is None
    seen, _ = inspect(LOOKING, asked)
    outline = outline_of(LOOKING, seen)
    assert (outline.found, outline.redacted, outline.body_bytes) == (("restricted",), True, len(seen.body))
    assert outline_of(PLAIN, asked).found == ()


@given(
    text=st.text(min_size=8),
    tag=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), min_size=8, max_size=60),
    address=st.ip_addresses().map(str),
)
def test_nothing_of_what_was_said_no_tag_and_no_address_is_kept(text: str, tag: str, address: str) -> None:
    headers = {b"x-keystead-tags": b"name=" + tag.encode("latin-1"), b"user-agent": b"agent"}
    outline = outline_of(PLAIN, ask(messages(text), headers, address=address))
    assert outline == Outline(
        body_bytes=outline.body_bytes, asked=Asked(max_output_tokens=70, media=outline.asked.media), tagged=True
    )


@pytest.mark.parametrize("outline", [Outline(body_bytes=0), Outline(body_bytes=5, found=None, said="a", stored=True)])
def test_what_is_kept_can_be_read(outline: Outline) -> None:
    assert read_outline(msgspec.json.encode(outline).decode()) == outline


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"body_bytes":"x"}', "{"])
def test_what_cannot_be_read_is_none(text: str | None) -> None:
    assert read_outline(text) is None
