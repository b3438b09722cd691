"""A file that is made while it is sent, as an HTTP response. One that breaks off never looks whole."""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

import structlog
from starlette.responses import Response, StreamingResponse

from keystead.web.admin.route import Download

log = structlog.get_logger(__name__)


class BrokenDownloadError(Exception):
    """A file could not be made to its end: what is left to do is to end the connection."""


def file_response(download: Download, headers: Mapping[str, str], *, whole: bool) -> Response:
    """Return `download` as a response; not `whole` (HEAD): nothing of it is made.

    When the client hangs up, the pieces end where they are.
    """
    named = {**headers, "content-disposition": f"attachment; filename*=UTF-8''{quote(download.name, safe='')}"}
    if not whole:
        return Response(media_type=download.media_type, headers=named)
    return StreamingResponse(_pieces(download), media_type=download.media_type, headers=named)


async def _pieces(download: Download) -> AsyncIterator[bytes]:
    try:
        async for piece in download.pieces:
            yield piece
    except Exception as error:  # the answer has begun: nothing can be told in it any more
        log.exception("download_failed", name=download.name)
        raise BrokenDownloadError from error
