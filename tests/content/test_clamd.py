"""What passes is looked through by a real clamd; what it finds is refused, and without it nothing passes."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appservice.process.checking import scanner as checked
from bridge.config import FilesSettings, ScanSettings
from bridge.content.clamd import Clamd
from bridge.errors import Refused, Unavailable
from deploy.world import clamd as world

pytestmark = pytest.mark.peers


@pytest.fixture
async def scanner(tmp_path: Path) -> AsyncIterator[world.Clamd]:
    async with world.Clamd(tmp_path / "clamd", most=1_000_000) as started:
        yield started


async def scan(clamd: Clamd, data: bytes, name: str = "rapport.pdf", piece: int = 4096) -> None:
    one = await clamd.begin()
    try:
        for at in range(0, len(data), piece):
            await one.piece(data[at : at + piece])
        await one.verdict(name)
    finally:
        one.close()


async def refused(clamd: Clamd, data: bytes) -> tuple[str, str]:
    with pytest.raises(Refused) as told:
        await scan(clamd, data)
    return told.value.code, told.value.about


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", data)
    return out.getvalue()


async def test_what_clamd_says(scanner: world.Clamd) -> None:
    found = f"rapport.pdf ({world.MALWARE_FINDING})"
    for address in (scanner.socket, scanner.address):
        clamd = Clamd(address, 20)
        await scan(clamd, b"")
        await scan(clamd, b"A report of no interest" * 5000)
        assert await refused(clamd, world.EICAR) == ("infected", f"rapport.pdf ({world.EICAR_FINDING})")
        assert await refused(clamd, b"x" * 70_000 + world.MALWARE) == ("infected", found)
        assert await refused(clamd, zipped(world.MALWARE)) == ("infected", found)
        assert await refused(clamd, bytes(3_000_000)) == ("not_scanned", "rapport.pdf")
    await asyncio.gather(*(scan(Clamd(scanner.socket, 20), bytes(200_000)) for _ in range(12)))
    settings = FilesSettings(scan=ScanSettings(clamd=scanner.socket))
    [found_] = await checked.findings(settings)
    assert found_.ok, found_
    assert checked._EICAR == world.EICAR
    assert await checked.findings(FilesSettings()) == []
    await scanner.stop()
    [found_] = await checked.findings(settings)
    assert (found_.ok, "start clamd" in found_.mend) == (False, True)
    for address in (scanner.socket, scanner.address):
        with pytest.raises(Unavailable, match="scan_away"):
            await scan(Clamd(address, 20), b"x")


async def test_a_scanner_that_goes_or_talks_nonsense_lets_nothing_pass(tmp_path: Path) -> None:
    answers = [b"", b"stream: OK", b"stream: O\0", b"INSTREAM: Can't create temporary file. ERROR\0", b"\xff" * 9000]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(bytes(4))
        writer.write(answers[0])
        writer.close()

    path = tmp_path / "sock"
    server = await asyncio.start_unix_server(talk, path)
    async with server:
        while answers:
            with pytest.raises(Unavailable, match="scan_away"):
                await scan(Clamd(str(path), 20), b"\1" * 100)
            answers.pop(0)
