"""Every example of the contract is executed, in the order of a story, and answered as it is shown."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from bridge.networks.connect.contract.examples import examples
from bridge.networks.connect.contract.openapi import document
from bridge.networks.connect.contract.operations import OPERATIONS
from tests.connect.contract.story import OF, play, shape, steady, world

UNDER_WAY = {"events", "list_messages"}
"""What they show may have been told in another order."""


async def test_every_example_is_answered_as_it_is_shown(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async for given, status, answer in play(w):
            assert status == OF[given.operation].status, (given, answer)
            alike = shape if given.operation in UNDER_WAY else steady
            assert alike(answer) == alike(given.answer), given


def test_every_operation_has_an_example_that_fits_its_models() -> None:
    """Of a new operation write the request in examples.json, then ``python -m tests.connect.contract``."""
    assert set(examples()) == {operation.name for operation in OPERATIONS}
    for name, given in examples().items():
        operation = OF[name]
        assert ("{id}" in operation.path) == (given.id is not None), name
        assert (operation.body is None) == (given.body is None), name
        if operation.body is not None:
            operation.body.model_validate_json(orjson.dumps(given.body))
        if operation.answer is not None:
            operation.answer.model_validate_json(orjson.dumps(given.answer))


async def test_the_page_shows_everything_and_loads_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.client.get(w.url + "/connect/docs") as answer:
        page = await answer.text()
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not re.search(r"<script|<img|<link|https?://", page)
    for operation in OPERATIONS:
        assert f"<h3 id='{operation.name}'>" in page
    for name in (*document()["webhooks"], *document()["components"]["schemas"]):
        assert f"{name}'>" in page
    linked = set(re.findall(r"href='#([^']+)'", page))
    assert linked - set(re.findall(r"id='([^']+)'", page)) == set()
    assert "&quot;Bonjour Dan&quot;" in page


def test_the_document_shows_them() -> None:
    paths = document()["paths"]
    for name, given in examples().items():
        shown = paths[OF[name].path][OF[name].method.lower()]
        if given.body is not None:
            assert shown["requestBody"]["content"]["application/json"]["example"] == given.body
        if given.raw is not None:
            assert shown["requestBody"]["content"]["*/*"]["example"] == given.raw
        if given.answer is not None:
            *_, content = shown["responses"][str(OF[name].status)]["content"].values()
            assert content["example"] == given.answer
        assert shown["summary"]
        assert shown["description"]
        assert shown["tags"]
