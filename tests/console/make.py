"""A whole hub with its console behind TLS, a real OpenID provider, and visitors who keep cookies as browsers do."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from appservice.operating.asking import ask
from appservice.process.app import Parts, running
from bridge.config import read_config
from bridge.trail.chain import parse_body
from deploy.world.certificates import Authority
from deploy.world.ports import free_port
from deploy.world.provider import CONSOLE, SECRET, IdentityProvider
from deploy.world.simulator import Simulator
from deploy.world.simulator.web import application
from tests.matrix.operating.test_sight import say
from tests.matrix.operating.test_why import CLEO, DAN
from tests.matrix.process.test_start import TOKEN, written

EVIL = "<script>alert('x')</script>"
PAGES = (
    "/", "/waiting", "/waiting?network=siilo", "/messages", "/messages?id=unheard-of", "/people", f"/people?who={CLEO}",
    f"/people?who={CLEO}&to={DAN}", "/people?who=@ben:a.example", "/claims", "/claims?state=refused", "/products",
    "/product/siilo", "/product/pandalab?after=0",
    "/directory", "/trust", "/audit", "/audit?kind=login", "/alarms",
)  # fmt: skip
PEOPLE: dict[str, dict[str, Any]] = {
    "anna": {"sub": "u1", "preferred_username": "anna", "groups": ["liaison-act", "staff"]},
    "ben": {"sub": "u2", "preferred_username": "ben", "groups": ["liaison-see"]},
    "eve": {"sub": "u3", "preferred_username": "eve", "groups": ["staff"]},
    "mallory": {"sub": "u4", "preferred_username": "operator: <anna>\r\nSet-Cookie: a=b", "groups": "liaison-see"},
}


def configured(
    folder: Path, issuer: str, tls: tuple[Path, Path], port: int, pandalab: int, **more: Any
) -> str:  # fmt: skip
    """A configuration: two products, of which siilo does not answer; a name in the directory that is an attack."""
    hook: dict[str, Any] = {"webhook_secrets": [f"file:{folder}/hook"]}
    products = {
        name: hook | {"tokens": [TOKEN[:-1] + n], "webhook_url": f"http://127.0.0.1:{where}/webhook"}
        for n, name, where in (("1", "pandalab", pandalab), ("2", "siilo", 1))
    }
    products["pandalab"]["events_kept_days"] = 3
    console = section(folder, issuer, tls, port)
    path = written(
        folder, networks={"connect": {"products": products}}, console=console, matrix_listen={"port": free_port()},
        delivery={"order_wait": "10ms", "late": "1ms"}, **more,
    )  # fmt: skip
    (folder / "people.csv").write_text(
        f"rpps,name,products\n{CLEO},Cléo {EVIL},pandalab:cleo\n{DAN},Dan Moreau,siilo:dan\n"
    )
    return path


def section(folder: Path, issuer: str, tls: tuple[Path, Path], port: int) -> dict[str, Any]:
    """The console's, of a configuration."""
    (folder / "client").write_text(SECRET)
    return {
        "port": port, "certificate": str(tls[0]), "key": str(tls[1]), "public_url": f"https://127.0.0.1:{port}",
        "issuer": issuer, "client_id": CONSOLE, "client_secret": f"file:{folder}/client",
        "see": ["liaison-see"], "act": ["liaison-act"],
    }  # fmt: skip


