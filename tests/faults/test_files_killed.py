"""Large files while the hub is killed: memory does not grow with them, nothing is torn, and no byte is on its disk."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.bench import child
from deploy.bench.hub import Hub, Setup, hub
from deploy.bench.transfers.files import World, growing, world
from deploy.world.waiting import until
from tests.faults.rig import TOKENS, Rig, rig
from tests.faults.test_marker import places
from tests.faults.traffic import TWO, Traffic

Json = dict[str, Any]
MARKER = "Zibeline-Marqueur-41d7"
SIZE = 20_000_000
NAME = {"Content-Disposition": f'attachment; filename="{MARKER}.zip"', "Content-Type": "application/zip"}
_PIECE = 64 * 1024


def large(size: int) -> bytes:
    """Something with the marker at its beginning, in its midst and at its end."""
    whole = bytearray(os.urandom(1_000_000) * (size // 1_000_000))
    for at in (0, len(whole) // 2, len(whole) - len(MARKER)):
        whole[at : at + len(MARKER)] = MARKER.encode()
    return bytes(whole)


async def broken_off(url: str, data: bytes, headers: Json) -> asyncio.Task[None]:
    """Begin an upload, and stand still in its midst."""
    half, forever = asyncio.Event(), asyncio.Event()

    async def slowly() -> Any:
        for at in range(0, len(data) // 2, _PIECE):
            yield data[at : at + _PIECE]
        half.set()
        await forever.wait()

    async def post() -> None:
        sent = headers | {"Content-Length": str(len(data))}
        async with aiohttp.ClientSession() as session:
            await session.post(url, data=slowly(), headers=sent)

    task = asyncio.create_task(post())
    await half.wait()
    return task


async def let_go(task: asyncio.Task[None]) -> None:
    """End it, if the hub's end has not done so."""
    task.cancel()
    with suppress(asyncio.CancelledError, aiohttp.ClientError):
        await task


class Api:
    """A product of the rig, by hand."""

    def __init__(self, world: Rig, http: aiohttp.ClientSession) -> None:
        self.base = f"http://127.0.0.1:{world.ports['connect']}"
        self.http = http
        self.headers = {"Authorization": f"Bearer {TOKENS['pandalab']}"}

    async def call(self, method: str, path: str, **more: Any) -> Json:
        """One call; its answer."""
        headers = self.headers | more.pop("headers", {})
        async with self.http.request(method, f"{self.base}/connect/v1{path}", headers=headers, **more) as answer:
            assert answer.status < 300, (answer.status, await answer.text())
            return dict(await answer.json())

    async def get(self, url: str, start: int = 0) -> bytes:
        """A file from its address, or what comes after ``start``."""
        async with self.http.get(self.base + url, headers={"Range": f"bytes={start}-"} if start else {}) as answer:
            assert answer.status == (206 if start else 200)
            return await answer.read()


async def test_large_files_pass_through_a_hub_that_is_killed_and_leave_nothing(tmp_path: Path) -> None:
    data = large(SIZE)
    async with rig(tmp_path) as w, aiohttp.ClientSession() as http:
        traffic = Traffic(w)
        w.start()
        await traffic.begin()
        await traffic.settle()
        api = Api(w, http)
        await api.call("PUT", "/capabilities", json={"files_by_url": True})
        upload = await broken_off(f"{api.base}/connect/v1/files", data, api.headers | NAME)
        w.kill()
        await let_go(upload)
        w.start()
        await w.ready()
        assert w.hub is not None
        running = Hub(Setup(tmp_path, "", "", 0), w.hub.pid)
        with growing(running) as grown:
            kept = await api.call("POST", "/files", data=BytesIO(data), headers=NAME)
            message = {
                "id": "large", "conversation": TWO, "sender": "cleo", "text": "gros", "files": [{"id": kept["id"]}],
                "sent_at": "2026-01-01T00:00:00Z",
            }  # fmt: skip
            await api.call("POST", "/messages", json=message)
            await until(lambda: any(s.text == f"{MARKER}.zip" for s in w.timeline(w.rooms[TWO])))
            await w.ben.send_file(w.rooms[TWO], data, f"{MARKER}.zip", "application/zip", caption="retour")
            await until(lambda: any(m["text"] == "retour" for m in w.arrived("pandalab", "cleo")))
            [file] = next(m for m in w.arrived("pandalab", "cleo") if m["text"] == "retour")["files"]
            assert sha256(await api.get(file["url"])).hexdigest() == file["sha256"] == sha256(data).hexdigest()
        assert grown[0] < 16, f"{grown[0]} MiB for {SIZE} bytes"
        seen = next(s for s in w.timeline(w.rooms[TWO]) if s.text == f"{MARKER}.zip")
        assert seen.clear is not None
        assert await w.ben.read_file(seen.clear["content"]) == data
        got = bytearray()
        async with http.get(api.base + file["url"]) as answer:
            while len(got) < SIZE // 2:
                got += await answer.content.readany()
            w.kill()
            with suppress(aiohttp.ClientError):
                while piece := await answer.content.readany():
                    got += piece
        w.start()
        await w.ready()
        assert got + await api.get(file["url"], len(got)) == data
        assert places(w, MARKER) == []
        w.kill()
        assert places(w, MARKER) == []


async def restarted(w: World, stack: AsyncExitStack) -> None:
    """Kill the hub, and start it again on the same disk."""
    os.kill(w.hub.pid, signal.SIGKILL)
    setup = w.hub.setup
    w.bench.hub = await stack.enter_async_context(hub(setup, w.bench.product, setup.folder / "hub.yaml"))


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_100_megabytes_each_way_beside_a_real_synapse_with_kills(tmp_path: Path) -> None:
    data = large(100_000_000)
    digest = sha256(data).hexdigest()
    async with world(tmp_path) as w, AsyncExitStack() as stack:
        await w.down(await w.told(data[:1_000_000]))
        headers = {"Authorization": f"Bearer {w.bench.product.token}", "Content-Type": "application/zip"}
        upload = await broken_off(f"{w.bench.product.hub}/files", data, headers)
        await restarted(w, stack)
        await let_go(upload)
        await w.hub.quiet()
        with growing(w.hub) as grown:
            kept = await w.up(data)
            await w.bench.product.write("u0", "files0", "gros", files=[{"id": kept["id"]}])
            seen = await w.bench.ben.heard("fichier")
            assert seen.clear is not None
            assert sha256(await w.bench.ben.read_file(seen.clear["content"])).hexdigest() == digest == kept["sha256"]
            file = await w.told(data)
            await w.down(file)
        assert grown[0] < 16
        sent = asyncio.create_task(w.told(data))
        await asyncio.sleep(2.0)  # somewhere while the hub reads it
        await restarted(w, stack)
        await w.down(await sent)
        with growing(w.hub) as grown:
            await asyncio.gather(*(w.up(data) for _ in range(20)))
            await asyncio.gather(*(w.down(file) for _ in range(20)))
        assert grown[0] < 128
        assert child.rss_kib(w.hub.pid) > 0
