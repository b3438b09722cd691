"""The official JavaScript SDKs, unchanged but for base URL and key, against a real gateway on both engines.

One node process (tests/acceptance/js/run.mjs) makes every call and checks it with the SDK's own types; here stands
which cases there must be, and what the provider saw. The packages are installed from the lock file on first use.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance import javascript
from tests.acceptance.conftest import GOOGLE_KEY, OPENAI_KEY, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUTS = ("fake-cut-fin", "fake-cut-rst", "fake-cut-chunk")

CASES = (
    *(
        f"openai {case}"
        for case in (
            *("chat", "headers", "stream", "stream with usage", "tools", "image", "responses", "responses stream"),
            *("embeddings", "models", "our own error", *CUTS),
            *(f"error {status}" for status in (400, 401, 403, 404, 429, 500, 503)),
        )
    ),
    *(
        f"anthropic {case}"
        for case in (
            *("message", "stream", "tools", "image", "count tokens", "models", "our own error", *CUTS),
            *(f"error {status}" for status in (400, 401, 403, 404, 429, 500, 529)),
        )
    ),
    *(
        f"genai {case}"
        for case in (
            *("generate v1", "generate v1beta", "stream", "tools", "image", "count tokens", "embeddings", "models"),
            *("our own error", *CUTS),
            *(f"error {status}" for status in (400, 401, 403, 404, 429, 500, 503)),
        )
    ),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(node: str, stage: Stage) -> Mapping[str, dict[str, Any]]:
    """What each case came to, by its name."""
    out = await javascript.run(node, "run.mjs", GATEWAY_URL=stage.gateway.url, GATEWAY_KEY=stage.gateway.virtual_key)
    return {outcome["name"]: outcome for outcome in map(json.loads, out.splitlines())}


async def test_every_case_was_run(outcomes: Mapping[str, dict[str, Any]]) -> None:
    assert sorted(outcomes) == sorted(CASES)


@pytest.mark.parametrize("case", CASES)
async def test_javascript(outcomes: Mapping[str, dict[str, Any]], case: str) -> None:
    assert outcomes[case].get("ok"), outcomes[case].get("error")


@pytest.mark.parametrize(
    ("marker", "shown"),
    [("js-openai-image", f"Bearer {OPENAI_KEY}"), ("js-anthropic-image", "sk-ant-"), ("js-genai-image", GOOGLE_KEY)],
)
async def test_the_provider_saw_the_image_and_its_own_key(
    outcomes: Mapping[str, dict[str, Any]], stage: Stage, marker: str, shown: str
) -> None:
    assert outcomes
    [call] = [call for call in stage.fake.calls if call.marker == marker]
    assert b"iVBORw0KGgoAAAANSUhEUgAA" in call.body
    assert call.auth.startswith(shown)
    assert stage.gateway.virtual_key not in str(call.headers)
