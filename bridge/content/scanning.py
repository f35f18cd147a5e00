"""Every file that comes in is looked through for infections while it passes; its last bytes wait for the verdict."""

from __future__ import annotations

from contextlib import aclosing

from bridge.content.clamd import Clamd
from bridge.content.names import clean_name
from bridge.files import Arriving, Pieces


class Scanning:
    """A filter (:class:`bridge.files.Filter`). What cannot be scanned does not pass: it is refused, or it waits."""

    def __init__(self, clamd: Clamd) -> None:
        self._clamd = clamd

    async def through(self, file: Arriving, pieces: Pieces) -> tuple[Arriving, Pieces]:
        """See :class:`bridge.files.Filter`."""
        return file, self._scanned(clean_name(file.name), pieces)

    async def _scanned(self, name: str, pieces: Pieces) -> Pieces:
        async with aclosing(pieces):
            scan = await self._clamd.begin()
            try:
                held = b""
                async for piece in pieces:
                    await scan.piece(piece)
                    if held:
                        yield held
                    held = piece
                await scan.verdict(name)
            finally:
                scan.close()
        if held:
            yield held
