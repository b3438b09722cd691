"""Which containers a provider opened for an answer."""

import json
from typing import Any

import pytest

from keystead.dialects.containers import of_items, of_message
from keystead.domain.traffic import Dialect, Endpoint
from keystead.metering.meter import meter_for

END = "2030-01-01T00:00:00Z"
END_US = 1_893_456_000_000_000


@pytest.mark.parametrize(
    ("container", "found"),
    [
        ({"id": "container_1", "expires_at": END}, {"container_1": END_US}),
        ({"id": "container_1", "expires_at": "soon", "skills": None}, {"container_1": None}),
        ({"id": "a\nb"}, {}),
        ({"id": "c" * 256}, {}),
        ({"id": 1}, {}),
        (None, {}),
        ("container_1", {}),
    ],
)
def test_a_message_names_its_container(container: Any, found: dict[str, int | None]) -> None:
    assert of_message(json.dumps(container).encode()) == found


def test_output_items_name_theirs_and_what_a_model_wrote_none() -> None:
    output: list[Any] = [
        {"type": "code_interpreter_call", "container_id": "cntr_1"},
        {"type": "shell_call", "environment": {"type": "container_reference", "container_id": "cntr_2"}},
        {"type": "shell_call", "environment": None},
        {"type": "file_search_call", "results": [{"attributes": {"container_id": "cntr_3"}}]},
        {"type": "mcp_call", "container_id": "cntr_4"},
        {"type": "code_interpreter_call", "container_id": 5},
        "cntr_6",
    ]
    assert of_items(json.dumps(output).encode()) == {"cntr_1": None, "cntr_2": None}
    assert of_items(b'"container_id"') == {}


def events(*told: dict[str, Any]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in told)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_names_them_while_it_passes_wherever_it_is_cut(size: int) -> None:
    call = {"type": "code_interpreter_call", "container_id": "cntr_1"}
    for dialect, endpoint, stream, found in (
        (
            Dialect.ANTHROPIC,
            Endpoint.MESSAGES,
            events(
                {"type": "message_start", "message": {"id": "m", "container": None, "usage": {"input_tokens": 1}}},
                {"type": "content_block_delta", "delta": {"text": '"container":{"id":"x"}'}},
                {"type": "message_delta", "delta": {"container": {"id": "container_1", "expires_at": END}}},
            ),
            {"container_1": END_US},
        ),
        (
            Dialect.OPENAI,
            Endpoint.RESPONSES,
            events(
                {"type": "response.output_item.added", "item": call},
                {"type": "response.output_text.delta", "delta": '{"container_id":"x"}'},
            ),
            {"cntr_1": None},
        ),
        (
            Dialect.OPENAI,
            Endpoint.RESPONSES,
            events({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [call]}}),
            {"cntr_1": None},
        ),
    ):
        opened: dict[str, int | None] = {}
        meter = meter_for(
            "any",
            dialect,
            endpoint,
            stream=True,
            content_type="text/event-stream",
            request_model="m",
            containers=opened,
        )
        for start in range(0, len(stream), size):
            meter.feed(stream[start : start + size])
        assert opened == found
