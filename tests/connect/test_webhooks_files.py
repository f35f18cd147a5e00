"""Webhooks with files: whole, signed, two at a time, and free again when they could not be sent."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from base64 import b64decode

import pytest
import pytest_asyncio
from pytest_aiohttp import AiohttpServer

from bridge.errors import Refused, Unavailable
from bridge.model import Body, Delivery, File, Ref
from deploy.world.ports import free_port
from deploy.world.waiting import PATIENCE, until
from tests.connect.test_translate import DELIVERY
from tests.connect.test_webhooks import Stub, connector


def with_files(ident: str, *sizes: int) -> Delivery:
    """A delivery with files of these sizes."""
    files = tuple(File(f"{n}.pdf", "application/pdf", bytes([n]) * size) for n, size in enumerate(sizes))
    return dataclasses.replace(DELIVERY, id=ident, body=Body("Voici", files=files), files=len(files))


@pytest_asyncio.fixture
async def large(aiohttp_server: AiohttpServer) -> Stub:
    """A product that takes bodies of any size."""
    return await Stub().begin(aiohttp_server, largest=0)


async def test_large_files_go_out_whole_and_signed(large: Stub) -> None:
    product = connector(f"http://127.0.0.1:{large.port}/webhook", timeout=10.0)
    await product.start()
    try:
        assert await product.deliver(with_files("d_1", 2_000_000, 3)) == Ref("pandalab", "mine-1")
        assert await product.deliver(with_files("d_1", 2_000_000, 3)) == Ref("pandalab", "mine-1")
    finally:
        await product.stop()
    (headers, event), (_, again) = large.calls
    assert event == again
    assert [len(b64decode(f["content"])) for f in event["data"]["files"]] == [2_000_000, 3]
    assert int(headers["Content-Length"]) > 2_600_000
    assert [headers["webhook-signature"].encode()] * 2 == large.signed


async def test_a_product_that_takes_no_large_bodies_refuses_them(aiohttp_server: AiohttpServer) -> None:
    stub = await Stub().begin(aiohttp_server, largest=1_000_000)
    product = connector(f"http://127.0.0.1:{stub.port}/webhook", timeout=10.0)
    await product.start()
    try:
        with pytest.raises(Refused) as raised:
            await product.deliver(with_files("d_1", 2_000_000))
    finally:
        await product.stop()
    assert (raised.value.code, raised.value.about) == ("product_refused", "413")
    assert stub.calls == []


async def test_large_webhooks_go_two_at_a_time_and_small_ones_pass_them(large: Stub) -> None:
    product = connector(f"http://127.0.0.1:{large.port}/webhook", timeout=PATIENCE)
    await product.start()
    large.free.clear()
    try:
        waiting = [asyncio.create_task(product.deliver(with_files(f"d_{n}", 100_000))) for n in range(6)]
        await until(lambda: len(large.calls) == 2)
        large.calls.clear()
        small = asyncio.create_task(product.deliver(DELIVERY))
        await until(lambda: large.calls)
        assert [event["data"].get("files") for _, event in large.calls] == [[]]
        large.free.set()
        await asyncio.gather(small, *waiting)
    finally:
        await product.stop()
    assert large.most_at_once <= 3  # two with files, one without


async def test_a_large_body_has_more_time(large: Stub) -> None:
    product = connector(f"http://127.0.0.1:{large.port}/webhook", timeout=0.2)
    await product.start()
    large.delay = 1.0
    try:
        with pytest.raises(Unavailable):
            await product.deliver(DELIVERY)
        await product.deliver(with_files("d_2", 4_000_000))
    finally:
        await product.stop()


async def test_a_body_that_could_not_be_sent_is_free_at_once() -> None:
    product = connector(f"http://127.0.0.1:{free_port()}/webhook")  # nobody listens
    await product.start()
    gc.collect()
    gc.disable()
    try:
        for n in range(3):
            with pytest.raises(Unavailable):
                await product.deliver(with_files(f"d_{n}", 2_000_000))
        left = [one for one in gc.get_objects() if type(one).__name__ in ("BytesIOPayload", "ClientRequest")]
        assert len(left) <= 1  # pytest may hold the last error
    finally:
        gc.enable()
        await product.stop()
