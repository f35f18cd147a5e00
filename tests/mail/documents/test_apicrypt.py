"""Apicrypt v1 is recognised and refused with an explanation; a site's codec is run as a bounded external command.

The codec of these tests is a FAKE: a few lines of Python that turn letters round. It knows nothing of Apicrypt.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.errors import Refused, Unavailable
from bridge.model import File
from bridge.networks.mail.documents import apicrypt, read, words
from bridge.networks.mail.documents.codec import CodecSettings, decode
from deploy.world.waiting import PATIENCE

BLOCK = "$apicrypt 1.0\nGHTREZA\nPLMOKN\n"
APZ = File("bilan.APZ", "application/octet-stream", b"\x01\x02")

FAKE = """# a FAKE codec for tests: "decrypts" by reversing, nothing of the real one is in here
import fcntl, os, sys, time
how = sys.argv[1] if len(sys.argv) > 1 else "turn"
data = sys.stdin.buffer.read() if how != "deaf" else b""
if how == "turn": sys.stdout.buffer.write(data[::-1])
if how == "fail": sys.stderr.write("secret text"); sys.exit(3)
if how == "later": sys.exit(75)
if how == "gush": fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)  # comes in larger pieces than the reader likes
if how in ("flood", "gush"):
    while True: sys.stdout.buffer.write(b"x" * 65536)
if how == "hang":
    open(sys.argv[2], "w").write(str(os.getpid())); time.sleep(3600)
if how == "deaf": sys.stdout.buffer.write(b"deaf")
if how == "environment": sys.stdout.write(",".join(sorted(os.environ)))
"""


@pytest.fixture
def fake(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "fake_codec.py"
    path.write_text(FAKE)
    return (sys.executable, "-I", str(path))


# recognised


def test_a_block_in_the_body() -> None:
    found = apicrypt.recognise(f"Bonjour\n\n  {BLOCK}")
    assert found is not None
    assert found.block == BLOCK.strip()
    assert found.encrypted
    with pytest.raises(Refused, match="apicrypt_v1"):
        found.refuse()
    assert "GHT" not in repr(found)


def test_files_and_senders() -> None:
    found = apicrypt.recognise("", [APZ, File("a.pdf", "application/pdf", b"x")])
    assert found is not None
    assert found.files == (APZ,)
    alias = apicrypt.recognise("clair", sender="Prenom.NOM@medical12.apicrypt.org")
    assert alias is not None
    assert alias.sender
    assert not alias.encrypted
    alias.refuse()


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("on parle de $apicrypt ici", ""), ("", "a@mssante.apicrypt.org"), ("", "a@interop-mssante.apicrypt.org"),
        ("", "a@medical1.apicrypt.org.example"), ("", "a@b@medical1.apicrypt.org"), ("", ""),
    ],
)  # fmt: skip
def test_what_is_not_version_1(text: str, sender: str) -> None:
    assert apicrypt.recognise(text, [File("a.apz.txt", "text/plain", b"x")], sender) is None


def test_what_a_room_shows() -> None:
    found = read([APZ, File("corps.txt", "text/plain", BLOCK.encode())])
    assert found.problems == ("refused: apicrypt_v1",)
    assert found.files == ()
    assert "Apicrypt v1" in found.cards[0].title
    french, english = words.say("refused: apicrypt_v1")
    assert "Apicrypt v2" in french
    assert "Apicrypt v2" in english
    assert french in found.cards[0].text


# the external command


async def test_bytes_in_bytes_out(fake: tuple[str, ...]) -> None:
    assert await decode(CodecSettings(argv=fake), b"abc\0\xff") == b"\xff\0cba"
    assert await decode(CodecSettings(argv=fake), b"") == b""
    large = os.urandom(3 << 20)
    assert await decode(CodecSettings(argv=fake), large) == large[::-1]


async def test_a_command_that_does_not_read(fake: tuple[str, ...]) -> None:
    assert await decode(CodecSettings(argv=(*fake, "deaf")), bytes(1 << 20)) == b"deaf"


async def test_it_sees_nothing_of_our_environment(fake: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIAISON_SECRET", "x")
    seen = await decode(CodecSettings(argv=(*fake, "environment"), environment={"KEYS": "/k"}), b"")
    assert set(seen.decode().split(",")) <= {"PATH", "LC_ALL", "KEYS", "LC_CTYPE"}


async def test_refusals(fake: tuple[str, ...]) -> None:
    with pytest.raises(Refused) as no:
        await decode(CodecSettings(argv=(*fake, "fail")), b"x")
    assert (no.value.code, no.value.about) == ("codec_refused", "exit 3")
    for much in ("flood", "gush"):
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(Refused, match="codec_too_large"):
                await decode(CodecSettings(argv=(*fake, much), max_bytes=1000), b"x")


async def test_what_may_work_later(fake: tuple[str, ...]) -> None:
    with pytest.raises(Unavailable, match="codec_later"):
        await decode(CodecSettings(argv=(*fake, "later")), b"x")
    with pytest.raises(Unavailable, match="codec_missing"):
        await decode(CodecSettings(argv=("/no/such/codec",)), b"x")


async def test_a_command_that_hangs_is_ended(fake: tuple[str, ...], tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(Unavailable, match="codec_timeout"):
        await decode(CodecSettings(argv=(*fake, "hang", str(note)), timeout=3), b"x")
    if note.exists():  # a slow machine may not have come that far
        with pytest.raises(ProcessLookupError):
            os.kill(int(note.read_text()), 0)


def test_settings_are_checked() -> None:
    with pytest.raises(ValidationError):
        CodecSettings(argv=())
    assert CodecSettings.model_validate({"argv": ["/opt/codec", "-d"], "timeout": 10}).timeout == 10
