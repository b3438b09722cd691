"""`keystead …` in the tests' own process, and how its answers are read."""

import asyncio
import json
from typing import Any, Protocol

from click.testing import CliRunner, Result

from keystead.cli import main


class Run(Protocol):
    """Runs `keystead …`, which must end with the code that is expected."""

    async def __call__(self, *args: str, stdin: str = "", expect: int = 0) -> Result: ...


async def keystead(*args: str, stdin: str = "", expect: int = 0) -> Result:
    """Run `keystead …` in a thread of its own, with the environment as it is."""
    result = await asyncio.to_thread(CliRunner().invoke, main, list(args), input=stdin)
    assert result.exit_code == expect, result.output
    return result


async def answer(run: Run, *args: str, stdin: str = "") -> Any:
    """Return what a command tells a program."""
    return json.loads((await run(*args, "--output", "json", stdin=stdin)).stdout)


def row(output: str, word: str) -> list[str]:
    """Return the words of the first line with `word` in it."""
    return next(line.split() for line in output.splitlines() if word in line)
