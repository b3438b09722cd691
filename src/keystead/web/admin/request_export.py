"""Recorded requests as a file: all that the list shows with the same filters, however many.

It is made page by page while it is sent: neither memory nor a transaction grows with it, so there is no ceiling of rows.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, Literal

import msgspec

from keystead.domain.access import Permission
from keystead.metering.request_log import all_pages
from keystead.metering.usage_views import RequestFilter, RequestRow
from keystead.web.admin.requests import RequestShown, RequestsMeant, filters_of, request_shown
from keystead.web.admin.route import LINES, Act, Call, Download, Route
from keystead.web.admin.values import Nothing, instant
from keystead.web.csv_file import csv_rows

CSV: Final = "text/csv; charset=utf-8"
PAGE: Final = 100
"""Requests that are read in one go."""
_COLUMNS: Final = RequestShown.__struct_fields__


class ExportQuery(RequestsMeant, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests, and how they are written."""

    format: Literal["csv", "jsonl"] = "csv"


async def export(call: Call[ExportQuery, Nothing]) -> Download:
    """Give the requests as a file, newest first. The audit log has it before the first of them leaves."""
    query, filters = call.query, filters_of(call)  # what is refused is refused before anything is sent
    narrowed = {name: value for name, value in msgspec.to_builtins(query).items() if value is not None}
    async with call.rooms.database.write() as conn:
        await Act(conn, call).record(
            "requests.exported", object_kind="organization", object_id=call.who.organization_id, **narrowed
        )
    return Download(
        name=f"requests-{instant(call.rooms.clock.now_us()):%Y-%m-%dT%H%M%SZ}.{query.format}",
        media_type=CSV if query.format == "csv" else LINES,
        pieces=_pieces(call, filters),
    )


async def _pieces(call: Call[ExportQuery, Nothing], filters: RequestFilter) -> AsyncIterator[bytes]:
    write = _rows if call.query.format == "csv" else _lines
    if write is _rows:
        yield csv_rows([_COLUMNS])
    pages = all_pages(call.rooms.database, organization_id=call.who.organization_id, filters=filters, limit=PAGE)
    async for page in pages:
        if page:
            yield await asyncio.to_thread(write, page)


def _rows(page: tuple[RequestRow[int], ...]) -> bytes:
    return csv_rows(_cells(row) for row in page)


def _cells(row: RequestRow[int]) -> list[Any]:
    shown = msgspec.to_builtins(request_shown(row))
    return [shown[name] for name in _COLUMNS]


def _lines(page: tuple[RequestRow[int], ...]) -> bytes:
    return b"".join(msgspec.json.encode(request_shown(row)) + b"\n" for row in page)


ROUTES: Final = (
    Route(
        method="GET",
        path="/requests/export",
        permission=Permission.REQUEST_READ,
        scope="team",
        own=Permission.KEY_OWN,
        handler=export,
        summary="Recorded requests as a file of CSV or JSON lines, newest first, without a limit.",
        query=ExportQuery,
        answer=RequestShown,
        files=(CSV, LINES),
    ),
)
"""The routes of this resource. Before `/requests/{request}` in the table, which would take the word for an id."""
