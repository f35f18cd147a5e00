"""`liaison check` sees whether the reverse proxy sends the search of clients to the hub, once the hub runs."""

from __future__ import annotations

from aiohttp import web
from pytest_aiohttp import AiohttpServer

from appservice.finding.answers import MARK
from appservice.process.checking.findings import Finding
from appservice.process.checking.proxied import SEARCH, findings
from bridge.config import ClientsListenSettings


async def serving(aiohttp_server: AiohttpServer, **headers: str) -> int:
    """The port of something that answers a browser's question."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(headers=headers)

    app = web.Application()
    app.router.add_route("OPTIONS", SEARCH, answer)
    return (await aiohttp_server(app)).port or 0


async def test_each_answer_is_told_apart(aiohttp_server: AiohttpServer) -> None:
    hub, homeserver = await serving(aiohttp_server, **{MARK: "1"}), await serving(aiohttp_server)

    async def said(public: int, port: int = hub) -> Finding:
        [found] = await findings(ClientsListenSettings(port=port, public_url=f"http://127.0.0.1:{public}/"))
        return found

    assert (await said(hub)).ok
    assert not (await said(hub)).note
    assert not (await said(homeserver)).ok
    assert "clients do not find the directory" in (await said(homeserver)).what
    assert (await said(1)).note
    away = await said(homeserver, port=1)  # the proxy lets the homeserver answer while the hub is away
    assert (away.ok, away.note) == (True, True)
