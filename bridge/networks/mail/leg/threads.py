"""Where a mail belongs: the conversation of exactly its people, the thread of what it cites; never by subject. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.networks.mail.mime.mail import Mail

MAIN = "main"  # the thread of what was said without one
_CITES = 40  # ids looked up for one mail


@dataclass(frozen=True, slots=True)
class KnownMail:
    """One id that a thread holds or has heard of. ``ref`` is None while it is only cited; ``people`` is a key."""

    chat: str
    mid: str
    thread: str
    ref: str | None
    people: str
    n: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """``thread`` and ``reply_to`` are refs of the mail network; None: a new thread, an answer to nothing."""

    chat: str
    thread: str | None = None
    reply_to: str | None = None


def people_key(people: Iterable[str]) -> str:
    """A short name for exactly these people; it tells nobody who they are."""
    return hashlib.sha256("\n".join(sorted(set(people))).encode()).hexdigest()[:32]


def cited(mail: Mail) -> list[str]:
    """What a mail answers, the newest first (RFC 5322, 3.6.4); Outlook's Thread-Index last."""
    ids = [*mail.in_reply_to, *reversed(mail.references)]
    if mail.thread_index:
        ids.append(index_id(mail.thread_index))
    found = [ident for ident in dict.fromkeys(ids) if ident != mail.message_id]
    return found[:_CITES]


def index_id(head: str) -> str:
    """Outlook's conversation as if it were a message id."""
    return f"thread-index:{head}"


def lane(mail: Mail) -> str:
    """Mails of one thread share a lane: the id at the beginning of it."""
    first = [*mail.references, *mail.in_reply_to, *([mail.message_id] if mail.message_id else [])]
    return first[0] if first else mail.digest


def home(cites: Sequence[str], known: Mapping[str, Sequence[KnownMail]], key: str, same: Collection[str]) -> str | None:
    """The chat of the newest cited mail that had the same readers; ``same``: chats whose members are these people."""
    for ident in cites:
        for row in known.get(ident, ()):
            if row.chat in same or (row.ref is not None and row.people == key):
                return row.chat
    return None


def thread(chat: str, cites: Sequence[str], known: Mapping[str, Sequence[KnownMail]], own: str | None) -> str | None:
    """The thread of the newest cited id; else the one that was waiting for this very mail; else None."""
    for ident in [*cites, *([own] if own else [])]:
        for row in known.get(ident, ()):
            if row.chat == chat:
                return row.thread
    return None


def elsewhere(chat: str, cites: Sequence[str], known: Mapping[str, Sequence[KnownMail]]) -> str | None:
    """The ref of the newest cited message that is in another chat."""
    rows = (row for ident in cites for row in known.get(ident, ()))
    return next((row.ref for row in rows if row.ref is not None and row.chat != chat), None)


def answered(chat: str, cites: Sequence[str], known: Mapping[str, Sequence[KnownMail]]) -> str | None:
    """The ref of the newest cited message that is in this chat."""
    for ident in cites:
        for row in known.get(ident, ()):
            if row.chat == chat and row.ref is not None:
                return row.ref
    return None
