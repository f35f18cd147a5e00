"""How the modules inside Synapse call the hub: a token of their own, and a JSON object of a bounded size."""

from __future__ import annotations

import hmac
from typing import Any

import orjson
from aiohttp import web

Json = dict[str, Any]
_PIECE = 64 * 1024


def bears(request: web.Request, token: bytes) -> bool:
    """Whether a request shows this token (RFC 6750); compared in constant time."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(shown.encode("utf-8", "replace"), token)


async def read_object(request: web.Request, most: int) -> Json | None:
    """The object of a question of at most so many bytes; None for anything else."""
    body = bytearray()
    async for piece in request.content.iter_chunked(_PIECE):
        body += piece
        if len(body) > most:
            return None
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return asked if isinstance(asked, dict) else None
