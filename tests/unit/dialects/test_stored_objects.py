"""What a provider tells of a stored object."""

import json
from typing import Any

import pytest

from keystead.dialects.stored_objects import told
from keystead.domain.stored import ObjectKind

DAY_US = 86_400 * 1_000_000
MADE_US = 1_893_456_000_000_000
MADE, DEADLINE = "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("kind", "members", "ends_at"),
    [
        (ObjectKind.MESSAGE_BATCH, {"created_at": MADE, "expires_at": DEADLINE}, MADE_US + 29 * DAY_US),
        (ObjectKind.MESSAGE_BATCH, {"expires_at": DEADLINE}, MADE_US + 29 * DAY_US),
        (ObjectKind.MESSAGE_BATCH, {}, None),
        (ObjectKind.BATCH, {"created_at": 1_893_456_000, "expires_at": 1_893_542_400}, None),
        (ObjectKind.FILE, {"created_at": 1_893_456_000, "expires_at": 1_893_542_400}, MADE_US + DAY_US),
    ],
)
def test_a_batch_ends_with_its_results_and_not_with_its_deadline(
    kind: ObjectKind, members: dict[str, Any], ends_at: int | None
) -> None:
    found = told(kind, json.dumps({"id": "x", **members}).encode())
    assert found is not None
    assert found.expires_at == ends_at
