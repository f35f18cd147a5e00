"""What becomes of a file on its way in, through the filters as they stand in a hub, whatever the way it takes."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.content import care
from bridge.content.care import Care
from bridge.content.clamd import Clamd
from bridge.content.memory import Memory
from bridge.content.scanning import Scanning
from bridge.errors import Refused, Unavailable
from bridge.files import Arriving, Files, Pieces, pieces_of
from bridge.model import File, StoredFile
from deploy.world import clamd as world
from deploy.world.stub.memory_store import MemoryStore
from tests.content import make
from tests.core.test_files import message, read


async def in_pieces(data: bytes, size: int = 1000) -> Pieces:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def taken(files: Files, data: bytes, mime: str = "image/jpeg", name: str = "plaie.jpg", **found: object) -> File:
    return await files.take(Arriving(name, mime, len(data), found=found), in_pieces(data))


async def test_a_photo_keeps_its_pixels_and_loses_its_place() -> None:
    shelf = MemoryStore()
    files = Files(shelf, [Care(shelf)])
    photo = make.jpeg(1600, 1200)
    file = await taken(files, photo)
    kept = await read(files, file)
    assert make.gps_of(photo)
    assert not make.gps_of(kept)
    assert (make.orientation_of(kept), make.pixels_of(kept), len(kept)) == (6, make.pixels_of(photo), len(photo))
    assert (file.mime, file.width, file.height, len(file.blurhash or "")) == ("image/jpeg", 1200, 1600, 28)
    assert file.thumbnail is not None
    assert (file.thumbnail.width, file.thumbnail.height, file.thumbnail.mime) == (450, 600, "image/jpeg")
    assert isinstance(file.thumbnail.content, StoredFile)
    assert (await read(files, file.thumbnail))[:3] == b"\xff\xd8\xff"


async def test_the_way_of_bytes_that_came_with_a_message() -> None:
    """Without a store the small copy stays with them."""
    files = Files(None, [Care()])
    told = File("plaie.jpg", "image/jpeg", make.jpeg(900, 900), inline="cid", voice=True, blurhash="own")
    file = (await files.shelved(message(told))).body.files[0]
    assert (file.inline, file.voice, file.width, file.blurhash) == ("cid", True, 900, "own")
    assert file.thumbnail is not None
    assert file.thumbnail.data[:3] == b"\xff\xd8\xff"
    assert not make.gps_of(file.data)


async def test_what_a_matrix_user_sent_is_kept_anew_only_where_it_had_a_place() -> None:
    shelf = MemoryStore()
    files = Files(shelf, [Care(shelf)])
    clean, photo = make.jpeg(gps=False), make.jpeg()
    for data, anew in ((clean, False), (photo, True), (b"%PDF-1.4" + bytes(9000), False), (make.film(), True)):
        size = len(data) if data[4:8] == b"ftyp" else 0  # not said
        arriving = Arriving("x", "image/jpeg", size, found={"thumbnail": None})
        file = await files.adopt(arriving, in_pieces(data), "theirs")
        assert isinstance(file.content, StoredFile)
        assert (file.content.handle != "theirs", file.thumbnail) == (anew, None)
    assert len(shelf.kept) == 2


async def test_the_switch_is_off() -> None:
    shelf = MemoryStore()
    files = Files(shelf, [Care(shelf, take_out=False)])
    for data in (make.jpeg(), make.heic(), make.film()):
        assert await read(files, await taken(files, data)) == data
        file = await files.adopt(Arriving("x", "video/mp4", len(data)), in_pieces(data), "theirs")
        assert isinstance(file.content, StoredFile)
        assert file.content.handle == "theirs"
        assert (file.width or 0) > 0 or data[8:12] == b"heic"


async def test_names_and_types_are_told_as_they_are() -> None:
    files = Files(MemoryStore(), [Care(MemoryStore())])
    for name, mime, data, shown, true in (
        (
            "rapport.pdf",
            "application/pdf",
            b"MZ" + bytes(100),
            "rapport.pdf.exe",
            "application/vnd.microsoft.portable-executable",
        ),
        ("a\u202egnp.exe", "image/png", make.png()[:33], "agnp.exe", "image/png"),  # in the order of its letters
        ("../../etc/passwd", "text/plain", b"root:x", "_.._etc_passwd", "text/plain"),
        ("irm.dcm", "application/octet-stream", bytes(128) + b"DICM" + bytes(50), "irm.dcm", "application/dicom"),
        ("bilan", "", b"%PDF-1.7", "bilan", "application/pdf"),
        ("vide", "text/plain", b"", "vide", "text/plain"),
    ):
        file = await taken(files, data, mime, name)
        assert (file.name, file.mime, await read(files, file)) == (shown, true, data)


async def test_sounds_and_films_are_measured() -> None:
    files = Files(MemoryStore(), [Care(MemoryStore())])
    voice = await taken(files, make.ogg(2.5), "audio/ogg", "voix.ogg", voice=True, waveform=(1, 2, 3))
    assert (voice.duration_ms, voice.waveform, voice.voice) == (2500, (1, 2, 3), True)
    wav = await taken(files, make.tone(1.0), "audio/wav")
    assert (wav.duration_ms, len(wav.waveform)) == (1000, 100)
    film = await taken(files, make.film(last=True), "video/mp4")
    assert (film.width, film.height, film.duration_ms) == (1080, 1920, 12_500)
    assert make.PLACE not in await read(files, film)


async def test_what_is_too_large_to_be_looked_at_passes_clean_and_in_little_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head, noise = make.jpeg(), random.Random(1).randbytes(64 * 1024)
    whole = head[:-2] + noise * 640 + b"\xff\xd9"  # 40 MB

    async def pieces() -> Pieces:
        yield head[:-2]
        for _ in range(640):
            yield noise
        yield b"\xff\xd9"

    seen = 0
    begun: list[bytes] = []
    tracemalloc.start()
    for said in (len(whole), 5000):  # also where its sender is wrong about it
        file, passing = await Care().through(Arriving("x.jpg", "image/jpeg", said), pieces())
        tracemalloc.reset_peak()
        async with aclosing(passing):
            seen = 0
            begun.clear()
            async for piece in passing:
                seen += len(piece)
                begun.append(piece[: max(0, 9000 - sum(map(len, begun)))])
        assert seen == len(whole)
        assert file.changed
        assert make.CITY.encode() not in b"".join(begun)
        if said == len(whole):
            assert tracemalloc.get_traced_memory()[1] - len(whole) < 2_000_000
    tracemalloc.stop()


async def test_room_is_shared_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(10, 20.0)
    first = await memory.take(8)
    second = asyncio.create_task(memory.take(5))
    await asyncio.sleep(0)
    del first
    assert await second is not None
    assert memory.free == 5
    del second
    assert await Memory(10, 0.0).take(11) is None
    one = Care()
    file, pieces = await one.through(Arriving("x.jpg", "image/jpeg", 0), in_pieces(make.jpeg()))
    assert one._memory.free < care._TOGETHER
    del file, pieces  # nobody has read it
    assert one._memory.free == care._TOGETHER


@pytest.fixture
async def clamd(tmp_path: Path) -> AsyncIterator[world.Clamd]:
    async with world.Clamd(tmp_path / "clamd") as started:
        yield started


@pytest.mark.peers
async def test_nothing_infected_and_nothing_unscanned_is_kept(clamd: world.Clamd) -> None:
    shelf = MemoryStore(most=10_000_000)
    files = Files(shelf, [Scanning(Clamd(clamd.socket, 20)), Care(shelf)])
    found = f"bilan.pdf ({world.EICAR_FINDING})"
    told = File("bilan.pdf", "application/pdf", world.EICAR)

    async def every_way(data: bytes) -> AsyncIterator[str]:
        sent = replace(told, content=data)
        arriving = Arriving(told.name, told.mime, len(data))
        for way in (
            files.take(arriving, pieces_of(data)),
            files.adopt(arriving, pieces_of(data), "theirs"),
            files.shelved(message(sent)),
        ):
            try:
                await way
                yield "passed"
            except Refused as refusal:
                yield f"{refusal.code}: {refusal.about}"
            except Unavailable as away:
                yield away.code

    assert [way async for way in every_way(world.EICAR)] == [f"infected: {found}"] * 3
    assert [way async for way in every_way(bytes(6_000_000))] == ["not_scanned: bilan.pdf"] * 3
    assert shelf.kept == {}
    assert [way async for way in every_way(make.jpeg())] == ["passed"] * 3
    kept = dict(shelf.kept)
    await clamd.stop()
    assert [way async for way in every_way(make.jpeg())] == ["scan_away"] * 3
    assert shelf.kept == kept
