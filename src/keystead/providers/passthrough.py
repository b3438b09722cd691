"""Pass-through: which other paths of a provider may be called, as the operator lists them. Pure.

A template is a method and a path of the provider, such as `GET /v1/fine_tuning/jobs/{id}`. Nothing that is not listed
passes. A part in braces stands for what its type allows, and no type allows a slash, a percent sign or `..`:

| part       | stands for                                                  |
|------------|-------------------------------------------------------------|
| `{id}`     | letters, digits, `_` and `-`                                |
| `{number}` | digits                                                      |
| `{name}`   | letters, digits, `_`, `-` and dots                          |
| `{model}`  | a model's name; grants and virtual keys are asked about it  |
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from keystead.domain.traffic import Dialect
from keystead.providers.row import Provider
from keystead.providers.table import PROVIDERS

_TYPES: Final = {
    "id": r"[A-Za-z0-9_-]{1,128}",
    "number": r"[0-9]{1,18}",
    "name": r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
    "model": r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,127}",
}
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TEMPLATE: Final = re.compile(r"([A-Z]+) ((?:/(?:[A-Za-z0-9_.:@-]|\{[a-z]+\})+)+)")
_PART: Final = re.compile(r"\{([a-z]+)\}")
_MOST: Final = 200
"""Templates of one provider."""


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A path that may be called."""

    template: str
    """Its path, with the parts in braces: what records and grants call it, where it names no model."""
    model: str | None
    """What stands in its `{model}`."""
    dialect: Dialect
    """Whose headers, errors and usage are expected there."""


class _Template(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    path: str
    pattern: re.Pattern[str]


class Passthrough:
    """The templates, by provider."""

    def __init__(self, templates: Mapping[str, Iterable[str]]) -> None:
        """Compile them.

        Raises:
            ValueError: a provider that is not known, or what is no template; the message names it.
        """
        self._templates = {name: _compiled(name, texts) for name, texts in templates.items()}

    def match(self, provider: Provider, method: str, path: str) -> Passed | None:
        """Return what a method and a raw path of `provider` are, or None if they are not listed."""
        for template in self._templates.get(provider.name, ()):
            if template.method == method and (found := template.pattern.fullmatch(path)) and ".." not in path:
                return Passed(
                    template=template.path.removeprefix("/"),
                    model=found.groupdict().get("model"),
                    dialect=dialect_of(provider, path),
                )
        return None


def _compiled(name: str, texts: Iterable[str]) -> tuple[_Template, ...]:
    if name not in PROVIDERS:
        raise ValueError(f"there is no provider {name!r}")
    found = tuple(_template(text) for text in texts)
    if len(found) > _MOST:
        raise ValueError(f"{name} has more than {_MOST} templates")
    return found


def _template(text: str) -> _Template:
    parsed = _TEMPLATE.fullmatch(text)
    if parsed is None or parsed[1] not in _METHODS or ".." in text:
        raise ValueError(f"{text[:200]!r} is no template; one reads `GET /v1/fine_tuning/jobs/{{id}}`")
    types = _PART.findall(parsed[2])
    unknown = [name for name in types if name not in _TYPES]
    if unknown or types.count("model") > 1:
        raise ValueError(f"{text[:200]!r} has a part that is none of {', '.join(_TYPES)}, or two models")
    # Between braces stand names of types, outside of them what is escaped.
    pieces = _PART.split(parsed[2])
    pattern = "".join(_group(piece) if number % 2 else re.escape(piece) for number, piece in enumerate(pieces))
    return _Template(method=parsed[1], path=parsed[2], pattern=re.compile(pattern))


def _group(name: str) -> str:
    return f"(?P<model>{_TYPES[name]})" if name == "model" else f"(?:{_TYPES[name]})"


def dialect_of(provider: Provider, path: str) -> Dialect:
    """Return the dialect under whose prefix a path lies, the longest first; else the provider's first."""
    by_length = sorted(provider.dialects.items(), key=lambda item: -len(item[1]))
    under = (dialect for dialect, prefix in by_length if prefix and path.startswith(f"{prefix}/"))
    return next(under, next(iter(provider.dialects)))
