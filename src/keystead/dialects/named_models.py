"""Which models a JSON body names, at any depth. Pure.

For bodies whose form the gateway does not know: what is passed through, and what a realtime session is told.
"""

from collections.abc import Mapping
from typing import Any, Final

from keystead.dialects.taking import decoded

_NOT_INSIDE: Final = frozenset({"input_schema", "metadata", "parameters", "tools"})
"""Members that describe something to a model, or to nobody: what is called `model` in them is none that runs."""


def named_models(body: bytes) -> frozenset[str]:
    """Return every text that is the value of a member `model`.

    Raises:
        InvalidRequestError: it is no JSON, or nested too deeply.
    """
    if b'"model"' not in body and b"\\" not in body:  # a name may be written with escapes
        return frozenset()
    waiting: list[Any] = [decoded(body)]
    found = set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if isinstance(model := value.get("model"), str):
                found.add(model)
            waiting += [inner for name, inner in value.items() if name not in _NOT_INSIDE]
        elif isinstance(value, list):
            waiting += value
    return frozenset(found)
