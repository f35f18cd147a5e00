"""What keeps strange pages out of a simulated product: own origin, own names, headers that forbid everything else."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from aiohttp import web
from yarl import URL

_POLICY = "; ".join(
    [
        "default-src 'none'", "style-src 'self'", "script-src 'self'", "img-src 'self'", "connect-src 'self'",
        "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    ]
)  # fmt: skip
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@web.middleware
async def guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Another site's page may neither read nor change anything here; programs that are no browser may."""
    if not _own_name(request.host) or not _same_origin(request):
        return web.json_response({"error": "asked by another site"}, status=403, headers=_HEADERS)
    answer = await handler(request)
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _same_origin(request: web.Request) -> bool:
    """Fetch metadata and Origin: browsers say both themselves, pages cannot."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"  # a link to a page
    origin = request.headers.get("Origin")
    if request.method in ("GET", "HEAD") or origin is None:
        return True
    return origin == f"{request.scheme}://{request.host}"


def _own_name(host: str) -> bool:
    """A name of another site that leads here (DNS rebinding) is none of ours."""
    name = URL(f"http://{host}").host or ""
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
