"""`liaison identity`: somebody has another encryption identity, and an operator accepts that very one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appservice.process.app import Parts
from appservice.process.command import main
from tests.matrix.operating.test_accounts import configured, hub

BEN = "@ben:chu.example"


async def said(capsys: pytest.CaptureFixture[str], path: str, *arguments: str) -> tuple[int, str]:
    """The command's status, and what it printed."""
    capsys.readouterr()
    status = await asyncio.to_thread(main, ["identity", "-c", path, *arguments])
    return status, capsys.readouterr().out


async def served(parts: Parts, pinned: str, now: str) -> None:
    """The homeserver has answered: this is Ben's identity now."""
    engine = parts.matrix.engine
    async with engine._db.transaction("test") as tx:
        await tx.run("e2ee.user-save", BEN, pinned, now, 0)
        await tx.run("e2ee.device-save", BEN, "PHONE", "curve", "ed", 0)


async def test_a_new_identity_is_shown_and_accepted_as_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = configured(tmp_path)
    async with hub(path) as parts:
        assert await said(capsys, path, "@eve:chu.example") == (
            0,
            "@eve:chu.example  has no encryption identity that the hub knows\n",
        )
        await served(parts, "OLD", "NEW")
        status, out = await said(capsys, path, BEN)
        lines = [line.strip() for line in out.splitlines()]
        assert (status, lines[0]) == (0, f"{BEN}  CHANGED")
        assert lines[1:4] == ["known to the hub  OLD", "served now        NEW", "device PHONE  not signed"]
        assert lines[-1] == f"liaison identity {BEN} --accept NEW"
        status, out = await said(capsys, path, BEN, "--accept", "ANOTHER")
        assert (status, out.split(":")[0]) == (1, "identity_other")
        status, out = await said(capsys, path, BEN, "--accept", "NEW")
        assert (status, out.splitlines()[0]) == (0, f"{BEN}  as known")
        status, out = await said(capsys, path, BEN, "--accept", "NEW")
        assert (status, out.split(":")[0]) == (1, "identity_same")


async def test_nothing_is_shown_without_a_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = configured(tmp_path)
    assert await said(capsys, path, BEN) == (1, "")
