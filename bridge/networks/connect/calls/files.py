"""Files by themselves: uploaded before a message names them, and fetched after a webhook has."""

from __future__ import annotations

import asyncio
import logging
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from urllib.parse import quote

from aiohttp import web
from aiohttp.hdrs import CONTENT_ENCODING, EXPECT
from aiohttp.multipart import content_disposition_filename, parse_content_disposition

from bridge.content.names import LONGEST_NAME, UNNAMED, clean_name, good_name
from bridge.errors import Refused, Unavailable
from bridge.files import PIECE, Arriving, Pieces
from bridge.model import File
from bridge.networks.connect.calls.call import Call
from bridge.networks.connect.fields import MIME_PATTERN
from bridge.networks.connect.files import UNKNOWN_TYPE
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.request_body import SLOWEST
from bridge.networks.connect.shelf.address import wanted
from bridge.networks.connect.shelf.shelf import ProductFiles

log = logging.getLogger(__name__)
_MIME = re.compile(MIME_PATTERN.removesuffix("$"))
_READS = 60.0  # s that a product may take nothing of a file that it fetches
_SLOWEST = 64 * 1024  # bytes/s that it must take of it in all: it holds a place, and can go on where it was
_AT_ONCE = 20  # transfers of one product, each way: others have their places
_WAITS = 30.0  # s for a place, less than a body may stand still; then the product is asked to come again
_BUSY = 5.0  # s until then


class FileCalls:
    """``timeout`` in seconds: of the beginning of a body. Without a ``shelf`` nothing can be uploaded or fetched."""

    def __init__(self, shelf: ProductFiles | None, timeout: float) -> None:
        self._shelf = shelf
        self._timeout = timeout
        self._places: dict[tuple[str, str], asyncio.Semaphore] = {}

    @asynccontextmanager
    async def _place(self, call: Call) -> AsyncIterator[None]:
        """One of the product's places. Raises Unavailable (busy)."""
        key = (call.network, call.request.method)
        places = self._places.setdefault(key, asyncio.Semaphore(_AT_ONCE))
        try:
            async with asyncio.timeout(_WAITS):
                await places.acquire()
        except TimeoutError:
            raise Unavailable("busy", _BUSY) from None
        try:
            yield
        finally:
            places.release()

    async def upload(self, call: Call) -> web.Response:
        """POST /files."""
        if self._shelf is None:
            raise Unavailable("not_ready", 2)
        file = _announced(call, self._shelf.files.most)
        async with self._place(call):
            ident, taken = await self._uploaded(self._shelf, call, file)
        return json_answer(to_view(ident, taken), 201)

    async def _uploaded(self, shelf: ProductFiles, call: Call, file: Arriving) -> tuple[str, File]:
        request = call.request
        if request.headers.get(EXPECT, "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        async with aclosing(self._body(request, file.size)) as pieces:
            return await shelf.upload(call.network, file, pieces)

    async def _body(self, request: web.Request, size: int) -> Pieces:
        """What comes. Raises Refused (too_slow, broken_body)."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout + size / SLOWEST
        while True:
            try:
                async with asyncio.timeout_at(until):  # not around the yield: others work on the piece meanwhile
                    piece = await request.content.read(PIECE)
            except TimeoutError:
                raise Refused("too_slow") from None
            except web.RequestPayloadError:
                raise Refused("broken_body") from None
            if not piece:
                return
            yield piece

    async def file(self, call: Call) -> web.StreamResponse:
        """GET /files/{id}."""
        if self._shelf is None:
            raise Unavailable("not_ready", 2)
        found = await self._shelf.find(call.id, call.network)
        etag = f'"{found.sha256}"'
        known = call.request.headers.get("If-Range") in (None, etag)
        part = wanted(call.request.headers.get("Range") if known else None, found.size)
        start, end = part or (0, found.size)
        answer = web.StreamResponse(status=206 if part else 200, headers=_headers(found, etag))
        answer.content_length = end - start
        if part:
            answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
        async with self._place(call), aclosing(self._shelf.files.open(found, *(part or ()))) as pieces:
            await _given(call.request, answer, pieces)
        return answer


async def _given(request: web.Request, answer: web.StreamResponse, pieces: Pieces) -> None:
    """Hand a file out piece by piece. What breaks in its midst ends the connection: nobody takes it for whole."""
    piece = await anext(pieces, b"")  # what is not to be had at all is still answered in words
    await answer.prepare(request)
    loop = asyncio.get_running_loop()
    until = loop.time() + _READS + (answer.content_length or 0) / _SLOWEST
    try:
        while piece:
            async with asyncio.timeout_at(min(until, loop.time() + _READS)):
                await answer.write(piece)
            piece = await anext(pieces, b"")
    except (Refused, Unavailable, TimeoutError, ConnectionError) as broken:
        log.info("a file is not handed out to its end: %s", getattr(broken, "code", type(broken).__name__))
        if request.transport is not None:
            request.transport.abort()


def _announced(call: Call, most: int) -> Arriving:
    """What the headers say of a file, before any of it is read. Raises Refused."""
    request, able = call.request, call.product.capabilities
    if not able.files:
        raise Refused("files_not_carried")
    if any(one.strip().lower() not in ("", "identity") for one in request.headers.getall(CONTENT_ENCODING, ())):
        raise Refused("wrong_encoding", CONTENT_ENCODING)
    size = request.content_length
    if size is None:
        raise Refused("no_length")
    if size > (limit := min(able.max_files, most) if most else able.max_files):
        raise Refused("files_too_large", about=f"{limit} bytes")
    if not size:
        raise Refused("empty")
    _, given = parse_content_disposition(request.headers.get("Content-Disposition"))
    name = content_disposition_filename(given, "filename") or UNNAMED
    if not good_name(name):
        raise Refused("bad_file_name", about=f"{LONGEST_NAME} bytes")
    mime = request.content_type.lower()
    return Arriving(name, mime if _MIME.fullmatch(mime) else UNKNOWN_TYPE, size)


def _headers(file: File, etag: str) -> dict[str, str]:
    name = quote(clean_name(file.name), safe="")
    digest = b64encode(bytes.fromhex(file.sha256)).decode()
    return {
        "Content-Type": file.mime if _MIME.fullmatch(file.mime) else UNKNOWN_TYPE,
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",  # RFC 6266
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Repr-Digest": f"sha-256=:{digest}:",  # RFC 9530
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def to_view(ident: str, file: File) -> dict[str, object]:
    """A file that was uploaded, as its product is told of it."""
    return {"id": ident, "name": file.name, "type": file.mime, "size": file.size, "sha256": file.sha256}
