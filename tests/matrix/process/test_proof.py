"""A seal key is proved by what it sealed, never by its name."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appservice.e2ee import seeds_context
from appservice.process import app, proof
from appservice.process.command import main
from bridge.config import BadConfig
from bridge.db import Database, open_database
from bridge.seal import Seal
from tests.core.db.own import teach
from tests.matrix.process.test_start import said, written

ONE, OTHER, TWO = bytes(32), bytes([1] * 32), bytes([2] * 32)


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    made = await open_database(url, app.COMPONENTS)
    yield made
    await made.close()


async def test_a_key_proves_itself_at_every_start(db: Database) -> None:
    for _ in range(2):
        await proof.prove(db, Seal({"1": ONE}, "1"))


async def test_another_key_of_the_same_name_is_refused(db: Database) -> None:
    await proof.prove(db, Seal({"1": ONE, "2": TWO}, "1"))
    with pytest.raises(BadConfig) as refused:
        await proof.prove(db, Seal({"1": OTHER, "2": ONE}, "1"))
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "seal.keys.1 is not the key that this database was made with",
        "seal.keys.2 is not the key that this database was made with",
    ]
    await proof.prove(db, Seal({"1": ONE, "2": TWO}, "1"))


async def test_a_new_key_is_added_and_an_old_one_may_go(db: Database) -> None:
    await proof.prove(db, Seal({"1": ONE}, "1"))
    await proof.prove(db, Seal({"1": ONE, "2": TWO}, "2"))
    await proof.prove(db, Seal({"2": TWO}, "2"))
    with pytest.raises(BadConfig, match=r"seal\.keys\.1 is not"):
        await proof.prove(db, Seal({"1": OTHER, "2": TWO}, "2"))


async def test_a_database_without_proofs_is_proved_by_a_ghosts_seeds(db: Database) -> None:
    user = "@rpps_1:a.example"
    sealed = Seal({"1": ONE}, "1").seal(b"seeds", seeds_context(user))
    teach(db, "test.ghost", "INSERT INTO e2ee_ghost VALUES ($1, 'D', 1, '', '', '', $2, '', '1', NULL, 0)")
    async with db.transaction("test") as tx:
        await tx.run("test.ghost", user, sealed)
    with pytest.raises(BadConfig, match=r"seal\.keys\.1 is not"):
        await proof.prove(db, Seal({"1": OTHER}, "1"))
    await proof.prove(db, Seal({"1": ONE}, "1"))


def test_the_hub_does_not_start_with_another_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, connect_listen={"port": 0, "host": "256.0.0.1"})  # it would end here
    assert main(["run", "-c", path]) == 2
    assert said(capsys).startswith("connect_listen: ")
    (tmp_path / "seal").write_text(base64.b64encode(OTHER).decode())
    assert main(["run", "-c", path]) == 2
    assert said(capsys).startswith("seal.keys.1 is not the key that this database was made with")
