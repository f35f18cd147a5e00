"""How the hub answers Matrix clients: JSON that a page of any origin may read (client-server API, "Web browsers")."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from bridge.errors import Refused, Unavailable, where
from bridge.words import sentence

Json = dict[str, Any]
Handle = Callable[[web.Request], Awaitable[web.Response]]
log = logging.getLogger(__name__)
MARK = "Liaison-Finding"
"""A header of all our answers: `liaison check` sees by it whether the reverse proxy sends a path here."""
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "X-Requested-With, Content-Type, Authorization",
    "Cache-Control": "no-store",
    MARK: "1",
}
_WAIT = {"searched_too_fast": 2_000, "searched_enough": 3_600_000}  # ms after which it may go again


class MatrixError(Exception):
    """What a client is answered instead (client-server API, "Standard error response")."""

    def __init__(self, status: int, errcode: str, error: str, **more: Any) -> None:
        super().__init__(errcode)
        self.status = status
        self.said: Json = {"errcode": errcode, "error": error, **more}


def raw(body: bytes, status: int = 200) -> web.Response:
    """Bytes of JSON."""
    return web.Response(body=body, status=status, content_type="application/json", headers=_HEADERS)


def answer(said: Json, status: int = 200) -> web.Response:
    """An object."""
    return raw(orjson.dumps(said), status)


def _refusal(code: str) -> web.Response:
    if (wait := _WAIT.get(code)) is not None:
        return answer({"errcode": "M_LIMIT_EXCEEDED", "error": sentence(code), "retry_after_ms": wait}, 429)
    return answer({"errcode": "M_FORBIDDEN", "error": sentence(code)}, 403)


def guarded(handle: Handle) -> Handle:
    """Every end of a request is an answer of the specification."""

    async def act(request: web.Request) -> web.Response:
        try:
            return await handle(request)
        except MatrixError as error:
            return answer(error.said, error.status)
        except Refused as refused:
            return _refusal(refused.code)
        except Unavailable as reason:
            log.info("a search is not answered: %s", reason.code)
            return answer({"errcode": "M_UNKNOWN", "error": sentence("not_now")}, 503)
        except web.HTTPException as error:
            return answer({"errcode": "M_UNKNOWN", "error": error.reason}, error.status)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:  # its text may hold what somebody has asked
            log.error("ALARM finding: a request failed unexpectedly: %s", where(error))
            return answer({"errcode": "M_UNKNOWN", "error": sentence("internal_error")}, 500)

    return act


def serve(app: web.Application, method: str, path: str, handle: Handle) -> None:
    """Add a route, and what browsers ask before they use it."""
    resource = app.router.add_resource(path)
    resource.add_route(method, guarded(handle))
    if all(route.method != "OPTIONS" for route in resource):
        resource.add_route("OPTIONS", _preflight)


async def _preflight(request: web.Request) -> web.Response:
    return web.Response(status=204, headers=_HEADERS)


async def body(request: web.Request) -> Json:
    """The object that was sent. Raises MatrixError."""
    try:
        said = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise MatrixError(400, "M_NOT_JSON", "no JSON") from None
    if not isinstance(said, dict):
        raise MatrixError(400, "M_BAD_JSON", "no object")
    return said


def bearer(request: web.Request) -> str | None:
    """The token of a request."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
