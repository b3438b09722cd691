"""A system resolver that answers as a test says, for a process that knows nothing of it.

    resolver = ScriptedResolver(folder)
    async with Gateway.running(home, resolver.environment(), …):
        resolver.answer("provider.example", ["127.0.0.2"], ["127.0.0.1"])   # first this, from then on that
        … resolver.asked("provider.example") …

The process finds `preloaded/sitecustomize.py` on its PYTHONPATH, which asks `resolve` here. Both read one folder.
"""

import json
from collections.abc import Sequence
from pathlib import Path

_FAKES = Path(__file__).parent


class ScriptedResolver:
    """Names with their answers, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ahead = folder / "ahead_s"

    def environment(self) -> dict[str, str]:
        """Return the variables that put this resolver into a process."""
        path = f"{_FAKES / 'preloaded'}:{_FAKES.parents[1]}"
        return {"PYTHONPATH": path, "SCRIPTED_RESOLVER": str(self._folder)}

    # -- the test's side -----------------------------------------------------------------------------------------

    def answer(self, name: str, *answers: Sequence[str]) -> None:
        """Give these addresses to the questions for `name` from now on, in order; the last answer stays."""
        (self._folder / f"{name}.asked").write_text("")
        (self._folder / f"{name}.json").write_text(json.dumps(answers))

    def asked(self, name: str) -> int:
        """Return how often the process has asked since `answer`."""
        return len((self._folder / f"{name}.asked").read_text())

    def pass_time(self, seconds: float) -> None:
        """Let `seconds` pass on the process's monotonic clock, by which it forgets what it was told about names."""
        written = self._folder / "ahead_s.new"
        written.write_text(str(self.ahead_s() + seconds))
        written.rename(self._ahead)  # the process reads it at any moment, and never half of it

    # -- the process's side --------------------------------------------------------------------------------------

    def resolve(self, name: str) -> Sequence[str] | None:
        """Return the addresses of `name` and count the question; None if nothing was said about it."""
        script = self._folder / f"{name}.json"
        if "/" in name or not script.exists():
            return None
        answers: list[list[str]] = json.loads(script.read_text())
        earlier = self.asked(name)
        with (self._folder / f"{name}.asked").open("a") as asked:
            asked.write("?")
        return answers[min(earlier, len(answers) - 1)]

    def ahead_s(self) -> float:
        """Return how far the process's monotonic clock is ahead of the machine's."""
        return float(self._ahead.read_text()) if self._ahead.exists() else 0.0
