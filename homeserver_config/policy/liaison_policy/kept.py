"""The list in use: the last good one, kept on disk; a refused one is loud, an ended one opens nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from liaison_policy.listed import FederationList, parse
from liaison_policy.signed import MOST_BYTES, PublicKey, UnusableList, verified

log = logging.getLogger(__name__)
_EARLY = 300  # s that a list may come from the future: clocks differ
_DAY = 86_400


class KeptList:
    """``look`` reads the file again and blocks; ``allows`` answers from memory. ``clock`` in seconds since 1970.

    A list older than the one in use is refused, also after a restart: the one in use lies in ``kept``. Several
    processes of one homeserver may share that file, as each writes it whole.
    """

    def __init__(self, offered: Path, kept: Path, keys: Sequence[PublicKey], clock: Callable[[], float]) -> None:
        self._offered, self._kept = offered, kept
        self._keys = keys
        self._clock = clock
        self._list: FederationList | None = None
        self._signed = b""
        self._seen: tuple[int, int, int] | None = None
        self._refused = ""
        self._told = ""

    @property
    def list(self) -> FederationList | None:
        """The list in use; it may have ended."""
        return self._list

    @property
    def open(self) -> bool:
        """Whether there is a list, and it counts still."""
        return self._list is not None and self._clock() < self._list.expires

    def allows(self, server: str) -> bool:
        """Whether a server takes part now."""
        listed = self._list
        return listed is not None and self._clock() < listed.expires and listed.allows(server)

    def load(self) -> None:
        """What an earlier life has kept, then what is offered. Raises OSError for a kept file that cannot be read."""
        try:
            signed = self._kept.read_bytes()
        except FileNotFoundError:
            signed = b""
        if signed:
            try:
                self._list, self._signed = parse(verified(signed, self._keys)), signed
            except UnusableList as bad:
                log.error("ALARM liaison_policy: the list in %s cannot be used: %s", self._kept, bad)
        self.look()

    def look(self) -> None:
        """Take the offered list if it is another one; whatever is wrong with it is said at each look."""
        try:
            if (signed := self._read()) is not None:
                self.take(signed)
            elif self._refused:  # what is offered is still what was refused
                raise UnusableList(self._refused)
        except (OSError, UnusableList) as error:
            said = str(error) if isinstance(error, UnusableList) else f"{error.strerror}: {self._offered}"
            log.error("ALARM liaison_policy: the list is not renewed, the last one stays: %s", said)
        self._at_its_end()

    def _read(self) -> bytes | None:
        """None: as before."""
        found = self._offered.stat()
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen == self._seen:
            return None
        with self._offered.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        self._seen = seen
        return data

    def take(self, signed: bytes) -> None:
        """Use a list once it is on disk. Raises UnusableList, OSError."""
        if signed == self._signed:
            self._refused = ""
            return
        try:
            listed = self._judged(signed)
        except UnusableList as bad:
            self._refused = str(bad)
            raise
        try:
            _write(self._kept, signed)
        except OSError:
            self._seen = None  # at the next look again
            raise
        self._list, self._signed, self._refused = listed, signed, ""
        log.warning("liaison_policy: list %d of %s: %d domains", listed.sequence, listed.issuer, len(listed.domains))

    def _judged(self, signed: bytes) -> FederationList:
        listed, now, used = parse(verified(signed, self._keys)), self._clock(), self._list
        if listed.issued > now + _EARLY:
            raise UnusableList("issued: it is from the future")
        if listed.expires <= now:
            raise UnusableList("expires: it has ended")
        if used is not None and listed.sequence < used.sequence:
            raise UnusableList(f"sequence: {listed.sequence} is older than {used.sequence}, which is in use")
        if used is not None and listed.sequence == used.sequence and listed != used:
            raise UnusableList(f"sequence: another list has the number {listed.sequence}, too")
        return listed

    def _at_its_end(self) -> None:
        if self._list is None:
            self._tell("there is no list yet: no other server takes part")
            return
        left = self._list.expires - self._clock()
        if left <= 0:
            self._tell(f"list {self._list.sequence} has ended: no other server takes part")
        elif left < 7 * _DAY:
            self._tell(f"list {self._list.sequence} ends in {int(left // 3600)} h")

    def _tell(self, what: str) -> None:
        if what != self._told:
            log.error("ALARM liaison_policy: %s", what)
        self._told = what


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all; processes that write at once do not share a draft."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
