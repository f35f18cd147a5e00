"""What the scenarios ask of every far end: one driver for each, and what its people see."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from bridge.connector import Capabilities

UNHEARD = "reactions_unheard"
"""Stands for all signs of a conversation: that nobody sees them there is said once."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A file as somebody sends it or has got it."""

    name: str
    mime: str
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Deed:
    """What a driver is to do. ``chat``, ``about``, ``reply_to`` and ``thread`` are this end's own ids.

    ``id`` is the name for it that a far end uses which lets its people choose.
    """

    verb: str
    id: str
    chat: str
    text: str = ""
    html: str | None = None
    words: tuple[str, ...] = ()
    about: str = ""
    reply_to: str | None = None
    thread: str | None = None
    files: tuple[Attached, ...] = ()
    answers: tuple[str, ...] = ()  # of a poll
    mentions: tuple[str, ...] = ()  # persons, as the hub calls them


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as a far end shows it now. ``reactions`` are the keys that stand below it."""

    id: str
    chat: str
    text: str
    own: bool = False
    kind: str = "text"
    files: tuple[str, ...] = ()  # SHA-256 of each
    reactions: frozenset[str] = frozenset()
    removed: bool = False
    reply_to: str | None = None
    thread: str | None = None
    system: bool = False
    votes: frozenset[str] = frozenset()  # answers of a poll (their number) that somebody else has chosen
    ended: bool = False  # a poll
    rings: bool = False  # it calls this end's person


class Unsaid(Exception):
    """The people of this far end cannot do this."""


class FarEnd(Protocol):
    """One person at one far end, with the eyes of their own program."""

    @property
    def name(self) -> str:
        """In the report: ``matrix``, ``pandalab``, ``mail``."""

    @property
    def network(self) -> str:
        """As the hub calls it."""

    @property
    def capabilities(self) -> Capabilities:
        """What the hub takes it to be able to."""

    @property
    def rewrites(self) -> bool:
        """Whether a message that was shown can change; a mail cannot."""

    @property
    def address(self) -> str:
        """By which others name this person."""

    async def do(self, deed: Deed) -> str:
        """Do it; gives its id at this end. Raises Unsaid."""

    async def read(self, chat: str, ident: str) -> None:
        """Read up to a message. Raises Unsaid."""

    async def look(self, *, everything: bool = False) -> None:
        """Look again: at what is new or has changed, or at ``everything``."""

    def shown(self) -> Iterable[Shown]:
        """Everything, as it was at the last look."""

    def get(self, ident: str) -> Shown | None:
        """One message."""

    async def members(self, chat: str) -> frozenset[str] | None:
        """Who is in a conversation (persons, as the hub calls them), as their program shows it; None: it does not."""

    async def readers(self, chat: str) -> dict[str, frozenset[str]] | None:
        """Of each message of their own: who is shown to have read it (persons); None: their program does not show it.

        As at the last look.
        """

    def told(self, ident: str) -> frozenset[str]:
        """What its writer was told of something that did not arrive, or not as it was said: codes."""


def containing(end: FarEnd, token: str, *, own: bool = False) -> list[Shown]:
    """The messages of others in which this word stands."""
    return [one for one in end.shown() if token in one.text and one.own is own]
