"""A mail after DATA comes out the same however it was cut on its way, and what is too much is not kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest

from bridge.networks.mail.smtp.mail_data import Unfit, read_mail

LINE, MOST = 80, 4000
NEXT = b"MAIL FROM:<>\r\n"
SENT = [  # on the wire, and what it means (None: refused)
    (b"", b""),
    (b"a\r\n", b"a\r\n"),
    (b"..\r\n", b".\r\n"),
    (b"..\r\n...\r\n.x\r\na.\r\n..\r\n", b".\r\n..\r\nx\r\na.\r\n.\r\n"),
    (b"\r\n\r\n", b"\r\n\r\n"),
    (b"From: a\r\n\r\n..\r\n" + b"b" * 40 + b"\r\n", b"From: a\r\n\r\n.\r\n" + b"b" * 40 + b"\r\n"),
    (b"a\n.\nb\r\n", b"a\n.\nb\r\n"),
    (b"a\r.\rb\r\n", b"a\r.\rb\r\n"),
    (b"a\n.\r\nb\r\n", b"a\n.\r\nb\r\n"),
    (b"a\r\r\n. \r\n.\r.\r\n", b"a\r\r\n \r\n\r.\r\n"),
    (b"a" * (LINE - 2) + b"\r\n", b"a" * (LINE - 2) + b"\r\n"),
    (b"a" * (LINE - 1) + b"\r\nb\r\n", "500 Line too long"),
    (b"b\r\n" + b"." * 500 + b"\r\nb\r\n", "500 Line too long"),
    (b"c" * 200 + b".\r\n", "500 Line too long"),
    (b"c" * LINE + b"\r\r\n", "500 Line too long"),
    (b"d" * 78 + b"\r\n" + (b"e" * 60 + b"\r\n") * 63, b"d" * 78 + b"\r\n" + (b"e" * 60 + b"\r\n") * 63),
    ((b"e" * 78 + b"\r\n") * 51, "552 Error"),
    (b"f\r\n" * 3000, "552 Error"),
]


def _cuts(data: bytes) -> Iterator[list[bytes]]:
    yield [data]
    yield [data[n : n + 1] for n in range(len(data))]
    for seed in range(6):
        chance, rest, some = random.Random(seed), data, list[bytes]()
        while rest:
            cut = chance.choice((1, 2, 3, 7, 50, 500))
            some.append(rest[:cut])
            rest = rest[cut:]
        yield some


async def _read(pieces: list[bytes]) -> tuple[bytes | str, bytes]:
    """What was read, or the refusal; and what lies behind it."""
    reader = asyncio.StreamReader(limit=LINE)

    async def feed() -> None:
        for number, piece in enumerate(pieces):
            reader.feed_data(piece)
            if number % 3 == 0:
                await asyncio.sleep(0)

    feeding = asyncio.create_task(feed())
    try:
        found: bytes | str = await read_mail(reader, LINE, MOST)
    except Unfit as unfit:
        found = str(unfit)
    await feeding
    reader.feed_eof()
    return found, await reader.read()


@pytest.mark.parametrize(("wire", "meant"), SENT, ids=range(len(SENT)))
async def test_however_it_is_cut(wire: bytes, meant: bytes | str) -> None:
    for pieces in _cuts(wire + b".\r\n" + NEXT):
        found, behind = await _read(pieces)
        assert behind == NEXT
        assert found == meant if isinstance(meant, bytes) else str(found).startswith(meant)


async def test_a_peer_that_goes_away_has_sent_no_mail() -> None:
    for start in (b"", b"a\r\n", b"a\r\n.", b"a\r\n.\r", b"a" * 500):
        reader = asyncio.StreamReader(limit=LINE)
        reader.feed_data(start)
        reader.feed_eof()
        with pytest.raises(asyncio.IncompleteReadError):
            await read_mail(reader, LINE, MOST)
