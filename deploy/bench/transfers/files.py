"""Files beside a real Synapse: MB/s each way as a share of a client's own, and the memory that they take."""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from appservice.client.attachments import Decryption, Encryption, describe
from deploy.bench import child
from deploy.bench.cost import Bench, join_everything, rooms
from deploy.bench.hub import Hub, Setup, hub
from deploy.bench.product import product
from deploy.world.certificates import Authority
from deploy.world.stub.human import Human
from deploy.world.synapse import Options, Synapse

Json = dict[str, Any]
_PIECE = 256 * 1024
_LOOK = 0.01  # s between two looks at the hub's memory


@dataclass
class World:
    """A Synapse, a hub, a product that fetches its files, and Ben in a room with one of its users."""

    server: Synapse
    bench: Bench
    room: str
    http: aiohttp.ClientSession
    token: str  # Ben's
    count: int = 0
    last: Json = field(default_factory=dict)  # the ``file`` object of Ben's last upload

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.bench.hub

    # ---- without a hub, as a client does it

    async def plain_up(self, data: bytes) -> str:
        """Encrypt and upload; gives the ``mxc://``."""
        encryption = Encryption()
        sealed = b"".join([encryption.update(data[at : at + _PIECE]) for at in range(0, len(data), _PIECE)])
        url = f"{self.server.url}/_matrix/media/v3/upload"
        async with self.http.post(url, data=BytesIO(sealed), headers=self._as_ben) as answer:
            said = await answer.json()
        self.last = encryption.opened(said["content_uri"])
        return str(said["content_uri"])

    async def plain_down(self) -> None:
        """Download what was uploaded last, check and decrypt it."""
        attachment = describe({"file": self.last})
        path = f"/_matrix/client/v1/media/download/{attachment.server}/{attachment.media}"
        decryption = Decryption(attachment)
        async with self.http.get(self.server.url + path, headers=self._as_ben) as answer:
            decryption.update(await answer.read())
        decryption.check()

    @property
    def _as_ben(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/octet-stream"}

    # ---- through the hub

    async def up(self, data: bytes) -> Json:
        """A product uploads."""
        made = self.bench.product
        headers = {"Authorization": f"Bearer {made.token}", "Content-Type": "application/zip"}
        async with self.http.post(f"{made.hub}/files", data=BytesIO(data), headers=headers) as answer:
            if answer.status != 201:
                raise RuntimeError(f"the hub answered {answer.status}: {await answer.text()}")
            return dict(await answer.json())

    async def told(self, data: bytes) -> Json:
        """Ben sends a file; gives it as the product is told of it."""
        self.count += 1
        text = f"file {self.count}."
        await self.bench.ben.send_file(self.room, data, "irm.zip", "application/zip", caption=text)
        await self.bench.product.until(lambda: text in self.bench.product.files)
        return dict(self.bench.product.files[text][0])

    async def down(self, file: Json) -> None:
        """The product fetches it, piece by piece, and checks it."""
        digest = sha256()
        base = self.bench.product.hub.removesuffix("/connect/v1")
        async with self.http.get(base + file["url"]) as answer:
            async for piece in answer.content.iter_chunked(_PIECE):
                digest.update(piece)
        if digest.hexdigest() != file["sha256"]:
            raise RuntimeError(f"not the file that was sent: {answer.status}")


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """Everything, started, and used once with a small file."""
    async with AsyncExitStack() as stack:
        options = Options(settings={"max_upload_size": "200M"})
        server = Synapse(folder / "synapse", Authority(folder / "ca"), options=options)
        setup = Setup(folder / "hub", server.url, server.name, 1)
        registration = folder / "liaison.yaml"
        registration.write_text(yaml.safe_dump(setup.registration()))
        server.registrations.append(registration)
        made = await stack.enter_async_context(product())
        stack.push_async_callback(server.stop)
        await server.start()
        running = await stack.enter_async_context(hub(setup, made))
        user = await server.register_user("ben", secrets.token_hex(8))
        ben = Human(server.url, user["user_id"], user["device_id"], user["access_token"])
        await stack.enter_async_context(ben)
        joiner = asyncio.create_task(join_everything(ben))
        stack.callback(joiner.cancel)
        timeout = aiohttp.ClientTimeout(total=600)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=timeout)
        )
        await made.call("PUT", "/capabilities", {"files_by_url": True})
        bench = Bench(running, ben, made)
        [room] = await rooms(bench, 1, "files")
        yield World(server, bench, room, http, user["access_token"])


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """The figures."""
    size, rounds, many = (2_000_000, 1, 3) if quick else (100_000_000, 3, 20)
    data = os.urandom(size)
    async with world(folder) as w:
        await w.up(data[:1_000_000])
        await w.down(await w.told(data[:1_000_000]))
        with growing(w.hub) as one:  # before anything large has passed
            await w.up(data)
            await w.down(await w.told(data))
        found = await _shares(w, data, rounds)
        with growing(w.hub) as all_at_once:
            file = await w.told(data)
            await asyncio.gather(*(w.up(data) for _ in range(many)))
            await asyncio.gather(*(w.down(file) for _ in range(many)))
        return found | {"files_memory_mib_100mb": one[0], "files_memory_mib_20_at_once": all_at_once[0]}


async def _shares(w: World, data: bytes, rounds: int) -> dict[str, float]:
    """In turns: what a client does, what the hub does."""
    times: dict[str, list[float]] = {name: [] for name in ("plain_up", "up", "plain_down", "down", "arrived")}
    for _ in range(rounds):
        await _timed(times["plain_up"], w.plain_up(data))
        await _timed(times["up"], w.up(data))
        await _timed(times["plain_down"], w.plain_down())
        begun = time.perf_counter()
        file = await w.told(data)
        times["arrived"].append(time.perf_counter() - begun)
        await _timed(times["down"], w.down(file))
    megabytes = {name: len(data) / 1e6 / statistics.median(took) for name, took in times.items()}
    return {
        "files_to_matrix_mb_per_s": megabytes["up"],
        "files_to_matrix_share_of_plain": megabytes["up"] / megabytes["plain_up"],
        "files_to_product_mb_per_s": megabytes["down"],
        "files_to_product_share_of_plain": megabytes["down"] / megabytes["plain_down"],
        "files_plain_upload_mb_per_s": megabytes["plain_up"],
        "files_plain_download_mb_per_s": megabytes["plain_down"],
        "files_sent_and_told_s": statistics.median(times["arrived"]),
    }


async def _timed(into: list[float], work: Any) -> None:
    begun = time.perf_counter()
    await work
    into.append(time.perf_counter() - begun)


@contextmanager
def growing(running: Hub) -> Iterator[list[float]]:
    """The most by which the hub's memory has grown in the block, in MiB."""
    before, most, over = running.rss_kib(), [0.0], threading.Event()

    def look() -> None:
        while not over.wait(_LOOK):
            most[0] = max(most[0], (child.rss_kib(running.pid) - before) / 1024)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()
