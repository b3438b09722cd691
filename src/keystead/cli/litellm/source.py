"""The configuration that is translated, and what there is to say about it. Pure."""

from typing import Any

import msgspec

from keystead.cli.litellm import words
from keystead.cli.yaml_tree import Path, Tree

Json = dict[str, Any]


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Something that somebody should know of, and where it is."""

    line: int
    setting: str
    message: str


class Source:
    """A LiteLLM configuration, as it is gone through once."""

    def __init__(self, tree: Tree) -> None:
        """Read from `tree`."""
        self._tree = tree
        self._findings: list[Finding] = []
        self.sections: Json = tree.value if isinstance(tree.value, dict) else {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was said, in the order of its lines."""
        return tuple(sorted(self._findings))

    @property
    def models(self) -> list[Any]:
        """The entries of `model_list`."""
        found = self.sections.get("model_list")
        return found if isinstance(found, list) else []

    def at(self, *path: str) -> Any:
        """Return what `path` leads to; None if it leads nowhere."""
        value: Any = self.sections
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def say(self, path: Path, message: str) -> None:
        """Tell of what is at `path`."""
        setting = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        self._findings.append(Finding(line=self._tree.line(path), setting=setting, message=message))

    def pass_over(self, path: Path) -> None:
        """Tell that nothing is made of what is at `path`, and why."""
        self.say(path, words.REASONS.get(str(path[-1]), words.UNKNOWN))
