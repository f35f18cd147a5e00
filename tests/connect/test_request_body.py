"""Bodies in a form that is not taken: compressed ones, and those that break off in the middle."""

from __future__ import annotations

import gzip
import json
import zlib

import aiohttp
import pytest
from aiohttp import web

from tests.connect.make import TOKENS, World, message


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", b"{}"),
        ("gzip", b""),
        ("gzip", gzip.compress(json.dumps(message("p-1")).encode())),
        ("gzip", gzip.compress(bytes(50_000_000))),
        ("GZIP", gzip.compress(b"{}")),
        ("identity, gzip", b"{}"),
        ("deflate", b"{}"),
        ("deflate", zlib.compress(b"{}")),
        ("br", b"{}"),
        ("zstd", b"{}"),
        ("rot13", b"{}"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/messages"), ("PUT", "/users/cleo")])
async def test_a_compressed_body_is_refused(w: World, method: str, path: str, coding: str, data: bytes) -> None:
    status, problem = await w.call(method, path, data=data, headers={"Content-Encoding": coding})
    assert (status, problem["code"], problem["field"]) == (415, "wrong_encoding", "Content-Encoding")
    assert w.headers["Content-Type"] == "application/problem+json"
    assert w.headers["Accept-Encoding"] == "identity"


async def test_identity_is_no_compression(w: World) -> None:
    status, _ = await w.call("POST", "/messages", message("p-1"), headers={"Content-Encoding": "identity"})
    assert status == 202


async def test_a_body_that_breaks_off(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> bytes:
        raise web.RequestPayloadError("Madame Durand")

    monkeypatch.setattr(aiohttp.StreamReader, "readany", broken)
    headers = {"Authorization": f"Bearer {TOKENS['pandalab']}", "Content-Type": "application/json"}
    async with w.client.post(w.url + "/connect/v1/messages", data=b"{}", headers=headers) as answer:
        monkeypatch.undo()
        problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["code"]) == (400, "broken_body")
    assert "Durand" not in json.dumps(problem)
