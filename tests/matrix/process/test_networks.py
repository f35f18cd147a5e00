"""A network that the hub has never heard of: its folder is ``tests/pigeon``, its line in NETWORKS is written here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appservice.process.app import running
from appservice.process.command import main
from bridge.config import read_config
from bridge.networks import NETWORKS
from deploy.world.waiting import PATIENCE
from tests.matrix.process.test_start import said, written

ANNA, BEN = "10000000001", "10000000002"


@pytest.fixture(autouse=True)
def line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line outside of the folder."""
    monkeypatch.setitem(NETWORKS, "pigeon", "tests.pigeon")


def configured(folder: Path) -> str:
    """A hub with two lofts, and somebody in each."""
    lofts = {name: str(folder / name) for name in ("north", "south")}
    path = written(folder, networks={"pigeon": {"lofts": lofts}})
    listed = f"rpps,name,products\n{ANNA},Anna Martin,north:anna\n{BEN},Ben Durand,south:ben\n"
    (folder / "people.csv").write_text(listed)
    return path


def post(loft: Path, ident: str, **letter: Any) -> None:
    """Somebody puts a letter into a loft, whole at once."""
    (loft / f"{ident}.tmp").write_text(json.dumps(letter))
    (loft / f"{ident}.tmp").rename(loft / "in" / f"{ident}.json")


async def found(look: Callable[[], list[Any]]) -> list[Any]:
    """What there is, once there is something."""
    async with asyncio.timeout(PATIENCE):
        while not (there := look()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return there


def letters(loft: Path, kind: str) -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted((loft / kind).glob("*.json")) if path.stat().st_size]


async def test_a_letter_goes_there_and_an_answer_comes_back(tmp_path: Path) -> None:
    north, south = tmp_path / "north", tmp_path / "south"
    async with running(read_config(Path(configured(tmp_path)))):
        post(north, "one", by="anna", chat="lettre", text="Bonjour Ben", to=[f"rpps:{BEN}"])
        [letter] = await found(lambda: letters(south, "out"))
        assert (letter["from"], letter["text"]) == ("Anna Martin", "Bonjour Ben")
        post(south, "two", by="ben", chat=letter["chat"], text="Bonjour Anna")
        [answer] = await found(lambda: letters(north, "out"))
        assert (answer["from"], answer["text"], answer["chat"]) == ("Ben Durand", "Bonjour Anna", "lettre")
        assert await found(lambda: letters(north, "states")) == [{"Ben Durand": "delivered"}]


async def test_what_is_refused_comes_back_with_its_reason(tmp_path: Path) -> None:
    async with running(read_config(Path(configured(tmp_path)))):
        post(tmp_path / "north", "one", by="eve", chat="lettre", text="Bonjour", to=[f"rpps:{BEN}"])
        assert await found(lambda: [*(tmp_path / "north" / "in").glob("*.unknown_sender")])


def test_its_section_is_examined_as_every_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configured(tmp_path)
    (tmp_path / "south").write_text("")
    assert main(["check", "-c", path]) == 1
    assert "MEND  networks.pigeon.lofts.south" in capsys.readouterr().out


def test_a_section_of_no_network_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-c", written(tmp_path, networks={"raven": {}})]) == 2
    assert "networks.raven: there is no such connector" in said(capsys)
