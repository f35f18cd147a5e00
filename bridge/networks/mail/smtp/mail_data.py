"""The bytes of a mail after DATA, many lines at a time: a large mail costs what its bytes cost, not what its lines do.

Sources: RFC 5321, 4.1.1.4 (a dot alone on its line ends the mail), 4.5.2 (a dot at a line's beginning is doubled).
"""

from __future__ import annotations

import asyncio

_END = b".\r\n"


class Unfit(Exception):
    """The mail was read to its end and is not taken; says what the peer is told."""


async def read_mail(reader: asyncio.StreamReader, longest: int, most: int) -> bytes:
    """The mail without the dots that the peer has doubled, in ``most`` bytes on the wire with lines of ``longest``.

    Only CR LF ends a line: what other ends of lines surround stays in the mail, for whoever judges it. What is too long
    is not kept in memory, and said once all of it was read. Raises Unfit.
    """
    pieces, size, problem = list[bytes](), 0, ""
    while (block := await _lines(reader, longest)) != _END:
        size += len(block)
        if not problem and size > most:
            problem = "552 Error: Too much mail data"
        if not problem and (not block or (len(block) > longest and _longest(block) > longest)):
            problem = "500 Line too long (see RFC5321 4.5.3.1.6)"
        if problem:
            pieces.clear()
        else:
            pieces.append(block)
    if problem:
        raise Unfit(problem)
    return b"".join(pieces).replace(b"\r\n.", b"\r\n").removeprefix(b".")


async def _lines(reader: asyncio.StreamReader, longest: int) -> bytes:
    """The whole lines that lie there, no further than before the end of the mail, which comes alone.

    Empty for a line that is too long, which is passed over.
    """
    there = _whole(reader._buffer)  # type: ignore[attr-defined]
    if there:
        return await reader.readexactly(there)
    try:
        return await reader.readuntil(b"\r\n")
    except asyncio.LimitOverrunError as much:
        await _passed_over(reader, much.consumed)
        return b""


def _whole(buffer: bytearray) -> int:
    """How many bytes; 0: no line is whole."""
    if buffer.startswith(_END):
        return len(_END)
    end = buffer.find(b"\r\n" + _END)
    last = end if end >= 0 else buffer.rfind(b"\r\n")
    return last + 2 if last >= 0 else 0


async def _passed_over(reader: asyncio.StreamReader, consumed: int) -> None:
    """Read to the end of this line."""
    while True:
        await reader.read(consumed)
        try:
            await reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError as much:
            consumed = much.consumed
        else:
            return


def _longest(block: bytes) -> int:
    return max(map(len, block.split(b"\r\n"))) + 2
