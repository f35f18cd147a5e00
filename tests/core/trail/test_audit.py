"""`liaison audit` beside a running hub: what an operator and an auditor see."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from appservice.operating import audit
from appservice.process.command import _parser, main
from bridge.config import Config, read_config
from bridge.db import open_database
from bridge.signatures import new_key, public_pem, read_private
from bridge.store.store import COMPONENT
from bridge.trail.chaining import Chainer
from bridge.trail.entry import COMPONENT as TRAIL
from bridge.trail.entry import TrailEntry, TrailKind, note_all
from bridge.trail.rules import TrailRules
from tests.core.make import SEAL

DAY = 86_400_000
TODAY = 20_000 * DAY  # 2024-10-04
ROWS = 30


class Times:
    """A clock that a test moves."""

    now = TODAY

    def __call__(self) -> int:
        return self.now


def configured(folder: Path, url: str) -> Path:
    """A configuration with a key of its own; the public one lies beside it."""
    pem = new_key()
    (folder / "audit.key").write_bytes(pem)
    (folder / "audit.pem").write_bytes(public_pem(read_private(pem).public_key()))
    (folder / "seal.key").write_text(base64.b64encode(bytes(range(32))).decode())
    (folder / "people.csv").write_text("rpps,name,profession,place,mail,matrix,products\n")
    path = folder / "hub.yaml"
    path.write_text(
        json.dumps(
            {
                "database": {"url": url},
                "seal": {"active": "k1", "keys": {"k1": str(folder / "seal.key")}},
                "directory": {"flatfile": str(folder / "people.csv")},
                "matrix": {},
                "audit": {"key_file": str(folder / "audit.key")},
            }
        )
    )
    return path


async def lived(config: Config, days: int = 3) -> None:
    """Some days of a hub, with a checkpoint at the end of each."""
    db = await open_database(config.database.url, [COMPONENT, TRAIL])
    clock = Times()
    chainer = Chainer(db, SEAL, audit.signing_key(config), TrailRules(), clock)
    for day in range(days):
        clock.now = TODAY + day * DAY
        async with db.transaction("test") as tx:
            rows = [TrailEntry(TrailKind.POLICY_REFUSED, f"rpps:{n}", result="not_trusted") for n in range(ROWS)]
            await note_all(tx, rows, clock.now + 5)
        clock.now += 10
        await chainer.catch_up(mark=True)
    await db.close()


@pytest.fixture
async def hub(url: str, tmp_path: Path) -> Path:
    """The configuration of a hub that has lived three days."""
    path = configured(tmp_path, url)
    await lived(read_config(path))
    return path


async def change(url: str, sql: str) -> None:
    """What somebody with the database's password does."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
            db.execute(sql)
        db.close()
        return
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