@dataclass
class Visitor:
    """A browser without a screen: keeps cookies by site, follows nothing by itself."""

    place: Desk
    language: str = "en"
    jar: dict[str, dict[str, str]] = field(default_factory=dict)

    def copy(self) -> Visitor:
        """Another one with the same cookies."""
        return Visitor(self.place, self.language, {site: dict(some) for site, some in self.jar.items()})

    async def ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None, **headers: str
    ) -> tuple[int, Mapping[str, str], str]:
        """Status, headers, page. ``url`` may be a path of the console."""
        url = self.place.url + url if url.startswith("/") else url
        site = "/".join(url.split("/")[:3])
        sent = {"Accept-Language": self.language, **{k.replace("_", "-"): v for k, v in headers.items()}}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.get(site, {}).items())
        session = self.place.session
        async with session.request(method, url, data=form, headers=sent, allow_redirects=False) as got:
            for line in got.headers.getall("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.jar.setdefault(site, {})[name] = "" if value == '""' else value
            return got.status, got.headers, await got.text()

    async def page(self, path: str) -> str:
        """A page that is there."""
        status, _, page = await self.ask("GET", path)
        assert status == 200, (path, status, page)
        return page

    async def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> tuple[int, str]:
        """A form of the console, as its page has it; status, and where it leads or the page."""
        whole = {"csrf": await self.csrf(), **(form or {})}
        status, got, page = await self.ask("POST", path, whole, **({"Origin": self.place.url} | headers))
        return status, got.get("Location", page)

    async def csrf(self) -> str:
        """The word of this session's forms."""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', await self.page("/"))
        assert found
        return found[1]

    async def begin(self, to: str = "/") -> str:
        """The provider's address to which the console sends."""
        status, headers, page = await self.ask("GET", f"/login/start?to={to}")
        assert status == 303, page
        return headers["Location"]

    async def present(self, at: str, who: str) -> str:
        """Somebody logs in at the provider; gives the way back."""
        root = f"http://127.0.0.1:{self.place.provider.port}"
        _, headers, page = await self.ask("GET", at)
        where = headers.get("Location", "")
        if "/interaction/" in where:
            where = where if where.startswith("http") else root + where
            _, headers, _ = await self.ask("POST", where, {"who": who})
            where = headers["Location"]
            _, headers, page = await self.ask("GET", where if where.startswith("http") else root + where)
            where = headers.get("Location", "")
        assert where, page
        return where

    async def log_in(self, who: str, to: str = "/") -> tuple[int, str]:
        """The whole way; status, and where it leads or the page."""
        status, headers, page = await self.ask("GET", await self.present(await self.begin(to), who))
        return status, headers.get("Location", page)


@dataclass
class Desk:
    """A console, wherever it runs, and the provider by which people log in to it."""

    provider: IdentityProvider
    url: str
    session: aiohttp.ClientSession

    def visitor(self, language: str = "en") -> Visitor:
        """A new one, without a cookie."""
        return Visitor(self, language)

    async def somebody(self, who: str) -> Visitor:
        """One who is logged in."""
        made = self.visitor()
        status, where = await made.log_in(who)
        assert (status, where) == (303, "/"), where
        return made


@dataclass
class Place(Desk):
    """Everything that runs. ``path``: of the configuration."""

    parts: Parts
    path: str
    message: str
    authority: Path
    pandalab: Simulator

    async def act(self, name: str, **asked: Any) -> dict[str, Any]:
        """What the operator's commands are answered."""
        return await ask(read_config(Path(self.path)), name, asked)

    async def trail(self) -> list[dict[str, Any]]:
        """What the audit trail has by now, the oldest first."""
        await self.parts.chainer.catch_up()
        rows = await self.parts.core.db.all("trail.rows", 0, 10_000)
        return [dict(parse_body(row["body"])) for row in rows]


@asynccontextmanager
async def console(folder: Path, **more: Any) -> AsyncIterator[Place]:
    """All of it, with one message that waits."""
    async with AsyncExitStack() as stack:
        authority = Authority(folder / "authority")
        tls, port = authority.issue(folder, "127.0.0.1"), free_port()
        provider = IdentityProvider({}, PEOPLE)
        url = f"https://127.0.0.1:{port}"
        stack.push_async_callback(provider.stop)
        answers = free_port()
        path = configured(folder, provider.local_issuer, tls, port, answers, **more)
        started = asyncio.create_task(
            provider.start("http://127.0.0.1:1", folder / "provider.log", url, authority.path)
        )
        parts = await stack.enter_async_context(running(read_config(Path(path))))
        await started
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(authority.path)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        )
        pandalab = await _product(stack, folder, answers)
        message = await say(parts, "p1")
        yield Place(provider, url, session, parts, path, message, authority.path, pandalab)


async def _product(stack: AsyncExitStack, folder: Path, port: int) -> Simulator:
    """Pandalab, which answers webhooks."""
    made = Simulator("pandalab", "http://127.0.0.1:1", TOKEN, [(folder / "hook").read_text().strip()], seed=1)
    runner = web.AppRunner(application(made), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return made


def text_of(page: str) -> str:
    """What is read of a page."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))
