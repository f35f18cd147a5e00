"""A backup is made while the hub works, verified anywhere, and put back into either engine; damage is named."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from appservice.process import proof
from appservice.process.command import main
from appservice.process.safekeeping.moving import EVERY
from bridge.config import read_config
from bridge.db import Database, open_database
from deploy.world.postgres import Postgres
from deploy.world.stub.refusing import refusing
from tests.matrix.make import SEAL
from tests.matrix.process.test_moving import filled, sums
from tests.matrix.process.test_start import written


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with the seal of :data:`SEAL`."""
    path = Path(written(tmp_path))
    raw = yaml.safe_load(path.read_text())
    raw["seal"] = {"active": "k1", "keys": {"k1": str(tmp_path / "seal")}}
    (tmp_path / "seal").write_text(base64.b64encode(bytes(range(32))).decode())
    path.write_text(yaml.safe_dump(raw))
    return path


def pointed(config: Path, url: str) -> Path:
    """The same with another database."""
    raw: dict[str, Any] = yaml.safe_load(config.read_text())
    raw["database"] = {"url": url}
    other = config.with_name("other.yaml")
    other.write_text(yaml.safe_dump(raw))
    return other


async def call(*arguments: str | Path) -> int:
    """The command, as an operator calls it."""
    return await asyncio.to_thread(main, [str(one) for one in arguments])


def left_half_way(folder: Path) -> set[str]:
    """What backups have left that were killed, and something else by such a name; those that are to go."""
    for name, file in (("copy", "hub.db"), ("earlier", "seal-keys.json"), ("other", "letter.txt")):
        (folder / f"{name}.partial").mkdir()
        (folder / f"{name}.partial" / file).write_text("half")
    (folder / ".verify-1234").mkdir()
    (folder / ".verify-1234" / "hub.db").write_text("half")
    return {str(folder / "copy.partial"), str(folder / "earlier.partial")}


@contextmanager
def taken(folder: Path) -> Iterator[None]:
    """A process that is alive fills it."""
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    yield
    os.close(held)


async def test_a_copy_beside_a_working_hub_is_put_back(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = read_config(config).database.url
    await filled(url)
    hub = await open_database(url, EVERY)
    told = left_half_way(tmp_path)
    with taken(tmp_path / "copy.partial"):
        assert await call("backup", "-c", config, tmp_path / "copy") == 1
    assert "another command fills" in capsys.readouterr().err
    assert await call("backup", "-c", config, tmp_path / "copy") == 0
    assert {line.partition(" is gone")[0] for line in capsys.readouterr().out.splitlines()} >= told
    assert [path.name for path in tmp_path.glob("*.partial")] == ["other.partial"]
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["hub.db", "manifest.json"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "copy").iterdir())
    assert await call("backup", "-c", config, tmp_path / "copy") == 1  # never over another one
    assert await call("restore", "-c", config, "--verify", tmp_path / "copy") == 0
    assert await call("restore", "-c", config, tmp_path / "copy") == 1  # there is a database
    said = capsys.readouterr()
    assert "the backup is whole" in said.out
    assert not [*tmp_path.glob(".verify-*")]
    assert "is there already" in said.err
    before = await sums(url)
    await hub.close()
    for answer, says in (("no_password", "the server does not let this user in"), ("12.8", "is too old")):
        with refusing(answer) as server:
            assert await call("move", url, server) == 1
            assert f"nothing was moved: the second database: {says}" in capsys.readouterr().err.replace(
                "PostgreSQL 12 ", ""
            )
            assert await call("restore", "-c", pointed(config, server), tmp_path / "copy") == 1
            assert says in capsys.readouterr().err
    (tmp_path / "seal").rename(tmp_path / "seal.away")
    assert await call("backup", "-c", config, "--with-keys", tmp_path / "second") == 2
    (tmp_path / "seal.away").rename(tmp_path / "seal")
    assert [path.name for path in tmp_path.glob("*.partial")] == ["other.partial"]
    other = pointed(config, f"sqlite:///{tmp_path}/again.db")
    assert await call("restore", "-c", other, tmp_path / "copy") == 0
    again = await sums(f"sqlite:///{tmp_path}/again.db")
    assert {name for name in before if again[name] != before[name]} == {"life"}  # the next start knows by it
    left = Path(f"{tmp_path}/third.db-wal")
    left.write_bytes(b"of a hub that was killed: SQLite would put it into the copy")
    other = pointed(config, f"sqlite:///{tmp_path}/third.db")
    assert await call("restore", "-c", other, tmp_path / "copy") == 1
    assert "third.db-wal is there already" in capsys.readouterr().err
    assert not (tmp_path / "third.db").exists()
    assert await call("backup", "-c", config, "--with-keys", tmp_path / "whole") == 0
    assert list(json.loads((tmp_path / "whole" / "seal-keys.json").read_text())) == ["k1"]


