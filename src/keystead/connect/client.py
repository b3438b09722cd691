"""What a client needs to be told: variables, files, code, steps. Templates, filled in by `keystead.connect.render`.

A template holds `{{url}}` (the gateway's address, without a path), `{{model}}` and, in a variable's value or a shell
snippet, `{{key}}`: a reference to the environment variable that holds the virtual key. No template has room for the key
itself, so no file that is made from one holds a secret. A line that names `{{model}}` is left out when no model is
given; one that begins with `{{foreign}}` unless the model given is another maker's.
"""

from typing import Final, Literal

import msgspec

KEY_VARIABLE: Final = "KEYSTEAD_KEY"
"""Where a virtual key is read from."""
SANDBOX: Final = "sandbox/echo"
"""A model that answers on every gateway, without a provider's key."""

Format = Literal["json", "toml", "yaml"]
Language = Literal["python", "javascript", "shell"]


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the client's own, and what must be in it."""

    folder: str
    """`~` is the user's home."""
    name: str
    folder_variable: str = ""
    """The environment variable that moves the folder, where there is one."""
    format: Format
    text: str
    needed: bool = True
    """Without it the client is not connected; otherwise it only saves setting the variables each time."""


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A program that asks the model to say hello and prints the answer."""

    language: Language
    text: str
    install: str = ""
    """What must be installed."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How the client is started with nothing written to its files."""

    arguments: tuple[tuple[str, ...], ...] = ()
    """Groups of arguments; a group that names the model is left out when none is given."""
    settings_variable: str = ""
    """The variable that takes the text of the client's first file."""
    needs_files: bool = False
    """Its files must be as they should: no variable and no argument stands for them."""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One client."""

    name: str
    title: str
    program: str = ""
    """What starts it."""
    own_models: tuple[str, ...] = ()
    """Patterns of its maker's models."""
    default_model: str = ""
    """What it asks where no model is given; empty: its own choice."""
    variables: tuple[tuple[str, str], ...] = ()
    unset: tuple[str, ...] = ()
    """Variables that would lead it elsewhere, or show another key beside ours."""
    files: tuple[File, ...] = ()
    snippet: Snippet | None = None
    launch: Launch | None = None
    install: str = ""
    steps: tuple[str, ...] = ()
    """What a person does by hand."""
    notes: tuple[str, ...] = ()
