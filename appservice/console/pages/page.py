"""What every page has: the acts that it stands on, the frame that it is shown in, and its forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from appservice.console.doing import Doing
from appservice.console.frame import VISIT, PageFrame
from appservice.console.login.sessions import Operator
from bridge.errors import Refused

Json = dict[str, Any]
_LONGEST = 512  # characters of an id, a name, an address


class ConsolePage:
    """One page, or a few of one subject."""

    def __init__(self, doing: Doing, frame: PageFrame) -> None:
        self._doing, self._frame = doing, frame

    def _page(self, request: web.Request, name: str, **data: Any) -> web.Response:
        return self._frame.page(request, name, data | {"done": request.query.get("done", "")})


def operator(request: web.Request) -> Operator:
    """Who asks; the guard lets nobody else through."""
    who = request[VISIT].operator
    assert who is not None
    return who


def asked(request: web.Request, name: str) -> str:
    """A word of the address; empty if it is not there."""
    return request.query.get(name, "").strip()[:_LONGEST]


def number(request: web.Request, name: str, default: int) -> int:
    """A number of the address. Raises Refused."""
    text = asked(request, name)
    if not text:
        return default
    if not text.removeprefix("-").isdecimal() or len(text) > 18 or not text.isascii():
        raise Refused("console_no_number")
    return int(text)


async def said(request: web.Request, *names: str) -> list[str]:
    """The words of a form. Raises Refused: one is missing, or is no word."""
    form = await request.post()
    found = [form.get(name) for name in names]
    if not all(isinstance(one, str) and 0 < len(one) <= _LONGEST for one in found):
        raise Refused("console_incomplete")
    return [str(one) for one in found]


def to(*parts: str, **query: str) -> web.Response:
    """On to another page; ``parts`` may be anything."""
    path = "/" + "/".join(quote(part, safe="@:!$") for part in parts)
    return web.Response(status=303, headers={"Location": f"{path}?{urlencode(query)}" if query else path})


def without_empty(**query: str | None) -> Mapping[str, str]:
    """The words of an address that say something."""
    return {name: value for name, value in query.items() if value}
