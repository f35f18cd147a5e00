"""One Synapse with the login module, a simulated Pro Santé Connect beside a hospital's own provider, and a hub."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from appservice.arriving.logins import Logins
from appservice.process.registration import registration
from appservice.process.settings import MatrixSettings
from bridge.hub.hub import now_ms
from bridge.parts.tasks import Tasks
from bridge.people.directories.watched import WatchedFile
from deploy.world.certificates import Authority
from deploy.world.client import SCRIPT
from deploy.world.ports import free_ports
from deploy.world.provider import CLIENT, IdentityProvider, professional
from deploy.world.synapse import ROOT, Options, Synapse
from deploy.world.waiting import wait_for
from tests.login.browser import Browser, Sites
from tests.matrix.make import Node, hub, serve

TOKEN = "login-token"
PACKAGE = ROOT / "homeserver_config/login"
NUMBERS = {
    "anna": "10000000001", "ben": "10000000002", "cleo": "10000000003", "dan": "10000000004", "fay": "10000000005",
    "gil": "10000000006", "eve": "10000000009",
}  # fmt: skip
_ROWS = """rpps,name,profession,place,mail,matrix,products,closed
{anna},Dr Anna Martin,Médecin,Lyon,,,,
{ben},Dr Ben Durand,Médecin généraliste,Lyon,,,,{ben_closed}
{cleo},{cleo_name},Médecin,Lyon,,,pandalab:cleo,
{dan},Dr Dan Moreau,Infirmier,Lyon,,,,oui
{fay},Dr Fay Roux,Médecin,Lyon,,,,
{gil},Dr Gil Noir,Médecin,Lyon,,,siilo:gil,
"""


def people() -> dict[str, Any]:
    """Who has a card: eve is in no directory, dan is struck off it, and "anna by phone" was checked less well."""
    names = {"anna": "Anna Martin", "ben": "Ben Durand", "cleo": "Cléo Petit", "dan": "Dan Moreau", "eve": "Eve Blanc"}
    names |= {"fay": "Fay Roux", "gil": "Gil Noir"}
    found = {name: professional(NUMBERS[name], *whole.split(), acr="eidas2") for name, whole in names.items()}
    return found | {"anna by phone": found["anna"] | {"acr": "eidas1"}}


LOCALS = {
    "ines": {"sub": "u1", "preferred_username": "ines", "name": "Inès"},
    "mallory": {"sub": "u2", "preferred_username": f"8{NUMBERS['ben']}", "name": "Dr Ben Durand"},
}


class Door:
    """Where the login module asks the hub; it can be shut."""

    def __init__(self, logins: Logins, port: int) -> None:
        self._logins, self._port = logins, port
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Answer."""
        await serve(self._stack, [self._logins.routes], self._port)

    async def close(self) -> None:
        """Answer no more."""
        await self._stack.aclose()


@dataclass
class Place:
    """Everything that runs."""

    synapse: Synapse
    provider: IdentityProvider
    node: Node
    directory: WatchedFile
    csv: Path
    app: str  # the page that a client is sent back to
    session: aiohttp.ClientSession
    door: Door

    def account(self, name: str) -> str:
        """The Matrix user of somebody's number."""
        return f"@ps_8{NUMBERS[name]}:{self.synapse.name}"

    @property
    def callback(self) -> str:
        """Where providers send people back to."""
        return f"{self.synapse.url}/_synapse/client/oidc/callback"

    def browser(self) -> Browser:
        """A new one, without a cookie."""
        return Browser(Sites(self.session, self.synapse.url, self.app, self.provider))

    def said(self) -> str:
        """Synapse's log."""
        return self.synapse.log.read_text()

    async def call(
        self, method: str, path: str, session: Mapping[str, Any] | None = None, body: Any = None
    ) -> dict[str, Any]:
        """What the homeserver answers; ``session`` as a login gave it."""
        headers = {"Authorization": f"Bearer {session['access_token']}"} if session is not None else {}
        async with self.session.request(method, f"{self.synapse.url}{path}", headers=headers, json=body) as answer:
            said: dict[str, Any] = await answer.json()
            return said

    async def ends(self, session: Mapping[str, Any]) -> None:
        """Wait until a session counts no more: its token is nobody's."""

        async def over() -> bool:
            said = await self.call("GET", "/_matrix/client/v3/account/whoami", session)
            return said.get("errcode") == "M_UNKNOWN_TOKEN"

        await self.until(over)

    async def called(self, name: str, shown: str) -> None:
        """Wait until everybody sees somebody under this name."""

        async def seen() -> bool:
            hub = {"access_token": "as-real"}
            profile = await self.call("GET", f"/_matrix/client/v3/profile/{self.account(name)}", hub)
            return profile.get("displayname") == shown

        await self.until(seen)

    async def edit(self, **change: str) -> None:
        """The directory changes; the file's other columns stay."""
        write(self.csv, **change)
        self.directory.reload()

    async def until(self, true: Callable[[], Awaitable[object]]) -> None:
        """Wait for a state."""
        await wait_for(true, "a state of the homeserver")

    async def hub_away(self) -> None:
        """Nobody answers the login module."""
        await self.door.close()

    async def hub_back(self) -> None:
        """The hub answers again, at the same place."""
        await self.door.open()


def _module(place: IdentityProvider, hub_port: int, token_file: Path, name: str) -> dict[str, Any]:
    config = {
        "issuer": place.issuer, "client_id": CLIENT, "hub": f"http://127.0.0.1:{hub_port}", "least_acr": "eidas2",
        "hub_token_file": str(token_file), "refresh": 1, "last_for": 3600, "others": {"chu": "chu_"},
    }  # fmt: skip
    return {"module": f"liaison_login.{name}", "config": config}


