import json
from typing import Any

import pytest

from keystead.dialects.body import read_json
from keystead.dialects.inner_model import with_inner_model


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "models/alias", "content": {}}, {"model": "models/real", "content": {}}),
        (
            {"requests": [{"model": "models/alias"}, {}]},
            {"requests": [{"model": "models/real"}, {"model": "models/real"}]},
        ),
        (
            {"generateContentRequest": {"model": "a", "x": 1.50}},
            {"generateContentRequest": {"model": "models/real", "x": 1.5}},
        ),
    ],
)
def test_a_name_that_is_repeated_in_the_body_follows_the_path(body: Any, expected: Any) -> None:
    assert json.loads(with_inner_model(read_json(json.dumps(body).encode()), "real").raw) == expected


@pytest.mark.parametrize(
    "body", [b'{"contents":[]}', b'{"model":"models/real"}', b'{"requests":7}', b'{"requests":[]}']
)
def test_a_body_that_says_the_same_or_nothing_is_not_touched(body: bytes) -> None:
    read = read_json(body)
    assert with_inner_model(read, "real") is read
