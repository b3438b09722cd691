"""What each kind of client needs to use the gateway, to be copied. No part of it holds a key."""

from typing import Annotated, Final

import msgspec

from keystead.connect.clients import CLIENTS
from keystead.connect.render import Rendered, Shell, rendered, target
from keystead.web.admin.route import Call, Route
from keystead.web.admin.values import Nothing


class ConnectQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the clients are to be connected to."""

    url: Annotated[
        str, msgspec.Meta(max_length=300, description="The gateway's address as the clients reach it: `https://host`.")
    ]
    model: Annotated[str, msgspec.Meta(max_length=256, description="Default: each client's own.")] = ""
    shell: Shell = "sh"


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Every client."""

    clients: tuple[Rendered, ...]


async def show(call: Call[ConnectQuery, Nothing]) -> Connections:
    """Return what every client needs."""
    asked = call.query
    return Connections(
        clients=tuple(
            rendered(client, target(client, url=asked.url, model=asked.model), shell=asked.shell)
            for client in CLIENTS.values()
        )
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/connect",
        permission=None,
        handler=show,
        summary="What Claude Code, Codex, the SDKs and other clients need to use this gateway.",
        query=ConnectQuery,
        answer=Connections,
    ),
)
