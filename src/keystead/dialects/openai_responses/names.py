"""One name for a tool that stands in a namespace: no other dialect knows namespaces. Pure.

Codex puts the tools of each MCP server into one (`mcp__github`), and runs a call only if it says the namespace again.
"""

import hashlib
from typing import Final

_LONGEST: Final = 64
"""What OpenAI and Gemini take as the name of a function."""
_HASH: Final = 8


def flat(namespace: str, name: str) -> str:
    """Return a name that is the same in each turn, and no other tool's."""
    whole = f"{namespace}__{name}"
    if len(whole) <= _LONGEST:
        return whole
    return f"{whole[: _LONGEST - _HASH - 1]}_{hashlib.sha256(whole.encode()).hexdigest()[:_HASH]}"
