"""A CSV directory that is read again when its file changes: what was read last well stays until then."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from bridge.errors import said
from bridge.model import Address, Person
from bridge.parts.disk import FileWatch
from bridge.people.directories.flatfile import FlatFile
from bridge.people.directory import Changed
from bridge.people.searching.search import NOBODY, Asking

log = logging.getLogger(__name__)
_LOOK = 5.0  # s between two looks at the file
_FEW, _SHARE = 10, 0.2  # people who may vanish from the file before somebody has to say that this is meant


class WatchedFile:
    """See :class:`bridge.people.directory.Directory`; ``look`` says how often (s) the file is looked at.

    An editor writes a file bit by bit. So a changed file is read once two looks have found it alike, and one from which
    many people vanish at once, whom the hub would lock, is only read when somebody asks for it (:meth:`reload`).
    """

    shows_all = True

    def __init__(self, path: Path, look: float = _LOOK) -> None:
        """Read the file. Raises ValueError that names the line, OSError."""
        self._path = path
        self._watch = FileWatch(path, look)
        self._now = FlatFile.read(path)
        self._changed: Changed = lambda people: None
        self.read_at = time.time()
        """When (s since 1970) it was last read well."""
        self.trouble = ""
        """Why it was not read again when it had changed, or empty."""

    def follow(self, changed: Changed) -> None:
        """See :class:`bridge.people.directory.Changing`."""
        self._changed = changed

    def reload(self) -> None:
        """Read the file as it is now, whoever is missing from it: the operator says so (SIGHUP)."""
        self._watch.ask()

    async def run(self) -> None:
        """Watch the file until cancelled."""
        while True:
            await self._read(await self._watch.changed())

    async def read_again(self) -> tuple[str, str]:
        """Read the file as it is now, as :meth:`reload` does: what has changed, and why it is not used; or empty."""
        return await self._read(True), self.trouble

    async def _read(self, meant: bool) -> str:
        """Gives what has changed, in words."""
        try:
            read, changed, lost = await asyncio.to_thread(self._compared)
        except (OSError, ValueError) as error:
            self.trouble = said(error)
            log.error("ALARM the directory is not read again, the last one stays: %s", self.trouble)
            return ""
        if lost > max(_FEW, _SHARE * len(self._now)) and not meant:
            self.trouble = f"leaves out {lost} of {len(self._now)} people"
            log.error(
                "ALARM the directory is not read again, the last one stays: %s leaves out %d of %d people; "
                "if that is meant, say so: `liaison reload`",
                self._path.name, lost, len(self._now),
            )  # fmt: skip
            return ""
        self._now, self.trouble, self.read_at = read, "", time.time()
        log.info("the directory was read again: %d people, %d changed", len(read), len(changed))
        if not changed:
            return ""
        self._changed(changed)
        return f"{len(read)} people, {len(changed)} changed"

    def _compared(self) -> tuple[FlatFile, set[str], int]:
        read = FlatFile.read(self._path)
        changed, lost = self._now.compared(read)
        return read, changed, lost

    async def person(self, person: str) -> Person | None:
        """See :class:`bridge.people.directory.Directory`."""
        return await self._now.person(person)

    async def at(self, address: Address) -> Person | None:
        """See :class:`bridge.people.directory.Directory`."""
        return await self._now.at(address)

    async def search(self, query: str, limit: int, asking: Asking = NOBODY) -> Sequence[Person]:
        """See :class:`bridge.people.directory.Directory`."""
        return await self._now.search(query, limit, asking)

    def everyone(self) -> AsyncIterator[Sequence[Person]]:
        """See :class:`bridge.people.directory.Directory`."""
        return self._now.everyone()

    def mailboxes(self) -> AsyncIterator[Sequence[str]]:
        """See :class:`bridge.people.directory.ListsMailboxes`."""
        return self._now.mailboxes()