async def say(path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """One command; it runs in the loop of the test."""
    asked = _parser().parse_args(["audit", "-c", str(path), *words])
    status = await audit.main(asked, read_config(path) if audit.needs_config(asked) else None)
    return status, capsys.readouterr().out


async def test_a_trail_verifies_and_what_is_changed_is_named(
    hub: Path, url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, text = await say(hub, capsys, "verify")
    assert (status, text) == (
        0, "90 rows, none altered, removed, reordered or inserted; signed up to row 90\n"
    )  # fmt: skip
    kept = (await say(hub, capsys, "checkpoint"))[1]
    (tmp_path / "kept.jws").write_text(kept)
    for sql, undo, named in (
        ("UPDATE trail SET body = REPLACE(body, '\"rpps:7\"', '\"rpps:8\"') WHERE number = 8",
         "UPDATE trail SET body = REPLACE(body, '\"rpps:8\"', '\"rpps:7\"') WHERE number = 8",
         "row 8: altered (or the one before it, with its hash)\n"),
        ("UPDATE trail SET number = 1000 WHERE number = 50", "UPDATE trail SET number = 50 WHERE number = 1000",
         "row 50: removed\n"),
        ("UPDATE trail_checkpoint SET jws = NULL WHERE number = 60", "SELECT 1",
         "checkpoint 60: not signed by a known key\n"),
    ):  # fmt: skip
        await change(url, sql)
        assert await say(hub, capsys, "verify") == (1, named)
        await change(url, undo)
    await change(url, "DELETE FROM trail_checkpoint WHERE number >= 60")
    await change(url, "DELETE FROM trail WHERE number > 80")
    assert (await say(hub, capsys, "verify"))[0] == 0  # nothing here knows better
    elsewhere = await say(hub, capsys, "verify", "--checkpoint", str(tmp_path / "kept.jws"))
    assert elsewhere == (1, "row 81: cut: it was signed, and nothing is there from it on\n")


async def test_an_export_verifies_offline_with_the_public_key_alone(
    hub: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, text = await say(hub, capsys, "export", "--from", "2024-10-05", "--to", "2024-10-06")
    lines = text.splitlines(keepends=True)
    assert [json.loads(line)["number"] for line in lines[1 : ROWS + 1]] == list(range(ROWS + 1, 2 * ROWS + 1))
    assert json.loads(lines[1])["result"] == "not_trusted"
    file, key = tmp_path / "export.jsonl", str(tmp_path / "audit.pem")

    async def judge(changed: list[str]) -> tuple[int, str]:
        file.write_text("".join(changed))
        return await say(Path("/nowhere"), capsys, "verify", "--file", str(file), "--key", key)

    assert await judge(lines) == (
        0, "30 rows, none altered, removed, reordered or inserted; the file is as it was signed\n"
    )  # fmt: skip
    edits: list[Callable[[], list[str]]] = [
        lambda: [*lines[:5], lines[5].replace("rpps:4", "rpps:9"), *lines[6:]],
        lambda: [*lines[:5], *lines[6:]],
        lambda: [*lines[:5], lines[6], lines[5], *lines[7:]],
        lambda: [*lines[:5], lines[4], *lines[5:]],
        lambda: lines[:-1],
        lambda: [*lines, lines[4]],
        lambda: lines[1:],
    ]
    for edit in edits:
        assert (await judge(edit()))[0] == 1
    (tmp_path / "audit.pem").write_bytes(public_pem(read_private(new_key()).public_key()))
    assert (await judge(lines))[0] == 1
    assert (await say(hub, capsys, "export", "--from", "2020-01-01", "--to", "2020-01-02"))[0] == 0


async def test_a_report_counts_and_names_nobody(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, text = await say(hub, capsys, "report", "--from", "2024-10-04", "--to", "2024-10-06")
    assert text.splitlines() == [
        "day,what,from,to,state,reason,count",
        "2024-10-04,policy_refused,,,not_trusted,,30",
        "2024-10-05,policy_refused,,,not_trusted,,30",
    ]
    _, text = await say(hub, capsys, "report", "--from", "2024-10-04", "--to", "2024-10-05", "--format", "json")
    assert [row["count"] for row in json.loads(text)] == [30]


async def test_old_rows_go_and_the_rest_still_verifies(hub: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    config = read_config(hub)
    db = await open_database(url, [COMPONENT, TRAIL])
    clock = Times()
    clock.now = TODAY + 3 * DAY
    chainer = Chainer(db, SEAL, audit.signing_key(config), TrailRules(keep=2 * 86_400.0), clock)
    await chainer.forget_old()
    await chainer.catch_up(mark=True)
    assert [row["number"] for row in await db.all("trail.rows", 0, 100)] == [*range(31, 92)]
    assert (await say(hub, capsys, "verify"))[0] == 0
    _, text = await say(hub, capsys, "export", "--from", "2024-10-05", "--to", "2024-10-06")
    assert json.loads(text.splitlines()[0])["after"]["number"] == 30
    await db.close()
    await change(url, "DELETE FROM trail WHERE number <= 60")
    await change(url, "UPDATE trail_checkpoint SET closing = 1 WHERE number = 60")
    assert await say(hub, capsys, "verify") == (1, "row 31: removed\n")  # only the key closes


def test_only_a_private_key_signs(tmp_path: Path) -> None:
    assert main(["audit", "key", str(tmp_path / "a.key")]) == 0
    assert main(["audit", "key", str(tmp_path / "a.key")]) == 1  # nothing is written over
    assert read_private((tmp_path / "a.key").read_bytes()).public_key() is not None
    assert (tmp_path / "a.key").stat().st_mode & 0o077 == 0
