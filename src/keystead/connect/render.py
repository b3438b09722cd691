"""Fill in the templates of a client. Pure.

What is filled in needs no quoting anywhere, because addresses and models that would need it are refused.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from keystead.connect.client import KEY_VARIABLE, Client, File, Launch
from keystead.domain.errors import InvalidRequestError

Shell = Literal["sh", "fish", "powershell"]

PLACEHOLDER: Final = "ks_your_virtual_key"

_URL: Final = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_MODEL: Final = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:@/+-]{0,255}")
_MODEL_MARK: Final = "{{model}}"
_FOREIGN_MARK: Final = "{{foreign}}"


class _Words(msgspec.Struct, frozen=True, kw_only=True):
    """How a shell says things."""

    key: str
    set: str
    unset: str


_SHELLS: Final = {
    "sh": _Words(key=f"${KEY_VARIABLE}", set="export {}={}", unset="unset {}"),
    "fish": _Words(key=f"${KEY_VARIABLE}", set="set -gx {} {}", unset="set -e {}"),
    "powershell": _Words(
        key=f"$env:{KEY_VARIABLE}", set="$env:{} = {}", unset="Remove-Item Env:{} -ErrorAction SilentlyContinue"
    ),
}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a client is connected to. Made by `target`."""

    url: str
    model: str


class RenderedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file, and what must be in it."""

    path: str
    """`~` is the user's home."""
    format: Literal["json", "toml", "yaml"]
    text: str
    needed: bool


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a client is told, to be copied. No part of it holds a key."""

    name: str
    title: str
    install: str
    environment: str
    """Lines for the shell that set the variables; empty for a client that reads none."""
    program: str
    files: tuple[RenderedFile, ...]
    language: Literal["python", "javascript", "shell", ""]
    code: str
    steps: tuple[str, ...]
    notes: tuple[str, ...]


def target(client: Client, *, url: str, model: str = "") -> Target:
    """Return what `client` is connected to: the gateway at `url`, and `model` or else the client's default.

    Raises:
        InvalidRequestError: either is not what it should be; `param` says which.
    """
    url = url.rstrip("/")
    if _URL.fullmatch(url) is None:
        raise InvalidRequestError(
            "The gateway's address is not one.", code="invalid_url", param="url", next_step="Write https://host[:port]."
        )
    if model and _MODEL.fullmatch(model) is None:
        raise InvalidRequestError("That is not a model's name.", code="invalid_model", param="model")
    return Target(url=url, model=model or client.default_model)


def rendered(client: Client, to: Target, *, shell: Shell = "sh", key_is_set: bool = False) -> Rendered:
    """Return what a person copies.

    Args:
        client: the client.
        to: what it is connected to.
        shell: whose words the variables are set in.
        key_is_set: the variable with the key is set already; otherwise it is set to a placeholder first.
    """
    snippet = client.snippet
    return Rendered(
        name=client.name,
        title=client.title,
        install=snippet.install if snippet else client.install,
        environment=_environment(client, to, shell=shell, key_is_set=key_is_set),
        program=client.program,
        files=tuple(
            RenderedFile(
                path=f"{file.folder}/{file.name}",
                format=file.format,
                text=file_text(file, client, to),
                needed=file.needed,
            )
            for file in client.files
        ),
        language=snippet.language if snippet else "",
        code=_text(snippet.text, client, to).replace("{{key}}", _SHELLS[shell].key) if snippet else "",
        steps=tuple(_text(step, client, to) for step in client.steps),
        notes=client.notes,
    )


def _environment(client: Client, to: Target, *, shell: Shell, key_is_set: bool) -> str:
    words = _SHELLS[shell]
    if not (client.program or client.variables or client.snippet):
        return ""
    lines = [] if key_is_set else [words.set.format(KEY_VARIABLE, f"'{PLACEHOLDER}'")]
    lines += [words.unset.format(name) for name in client.unset]
    for name, value in client.variables:
        if (filled := _filled(value, client, to)) is not None:
            quoted = f'"{words.key}"' if filled == "{{key}}" else f"'{filled}'"
            lines.append(words.set.format(name, quoted))
    return "\n".join([*lines, ""])


def file_text(file: File, client: Client, to: Target) -> str:
    """Return what must be in one of a client's files."""
    return _text(file.text, client, to)


def environment(client: Client, to: Target, *, key: str) -> dict[str, str]:
    """Return the variables themselves, the key in them, for a process that is started with them."""
    filled = ((name, _filled(value, client, to)) for name, value in (*client.variables, (KEY_VARIABLE, "{{key}}")))
    return {name: value.replace("{{key}}", key) for name, value in filled if value is not None}


def arguments(client: Client, to: Target) -> list[str]:
    """Return the arguments that a client is started with, beside its user's."""
    groups = (client.launch or Launch()).arguments
    told = ([_filled(each, client, to) for each in group] for group in groups)
    return [each for group in told if None not in group for each in group if each is not None]


def _text(text: str, client: Client, to: Target) -> str:
    return "".join(_kept(text.splitlines(keepends=True), client, to))


def _kept(lines: Iterable[str], client: Client, to: Target) -> Iterable[str]:
    filled = (_filled(line, client, to) for line in lines)
    return (line for line in filled if line is not None)


def _filled(text: str, client: Client, to: Target) -> str | None:
    """Fill in the address and the model; None: what `text` says is for another case."""
    if text.startswith(_FOREIGN_MARK) and (not to.model or _is_own(client, to.model)):
        return None
    if _MODEL_MARK in text and not to.model:
        return None
    return text.removeprefix(_FOREIGN_MARK).replace("{{url}}", to.url).replace(_MODEL_MARK, to.model)


def _is_own(client: Client, model: str) -> bool:
    return any(fnmatchcase(model, pattern) for pattern in client.own_models)
