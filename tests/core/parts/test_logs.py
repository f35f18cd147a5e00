"""No text of an exception reaches the log, whoever logs it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from bridge.parts import logs


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What the hub's log says."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    root.handlers.clear()
    stream = io.StringIO()
    logs.begin("INFO", stream)
    yield stream
    root.handlers[:] = before


def test_an_exception_is_named_by_kind_and_place(said: io.StringIO) -> None:
    try:
        int("secret")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    assert "ERROR x: it failed\nValueError at test_logs.py:" in said.getvalue()
    assert "secret" not in said.getvalue()


async def test_what_a_task_leaves_is_named_too(said: io.StringIO) -> None:
    asyncio.get_running_loop().set_exception_handler(logs.unhandled)

    async def fails() -> None:
        raise ValueError("secret")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    assert "ALARM Task exception was never retrieved: ValueError at test_logs.py:" in said.getvalue()
    assert "secret" not in said.getvalue()


async def test_a_broken_request_leaves_nothing_of_its_header(said: io.StringIO, aiohttp_server: AiohttpServer) -> None:
    """aiohttp quotes the line that it could not read: a token may be in it."""
    server = await aiohttp_server(web.Application())
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cr3t" + b"t" * 9000 + b"\r\n\r\n")
    assert b"400" in await reader.readline()
    writer.close()
    assert "Error handling request" in said.getvalue()
    assert "s3cr3t" not in said.getvalue()


def test_a_machine_reads_one_object_for_each_record() -> None:
    stream, root, before = io.StringIO(), logging.getLogger(), logging.getLogger().handlers[:]
    root.handlers.clear()
    try:
        logs.begin("INFO", stream, "json")
        logging.getLogger("x").error("ALARM %s\nends", "it")
        try:
            int("secret")
        except ValueError:
            logging.getLogger("y").exception("it failed")
    finally:
        root.handlers[:] = before
    alarm, failed = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (alarm["text"], alarm["alarm"], alarm["level"], alarm["part"]) == ("it\nends", True, "ERROR", "x")
    assert (failed["text"], failed["where"].startswith("ValueError at test_logs.py:")) == ("it failed", True)
    assert "secret" not in stream.getvalue()