def write(csv: Path, ben_closed: str = "", cleo_name: str = "Dr Cléo Petit") -> None:
    """The directory's file."""
    csv.write_text(_ROWS.format(**NUMBERS, ben_closed=ben_closed, cleo_name=cleo_name))


def _options(provider: IdentityProvider, hub_port: int, token_file: Path, app: str) -> Options:
    """Pro Santé Connect and the hospital's own provider, which is there four times: mapped well, and carelessly."""
    mapping = _module(provider, hub_port, token_file, "provider.Provider")
    local = {"module": "liaison_login.provider.LocalProvider", "config": {"prefix": "chu_"}}
    plain, professionals = (
        {"config": {"localpart_template": f"{start}{{{{ user.preferred_username }}}}"}} for start in ("", "ps_")
    )
    providers = [
        provider.settings(mapping), provider.local_settings(local), provider.local_settings(plain, idp_id="plain"),
        provider.local_settings(professionals, idp_id="careless"),
        provider.local_settings(professionals, idp_id="greedy", allow_existing_users=True),
    ]  # fmt: skip
    modules = [_module(provider, hub_port, token_file, "module.Login")]
    pages = {"custom_template_directory": str(PACKAGE / "liaison_login/templates")}
    settings = {"oidc_providers": providers, "modules": modules, "sso": {"client_whitelist": [app]}, "templates": pages}
    loggers = dict.fromkeys(["synapse.handlers.oidc", "synapse.handlers.sso", "liaison_login"], "DEBUG")
    return Options(settings=settings, pythonpath=[PACKAGE], loggers=loggers)


@asynccontextmanager
async def running(folder: Path, *paths: Path) -> AsyncIterator[Place]:
    """All of it until the block is left; ``paths`` come before Synapse's own packages."""
    async with AsyncExitStack() as stack:
        provider = IdentityProvider(people(), LOCALS)
        as_port, login_port, app_port = free_ports(3)
        token_file, csv, registered = folder / "token", folder / "people.csv", folder / "registration.yaml"
        token_file.write_text(TOKEN)
        write(csv)
        app = f"http://127.0.0.1:{app_port}/"
        options = _options(provider, login_port, token_file, app)
        options = replace(options, pythonpath=[*paths, *options.pythonpath])
        synapse = Synapse(folder / "home", Authority(folder), options=options, registrations=[registered])
        chosen = MatrixSettings(
            homeserver=synapse.url, server_name=synapse.name, as_token="as-real", hs_token="hs-real",
            address=f"http://127.0.0.1:{as_port}", key_wait_s=3.0, park_notice_s=2.0,
        )  # fmt: skip
        registered.write_text(yaml.safe_dump(dict(registration(chosen, "as-real", "hs-real"))))
        stack.push_async_callback(provider.stop)
        stack.push_async_callback(synapse.kill)
        await asyncio.gather(provider.start(synapse.url, folder / "provider.log"), synapse.start())
        directory = await _directory(stack, csv)
        database, trusts = f"sqlite:///{folder}/hub.db", synapse.name.__eq__
        node = await stack.enter_async_context(hub(database, chosen, trusts, as_port, people=directory))
        door = Door(Logins(TOKEN, node.db, node.people, node.hub.following, chosen.names(), now_ms), login_port)
        await door.open()
        stack.push_async_callback(door.close)
        await serve(stack, [partial(_page, folder=folder, place=(synapse.url, provider.issuer))], app_port)
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        yield Place(synapse, provider, node, directory, csv, app, session, door)


_HTML = """<!doctype html><html lang="fr" data-homeserver="{0}" data-logout="{1}/protocol/openid-connect/logout">
<meta charset="utf-8"><title>Messagerie</title><h1>Messagerie</h1><p id="state">…</p><p id="name"></p>
<a>Se connecter avec Pro Santé Connect</a><ul id="log"></ul><form><input aria-label="Message"></form>
<script type="module" src="/login_page.js"></script></html>"""


def _page(app: web.Application, folder: Path, place: tuple[str, str]) -> None:
    """A client in a page, as `deploy/world/js/login_page.mjs` has it; `bundled` makes its script."""

    async def html(request: web.Request) -> web.Response:
        return web.Response(text=_HTML.format(*place), content_type="text/html")

    async def script(request: web.Request) -> web.FileResponse:
        return web.FileResponse(folder / "login_page.js")

    app.router.add_get("/", html)
    app.router.add_get("/login_page.js", script)
    app.router.add_static("/pkg", SCRIPT.parent / "node_modules/@matrix-org/matrix-sdk-crypto-wasm/pkg")


def bundled(folder: Path) -> None:
    """matrix-js-sdk and the page's script as one file. Raises CalledProcessError."""
    builder = SCRIPT.parent / "node_modules/@esbuild"
    [binary] = builder.glob("*/bin/esbuild")
    options = ["--bundle", "--format=esm", "--log-level=error", f"--outfile={folder}/login_page.js"]
    subprocess.run([binary, SCRIPT.parent / "login_page.mjs", *options], check=True)


async def _directory(stack: AsyncExitStack, csv: Path) -> WatchedFile:
    directory, tasks = WatchedFile(csv, 0.05), Tasks("directory")
    stack.push_async_callback(tasks.stop)
    tasks.start(directory.run())
    return directory
