"""The federation's list follows its file while the hub runs, and `liaison why` explains what the hub would do."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest

from appservice.operating.why import handle
from appservice.process.app import Parts, running
from appservice.process.command import main
from bridge.config import read_config
from bridge.people.federation.participants import FederationList
from bridge.people.federation.signed import public_pem
from deploy.world.ports import free_port
from deploy.world.waiting import until
from tests.matrix.process.test_start import TOKEN, written
from tests.people.federation.make import KEY, OTHER, participant, signed

ANNA, CLEO, DAN = "10000000001", "10000000003", "10000000004"


def offer(path: Path, sequence: int, *domains: str, key: object = KEY) -> None:
    now = int(time.time())
    every = {name: participant(name) for name in domains}
    path.write_bytes(signed(FederationList(sequence, now, now + 86_400 * 30, "ANS", every), key))  # type: ignore[arg-type]


def site(tmp_path: Path) -> tuple[str, Path]:
    """A hub that uses a list; gives its configuration, and the file of the list."""
    (tmp_path / "key.pem").write_bytes(public_pem(KEY.public_key()))
    listed = tmp_path / "list.jws"
    offer(listed, 1, "chu.example")
    hook = {"webhook_url": "https://p.invalid", "webhook_secrets": [f"file:{tmp_path}/hook"], "tokens": [TOKEN]}
    federation = {
        "file": str(listed),
        "keys": [str(tmp_path / "key.pem")],
        "state": str(tmp_path / "state.jws"),
        "look": "1s",
    }
    path = written(
        tmp_path, networks={"connect": {"products": {"pandalab": hook}}},
        matrix_listen={"host": "127.0.0.1", "port": free_port()}, trust={"federation": federation},
    )  # fmt: skip
    (tmp_path / "people.csv").write_text(
        f"rpps,name,products\n{ANNA},Anna Martin,\n{CLEO},Cléo Petit,pandalab:cleo\n{DAN},Dan Moreau,pandalab:dan\n"
    )
    return path, listed


async def follows(parts: Parts, listed: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The hub does what the newest good list says."""
    offer(listed, 2, "other.example")
    await until(lambda: not parts.servers.allows("chu.example"))
    offer(listed, 1, "chu.example")
    await until(lambda: "1 is older than 2" in caplog.text)
    offer(listed, 3, "chu.example", key=OTHER)
    await until(lambda: "not signed by a key that is pinned" in caplog.text)
    assert not parts.servers.allows("chu.example")
    offer(listed, 4, "chu.example")
    parts.sources.reload()
    await until(lambda: parts.servers.allows("chu.example"))


async def test_who_takes_part_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def why(one: str, other: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        status = await asyncio.to_thread(main, ["why", "-c", path, one, other])
        return status, capsys.readouterr().out.splitlines()

    path, listed = site(tmp_path)
    async with running(read_config(Path(path))) as parts:
        await until(lambda: parts.servers.allows("chu.example"))
        assert await why("@ben:chu.example", CLEO) == (0, [
            "from matrix:@ben:chu.example",
            "  list 1 of ANS: chu.example takes part as matrix by CHU de Lyon",
            "  is @ben:chu.example (matrix:@ben:chu.example, in no directory)",
            f"from matrix:@ben:chu.example to rpps:{CLEO}",
            f"  Cléo Petit (rpps:{CLEO}) is reached at pandalab:cleo",
            "  yes",
            "yes",
        ])  # fmt: skip
        status, lines = await why("@eve:evil.example", CLEO)
        assert (status, lines[1], lines[-1]) == (1, "  no: list 1 of ANS: evil.example is not there", "no")
        status, lines = await why("pandalab:cleo", "@eve:evil.example")
        assert (status, lines[-2].partition(":")[0], lines[-1]) == (1, "  no", "no")
        status, lines = await why("pandalab:cleo", ANNA)
        assert (status, "not_reachable" in lines[-2]) == (1, True)
        status, lines = await why(CLEO, DAN)
        assert (status, "carries" in lines[-2]) == (1, True)
        status, lines = await why("pandalab:nobody", CLEO)
        assert (status, "unknown_sender" in lines[1]) == (1, True)
        await follows(parts, listed, caplog)
        assert (await why("@ben:chu.example", CLEO))[0] == 0
    listed.unlink()
    caplog.set_level(logging.ERROR)
    async with running(read_config(Path(path))) as parts:  # the source is away: what was kept counts
        assert parts.servers.allows("chu.example")


def test_handles_are_what_people_write() -> None:
    wanted = {
        CLEO: f"rpps:{CLEO}", f"rpps:{CLEO}": f"rpps:{CLEO}", "@ben:chu.example": "matrix:@ben:chu.example",
        "cleo@mss.example": "mailto:cleo@mss.example", "pandalab:cleo": "pandalab:cleo",
        "mailto:a@b.example": "mailto:a@b.example",
    }  # fmt: skip
    assert {text: handle(text) for text in wanted} == wanted
