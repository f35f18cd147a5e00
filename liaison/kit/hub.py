"""A small Liaison hub in one process: the real hub and the real open API, without Matrix and without mail."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from bridge.db import open_database
from bridge.files import Files
from bridge.hub.assembly import Core, Rules, assemble
from bridge.hub.duty.desk import DutyDesk
from bridge.hub.hub import now_ms
from bridge.model import Delivery
from bridge.network import Outfit
from bridge.networks.connect.connector import NETWORK
from bridge.networks.connect.signing import new_secret, new_token
from bridge.parts.patience import Patience
from bridge.people.directories.flatfile import FlatFile
from bridge.people.directories.functions import WithFunctions
from bridge.people.duty.kept_rota import KeptRota
from bridge.seal import Seal
from bridge.store.store import COMPONENT
from bridge.trail.entry import COMPONENT as TRAIL
from liaison.kit.colleagues import Colleagues
from liaison.kit.people import EVERYBODY, ROTA
from liaison.kit.shelf import MemoryShelf

_SHUTDOWN = 0.2  # s
PATIENCE = Patience(first=0.2, longest=2.0, reports=0.01)
"""A vendor who mends a product wants the next attempt soon."""


@dataclass(frozen=True, slots=True)
class Product:
    """What the hub knows of the vendor's product, and the product of the hub."""

    webhook: str
    name: str = "product"
    token: str = field(default_factory=new_token, repr=False)
    secret: str = field(default_factory=new_secret, repr=False)

    def section(self, timeout: float) -> dict[str, Any]:
        """``networks.connect`` of the hub's configuration; ``timeout`` of a webhook in seconds."""
        one = {
            "webhook_url": self.webhook,
            "webhook_secrets": [self.secret],
            "webhook_timeout_s": timeout,
            "webhook_plain_http": True,  # a vendor's machine of tests
            "tokens": ["sha256:" + hashlib.sha256(self.token.encode()).hexdigest()],
            "capabilities": {"threads": True},
            "events_kept_days": 1,
        }
        return {"products": {self.name: one}}


@dataclass(frozen=True, slots=True)
class SmallHub:
    """A hub at work. ``url`` is where products call."""

    url: str
    product: Product
    core: Core = field(repr=False)
    colleagues: Colleagues = field(repr=False)


@asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve an application; gives its address. ``port`` 0: a free one. Raises OSError."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def small_hub(
    product: Product,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    timeout: float = 10.0,
    arrived: Callable[[Delivery], None] = lambda _: None,
    routes: Callable[[web.Application], None] = lambda _: None,
) -> AsyncIterator[SmallHub]:
    """Run one on a database that ends with it. ``routes`` may add pages beside the API. Raises OSError."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liaison-kit-")))
        seal = Seal({"kit": secrets.token_bytes(32)}, "kit")
        db = await open_database(f"sqlite:///{folder / 'hub.db'}", [COMPONENT, TRAIL, *NETWORK.tables])
        stack.push_async_callback(db.close)
        (folder / "rota.yaml").write_text(ROTA, "utf-8")
        rota = KeptRota(folder / "rota.yaml")
        directory = WithFunctions(FlatFile([one.person for one in EVERYBODY]), rota)
        files = Files(MemoryShelf())
        core = assemble(db, seal, directory, Rules(patience=PATIENCE), files=files)
        section = NETWORK.settings.model_validate(product.section(timeout))
        built = NETWORK.build(section, Outfit(core.hub, db, seal, files))
        colleagues = Colleagues(core.hub, arrived)
        colleagues.files = files
        core.serve(colleagues, *built.connectors, DutyDesk(core.hub, core.store, core.people, seal, rota, now_ms))
        app = web.Application(handler_args={"auto_decompress": False})
        routes(app)
        if built.routes is not None:
            built.routes(app)
        url = await stack.enter_async_context(serve(app, host, port))
        await stack.enter_async_context(core.running())
        yield SmallHub(url, product, core, colleagues)
