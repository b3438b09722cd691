"""Puts a script in the place of a process's system resolver, from outside: see `tests.fakes.resolver`.

Python imports a module of this name before anything of the program, from any folder on PYTHONPATH. Whoever in the
process asks for a name's addresses, with or without an event loop, is answered from the script; what it does not
mention, the system answers.
"""

import os
import socket
import time
from pathlib import Path
from typing import Any

import uvloop

from tests.fakes.resolver import ScriptedResolver

Entry = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]

_script = ScriptedResolver(Path(os.environ["SCRIPTED_RESOLVER"]))
_system_getaddrinfo: Any = socket.getaddrinfo
_loop_getaddrinfo: Any = uvloop.Loop.getaddrinfo  # asks the C library itself, not through `socket`
_system_monotonic = time.monotonic


def _scripted(host: object, port: object) -> list[Entry] | None:
    """Return what the script says about `host`; None: it says nothing."""
    name = host.decode() if isinstance(host, bytes) else str(host)
    addresses = _script.resolve(name)
    if addresses is None:
        return None
    return [_entry(address, int(str(port)), canonical=f"canonical.{name}") for address in addresses]


def _entry(address: str, port: int, *, canonical: str) -> Entry:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, canonical, (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, canonical, (address, port)


def _getaddrinfo(host: object, port: object, *more: Any, **named: Any) -> Any:
    found = _scripted(host, port)
    return _system_getaddrinfo(host, port, *more, **named) if found is None else found


async def _getaddrinfo_in_loop(loop: uvloop.Loop, host: object, port: object, **named: Any) -> Any:
    found = _scripted(host, port)
    return await _loop_getaddrinfo(loop, host, port, **named) if found is None else found


def _monotonic() -> float:
    return _system_monotonic() + _script.ahead_s()


socket.getaddrinfo = _getaddrinfo
uvloop.Loop.getaddrinfo = _getaddrinfo_in_loop  # type: ignore[assignment,method-assign]
time.monotonic = _monotonic
