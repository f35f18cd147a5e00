"""The federation's list in use: the last good one, kept on disk; a refused one is loud, an ended one opens nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import said
from bridge.parts.disk import write_whole
from bridge.people.federation.participants import (
    Capacity,
    FederationList,
    ListDifference,
    Participant,
    UnusableList,
    difference,
    parse,
)
from bridge.people.federation.signed import PublicKey, signer, verified

log = logging.getLogger(__name__)
Fetch = Callable[[], Awaitable[bytes | None]]
"""The signed list as it is offered now; None: as before. Raises OSError, UnusableList."""
_EARLY = 300  # s that a list may come from the future: clocks differ
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class TrustAnswer:
    """Whether a domain takes part, and why (a sentence for operators)."""

    yes: bool
    why: str
    participant: Participant | None = None


def judged(signed: bytes, keys: Sequence[PublicKey], now: int) -> FederationList:
    """A list that could be used at this time (s since 1970). Raises UnusableList."""
    listed = parse(verified(signed, keys))
    if listed.issued > now + _EARLY:
        raise UnusableList("issued: it is from the future")
    if listed.expires <= now:
        raise UnusableList("expires: it has ended")
    return listed


class Federation:
    """``take`` gives it a list; ``find`` answers from memory. ``clock`` in seconds since 1970.

    A list older than the one in use is refused, also after a restart: the one in use lies in ``state``.
    """

    def __init__(self, keys: Sequence[PublicKey], state: Path, clock: Callable[[], int]) -> None:
        self._keys = keys
        self._state = state
        self._clock = clock
        self._signed = b""
        self._list: FederationList | None = None
        self._refused = ""
        self._ended = False

    def load(self) -> None:
        """What an earlier life has kept; one that has ended stays known, so that no older one is taken. Blocks.

        Raises OSError for a file that is there and cannot be read.
        """
        try:
            signed = self._state.read_bytes()
        except FileNotFoundError:
            return
        try:
            self._list = parse(verified(signed, self._keys))
            self._signed = signed
        except UnusableList as bad:
            log.error("ALARM trust.federation: the list in %s cannot be used: %s", self._state, bad)

    @property
    def list(self) -> FederationList | None:
        """The list in use; it may have ended."""
        return self._list

    @property
    def signer(self) -> str:
        """The thumbprint of the key that has signed the list in use."""
        return signer(self._signed)

    @property
    def open(self) -> bool:
        """Whether there is a list, and it counts still."""
        return self._list is not None and self._clock() < self._list.expires

    def find(self, domain: str, role: Capacity) -> Participant | None:
        """By whom a domain takes part now."""
        return self._list.find(domain, role) if self._list is not None and self.open else None

    def answer(self, domain: str, role: Capacity) -> TrustAnswer:
        """The same with its reason."""
        if self._list is None:
            because = f" ({self._refused})" if self._refused else ""
            return TrustAnswer(False, f"there is no list of the federation yet{because}")
        name = f"list {self._list.sequence} of {self._list.issuer}"
        if not self.open:
            return TrustAnswer(False, f"{name} has ended")
        found = self._list.find(domain, role)
        if found is not None:
            return TrustAnswer(True, f"{name}: {found.domain} takes part as {role} by {found.operator}", found)
        other = self._list.nearest(domain)
        roles = f"takes part as {' and '.join(sorted(other.roles))} only" if other is not None and other.roles else ""
        return TrustAnswer(False, f"{name}: {domain} {roles or 'is not there'}")

    async def take(self, signed: bytes) -> bool:
        """Use a list once it is on disk. Gives whether anything is different. Raises UnusableList, OSError."""
        if signed == self._signed:
            return False
        try:
            listed = await asyncio.to_thread(judged, signed, self._keys, self._clock())
            if self._list is not None and listed.sequence < self._list.sequence:
                raise UnusableList(f"sequence: {listed.sequence} is older than {self._list.sequence}, which is in use")
            if self._list is not None and listed.sequence == self._list.sequence and listed != self._list:
                raise UnusableList(f"sequence: another list has the number {listed.sequence}, too")
        except UnusableList as bad:
            self._refused = str(bad)
            raise
        before = self._list.participants if self._list is not None and self.open else {}
        await asyncio.to_thread(write_whole, self._state, signed)
        self._list, self._signed, self._refused, self._ended = listed, signed, "", False
        change = await asyncio.to_thread(difference, before, listed.participants)
        _tell(listed, change)
        return bool(change.new or change.gone or change.changed)

    async def renew(self, fetch: Fetch) -> bool:
        """Look for a new list; gives whether something is different, an end of the last one included."""
        changed = False
        try:
            if (signed := await fetch()) is not None:
                changed = await self.take(signed)
            elif self._refused:  # what is offered is still what was refused
                raise UnusableList(self._refused)
        except (OSError, UnusableList) as error:
            text = str(error) if isinstance(error, UnusableList) else said(error)
            log.error("ALARM trust.federation: the list is not renewed, the last one stays: %s", text)
        return self._at_its_end() or changed

    def _at_its_end(self) -> bool:
        if self._list is None:
            return False
        left = self._list.expires - self._clock()
        if left > 0:
            if left < 7 * _DAY:
                log.error("ALARM trust.federation: list %d ends in %d h", self._list.sequence, left // 3600)
            return False
        log.error("ALARM trust.federation: list %d has ended: nobody of it takes part", self._list.sequence)
        first, self._ended = not self._ended, True
        return first


def _tell(listed: FederationList, change: ListDifference) -> None:
    counts = len(listed.participants), len(change.new), len(change.gone), len(change.changed)
    log.warning("trust.federation: list %d: %d take part, %d new, %d gone, %d changed", listed.sequence, *counts)
