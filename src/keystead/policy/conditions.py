"""The `when` of a grant: an expression in CEL, type-checked when it is saved. Pure.

CEL (https://cel.dev) has no loops, no assignments and no side effects, and every name and type is known when an
expression is compiled, so a typing mistake is found by whoever saves it and not by a caller. Two things of the
language are left out, because one organization's condition must not slow down another's requests: the macros that
iterate (`exists`, `map` …: nested, they double a text with each level) and `matches` (an expression of 30 characters
can cost 50 ms). What remains costs some microseconds, whatever is written in 2,000 characters.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from keystead.domain.errors import InvalidRequestError
from keystead.policy.facts import Facts, Supposed

if TYPE_CHECKING:
    from cel_expr_python.cel import Env, Expression

MAX_LENGTH: Final = 2_000

VARIABLES: Final = {
    "request.model": "string",
    "request.endpoint": "string",
    "request.dialect": "string",
    "request.stream": "bool",
    "tags": "map<string,string>",
    "team": "string",
    "principal": "string",
    "data_class": "string",
    "time": "timestamp",
    "hour": "int",
    "weekday": "int",
}
"""What a condition can name. `team` and `principal` are ids; `hour` (0 to 23) and `weekday` (1, Monday, to 7) are told
in the organization's time zone."""

_LANGUAGE: Final = """
stdlib:
  include_macros: [has]
  exclude_functions:
    - name: matches
    - name: dyn
"""
_KEPT: Final = 4_096
_FINDING: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.+)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What no editor writes and no terminal should be shown; PostgreSQL keeps no NUL."""
_CONTAINER: Final = " (in container '')"
_TAGS: Final = re.compile(r"\btags\b")


class ConditionFailedError(Exception):
    """A condition could not be decided: it asked for a tag that is not there, or divided by zero."""


class Condition:
    """A condition, compiled."""

    __slots__ = ("_expression", "looks_at_tags", "text")

    def __init__(self, text: str, expression: "Expression") -> None:
        """Keep a checked expression (see `compile_condition`)."""
        self.text = text
        self.looks_at_tags = _TAGS.search(text) is not None
        """It may. Text in quotes that has the word counts too."""
        self._expression = expression

    def holds(self, facts: Facts) -> bool:
        """Decide.

        Raises:
            ConditionFailedError: it cannot be decided. Whoever asks must take that for the answer that allows less.
        """
        if self.looks_at_tags and isinstance(facts.tags, Supposed):
            supposed = facts.tags.truth(self.text, facts)
            if supposed is None:
                raise ConditionFailedError("nobody knows the tags")
            return supposed
        try:
            value = self._expression.eval(data=facts.variables()).value()
        except Exception as error:  # the library's own are untyped, and no failure may allow anything
            raise ConditionFailedError(type(error).__name__) from error
        if not isinstance(value, bool):
            raise ConditionFailedError(str(value)[:200])
        return value


def compile_condition(text: str) -> Condition:
    """Compile a condition.

    Raises:
        InvalidRequestError: `condition_invalid`: not CEL, a name or type that does not fit, not a yes or no, too long.
    """
    if len(text) > MAX_LENGTH:
        raise _invalid(f"It is longer than {MAX_LENGTH:,} characters.")
    if _CONTROL.search(text):
        raise _invalid("It holds a control character.")
    if not text.strip():
        raise _invalid("It is empty.")
    return _compiled(text)


@lru_cache(maxsize=_KEPT)
def _compiled(text: str) -> Condition:
    """Compile once per text: rules are compiled anew with every snapshot, and a condition takes 0.2 ms."""
    environment = _environment()
    try:
        text.encode()
        expression = environment.compile(text)
        kind = expression.return_type().name()
    except (RuntimeError, UnicodeEncodeError) as error:
        raise _invalid(_told(str(error))) from error
    if kind != "BOOL":
        raise _invalid(f"It must be true or false, and is of the type {kind.lower()}.")
    return Condition(text, expression)


@lru_cache(maxsize=1)
def _environment() -> "Env":
    """Load the library when the first condition is compiled: without one nobody pays its 10 MB."""
    from cel_expr_python import cel  # noqa: PLC0415 - as above

    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(_LANGUAGE),
        variables={name: cel.Type(kind) for name, kind in VARIABLES.items()},
    )


def _told(finding: str) -> str:
    """Return the library's findings in our words: where, and what."""
    found = _FINDING.findall(finding)
    if not found:
        return "It cannot be read."
    places = [
        f"{f'line {line}, ' if line != '1' else ''}column {column}: {what.replace(_CONTAINER, '')[:300]}"
        for line, column, what in found[:3]
    ]
    return f"At {'; '.join(places)}."


def _invalid(why: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"This is not a condition. {why}",
        code="condition_invalid",
        param="condition",
        next_step=f"Write CEL over {', '.join(VARIABLES)}; without `matches`, `dyn` and the macros that iterate.",
    )