@pytest.mark.postgres
async def test_from_a_server_and_back_into_one(config: Path, tmp_path: Path, postgres: Postgres) -> None:
    first, second = await postgres.create_database(), await postgres.create_database()
    await filled(first)
    hub = await open_database(first, EVERY)
    assert await call("backup", "-c", pointed(config, first), tmp_path / "copy") == 0
    await hub.close()
    other = pointed(config, second)
    assert await call("restore", "-c", other, tmp_path / "copy") == 0
    assert await call("restore", "-c", other, tmp_path / "copy") == 1  # not over what is there
    before, again = await sums(first), await sums(second)
    assert {name for name in before if again[name] != before[name]} == {"life"}
    db: Database = await open_database(second, EVERY)
    await proof.prove(db, SEAL)
    await db.close()


DAMAGES = {
    "UPDATE message SET chat = 'other'": "message: 1 rows of 1, or others",
    "DELETE FROM recipient": "recipient: 0 rows of",
    "UPDATE delivery SET body = (SELECT body FROM delivery WHERE id = 'id2')": "delivery.body: 2 of 3",
    "DELETE FROM conversation WHERE id = 'c1'": "refers to one of conversation",
    "INSERT INTO migration VALUES ('bridge', 9999)": "this version cannot use it",
    "UPDATE seal_proof SET key_id = 'k9'": "hub.db is not the file that was made",
}


async def test_every_damage_is_named(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await filled(read_config(config).database.url)
    assert await call("backup", "-c", config, tmp_path / "copy") == 0
    for statement, why in DAMAGES.items():
        shutil.copytree(tmp_path / "copy", tmp_path / "spoilt", dirs_exist_ok=True)
        with closing(sqlite3.connect(tmp_path / "spoilt" / "hub.db")) as db, db:
            db.execute("DROP TRIGGER IF EXISTS trail_became")
            db.execute(statement)
        capsys.readouterr()
        assert await call("restore", "-c", config, "--verify", tmp_path / "spoilt") == 1
        said = capsys.readouterr().out
        assert why in said, said
        assert "NOT GOOD: hub.db is not the file that was made" in said
    raw = yaml.safe_load(config.read_text())
    raw["seal"] = {"active": "k2", "keys": {"k2": str(tmp_path / "seal")}}
    config.write_text(yaml.safe_dump(raw))
    assert await call("restore", "-c", config, "--verify", tmp_path / "copy") == 1
    assert "delivery.body is sealed with k1, which is not in seal.keys" in capsys.readouterr().out


async def test_what_an_upgrade_would_do(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await call("upgrade", "--check", "-c", config) == 0
    assert "the start makes it" in capsys.readouterr().out
    url = read_config(config).database.url
    await filled(url)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db, db:
        db.execute("DELETE FROM migration WHERE component = 'process' AND number = 5")
    assert await call("upgrade", "--check", "-c", config) == 0
    said = capsys.readouterr().out
    assert "1 migrations would run" in said
    assert "process 0005" in said
    config.write_text(config.read_text() + "\nno_such_option: 1\n")
    assert await call("upgrade", "--check", "-c", config) == 1
    assert "no_such_option: there is no such option" in capsys.readouterr().out
