"""Files by stream: what is kept where, what filters may do, and that the sealed forms of before are still read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from bridge.errors import Refused, Unavailable
from bridge.files import Arriving, Files, Pieces, from_json, pieces_of, to_json
from bridge.model import Address, Body, File, Kind, Message, Ref, StoredFile
from bridge.seal import Seal
from bridge.store import kept_files
from deploy.world.stub.memory_store import MemoryStore

PDF = File("bilan.pdf", "application/pdf", b"%PDF-1.7 " + bytes(range(256)) * 2000, "cid1")
SEAL = Seal({"k1": bytes(range(32))}, "k1")


class Shout:
    """A filter that changes every byte of a text, and says what it is only at its end."""

    async def through(self, file: Arriving, pieces: Pieces) -> tuple[Arriving, Pieces]:
        async def louder() -> Pieces:
            async for piece in pieces:
                if b"virus" in piece:
                    raise Refused("infected", about=file.name)
                yield piece.upper()
            file.found["inline"] = "heard"

        changed = replace(file, changed=True, mime="text/loud") if file.mime == "text/plain" else file
        return changed, louder() if changed.changed else pieces


def message(*files: File) -> Message:
    return Message(Ref("a", "1"), "c", Address("a", "x"), Kind.TEXT, Body("t", files=files), 0)


async def read(files: Files, file: File, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in files.open(file, start, end)])


async def test_bytes_of_a_message_go_to_the_store_once() -> None:
    files = Files(MemoryStore())
    kept = (await files.shelved(message(PDF))).body.files[0]
    assert isinstance(kept.content, StoredFile)
    assert (kept.name, kept.mime, kept.inline, kept.size) == (PDF.name, PDF.mime, PDF.inline, PDF.size)
    assert kept.sha256 == PDF.sha256 == hashlib.sha256(PDF.data).hexdigest()
    assert (await files.shelved(message(kept))).body.files == (kept,)
    assert await read(files, kept) == PDF.data
    assert await read(files, kept, 5, 9) == await read(files, PDF, 5, 9) == PDF.data[5:9]
    assert (await files.whole(kept)) == PDF
    with pytest.raises(ValueError, match="store"):
        _ = kept.data


@pytest.mark.parametrize("why", [Unavailable("homeserver_away"), Refused("files_too_large")])
async def test_what_the_store_does_not_take_stays_with_the_message(why: Exception) -> None:
    shelf = MemoryStore()
    shelf.away = why
    assert (await Files(shelf).shelved(message(PDF))).body.files == (PDF,)
    assert (await Files().shelved(message(PDF))).body.files == (PDF,)


async def test_an_upload_says_the_limit_before_the_first_byte() -> None:
    pieces = pieces_of(b"12345678901")
    with pytest.raises(Refused) as refusal:
        await Files(MemoryStore(most=10)).take(Arriving("a", "text/x", 11), pieces)
    assert (refusal.value.code, refusal.value.about) == ("files_too_large", "10 bytes")
    with pytest.raises(Unavailable):
        await Files().take(Arriving("a", "text/x", 11), pieces)
    assert [piece async for piece in pieces] == [b"12345678901"]


async def taken(files: Files, data: bytes) -> File:
    return await files.take(Arriving("a.txt", "text/plain", len(data)), pieces_of(data))


async def adopted(files: Files, data: bytes) -> File:
    return await files.adopt(Arriving("a.txt", "text/plain", len(data)), pieces_of(data), "theirs")


async def shelved(files: Files, data: bytes) -> File:
    return (await files.shelved(message(File("a.txt", "text/plain", data)))).body.files[0]


@pytest.mark.parametrize("way", [taken, adopted, shelved])
async def test_every_way_in_leads_through_the_filters(way: Callable[..., object]) -> None:
    shelf = MemoryStore()
    files = Files(shelf, [Shout()])
    file: File = await way(files, b"bonjour")  # type: ignore[misc]
    assert (file.mime, await read(files, file)) == ("text/loud", b"BONJOUR")
    assert shelf.kept == {"mem:0": b"BONJOUR"}
    with pytest.raises(Refused) as refusal:
        await way(files, b"a virus")  # type: ignore[misc]
    assert (refusal.value.code, refusal.value.about) == ("infected", "a.txt")
    assert len(shelf.kept) == 1


async def test_what_lies_in_the_store_and_is_not_changed_is_not_kept_twice() -> None:
    shelf = MemoryStore()
    file = await Files(shelf, [Shout()]).adopt(Arriving("a.pdf", "application/pdf", 0), pieces_of(PDF.data), "theirs")
    assert file.content == StoredFile("theirs", PDF.size, PDF.sha256)
    assert shelf.kept == {}


def test_both_sealed_forms_are_read_also_that_of_an_earlier_hub() -> None:
    stored = replace(PDF, content=StoredFile("h", 3, "ab"))
    for file in (PDF, stored):
        about, body = kept_files.sealed(SEAL, "m", 0, file)
        assert kept_files.opened(SEAL, "m", [{"n": 0, "about": about, "body": body}]) == [file]
        assert from_json(to_json(file), b"" if file is stored else PDF.data) == file
    assert from_json(["a", "b/c", None], b"old") == File("a", "b/c", b"old")
    assert "bilan" not in repr(stored)
    assert "h'" not in repr(stored)
