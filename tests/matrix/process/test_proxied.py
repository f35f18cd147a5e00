"""`liaison check` sees whether the reverse proxy sends the search of clients to the hub."""

from __future__ import annotations

from aiohttp import web
from pytest_aiohttp import AiohttpServer

from appservice.finding.answers import MARK
from appservice.process.checking.proxied import findings


async def said(aiohttp_server: AiohttpServer, status: int, **headers: str) -> tuple[bool, bool, str]:
    """What is said of a proxy that answers so."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    app = web.Application()
    app.router.add_route("OPTIONS", "/_matrix/client/v3/user_directory/search", answer)
    [found] = await findings(str((await aiohttp_server(app)).make_url("/")))
    return found.ok, found.note, found.what


async def test_each_answer_is_told_apart(aiohttp_server: AiohttpServer) -> None:
    ok, note, what = await said(aiohttp_server, 204, **{MARK: "1"})
    assert (ok, note) == (True, False)
    assert "comes to the hub" in what
    ok, note, what = await said(aiohttp_server, 502)
    assert (ok, note) == (True, True)
    ok, note, what = await said(aiohttp_server, 200)  # the homeserver itself
    assert not ok
    assert "clients do not find the directory" in what
    [found] = await findings("http://127.0.0.1:1")
    assert found.note
