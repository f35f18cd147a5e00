"""The console of a crew of workers, and an operator's browser that makes a new connection for each request."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from deploy.world.certificates import Authority
from deploy.world.ports import free_port
from deploy.world.provider import IdentityProvider
from tests.console.make import PEOPLE, Desk, section
from tests.faults.crew import Crew

LISTENS = "0A"  # the state of a listening socket in /proc/net/tcp


@asynccontextmanager
async def desk(workers: Crew) -> AsyncIterator[Desk]:
    """Their configuration gets a console, and a log of what siilo takes; start the workers after that."""
    folder = workers.world.folder
    authority = Authority(folder / "authority")
    tls, port, provider = authority.issue(folder, "127.0.0.1"), free_port(), IdentityProvider({}, PEOPLE)
    url, path = f"https://127.0.0.1:{port}", folder / "hub.yaml"
    config = yaml.safe_load(path.read_text()) | {"console": section(folder, provider.local_issuer, tls, port)}
    config["networks"]["connect"]["products"]["siilo"]["events_kept_days"] = 3
    path.write_text(yaml.safe_dump(config))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(provider.stop)
        await provider.start("http://127.0.0.1:1", folder / "provider.log", url, authority.path)
        trusts = ssl.create_default_context(cafile=str(authority.path))
        connector = aiohttp.TCPConnector(ssl=trusts, force_close=True)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        yield Desk(provider, url, await stack.enter_async_context(session))


def listeners(url: str) -> int:
    """How many processes listen on the port of an address: the system gives each connection to one of them."""
    wanted = f":{int(url.rpartition(':')[2]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(wanted) and row[3] == LISTENS for row in rows)
