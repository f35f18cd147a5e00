"""What the mail leg remembers: which mail is in which thread, who has which mailbox, what waits to go out."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from bridge.connector import OwnQueue
from bridge.db import Component, Database, Tx
from bridge.networks.mail.leg.threads import KnownMail
from bridge.networks.mail.letters.compose import MOST_REFERENCES
from bridge.seal import Seal

COMPONENT = Component("mail", Path(__file__).parent / "sql")
Json = dict[str, Any]
_DOMAINS = 100  # whose queues are shown to an operator


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A message that takes its place in a thread. ``about`` is None for what is no mail of its own."""

    chat: str
    mid: str
    thread: str
    ref: str
    people: str
    about: Json | None = field(default=None, repr=False)
    cites: tuple[str, ...] = ()
    topic: Json | None = field(default=None, repr=False)  # of a thread that begins here


class Ledger:
    """Named operations on the mail leg's own tables; what could name a patient is sealed."""

    def __init__(self, db: Database, seal: Seal) -> None:
        self.db = db
        self._seal = seal
        self._n = itertools.count(1)

    async def start(self) -> None:
        """Continue the numbering where it ended."""
        rows = [await self.db.one("mail.last_n"), await self.db.one("mail.last_out")]
        self._n = itertools.count(max((int(row["n"]) for row in rows if row is not None), default=0) + 1)

    def next_n(self) -> int:
        """The next number: everything of this leg is ordered by it."""
        return next(self._n)

    def close(self, value: Any, context: str) -> bytes:
        """Seal a JSON value."""
        return self._seal.seal(orjson.dumps(value), context)

    def open(self, sealed: Any, context: str) -> Any:
        """Open a JSON value. Raises SealBroken."""
        return orjson.loads(self._seal.open(bytes(sealed), context))

    async def waiting(self, tx: Tx) -> list[str]:
        """The Message-IDs of mails that wait, of the first thousand ways to a recipient."""
        return [row["mid"] for row in await tx.all("mail.waiting_names")]

    # -- threads -------------------------------------------------------------------------------------------

    async def known(self, ids: Sequence[str]) -> dict[str, list[KnownMail]]:
        """What is known of some message ids, in every chat."""
        found: dict[str, list[KnownMail]] = {}
        for r in await self.db.all("mail.refs", orjson.dumps(list(ids)).decode()):
            row = KnownMail(r["chat"], r["mid"], r["thread"], r["ref"], r["people"], r["n"])
            found.setdefault(row.mid, []).append(row)
        for rows in found.values():
            rows.sort(key=lambda row: -row.n)
        return found

    async def of_ref(self, ref: str) -> tuple[KnownMail, Json | None] | None:
        """A message by the hub's name of it, and what is noted about its mail."""
        r = await self.db.one("mail.ref", ref)
        if r is None:
            return None
        about = None if r["about"] is None else self.open(r["about"], f"about {r['chat']} {r['mid']}")
        return KnownMail(r["chat"], r["mid"], r["thread"], r["ref"], r["people"], r["n"]), about

    async def enter(self, tx: Tx, entry: LedgerEntry) -> None:
        """A message takes its place; what it cites and nobody knows yet belongs to the same thread."""
        about = None if entry.about is None else self.close(entry.about, f"about {entry.chat} {entry.mid}")
        row = (entry.chat, entry.mid, entry.thread, entry.ref, entry.people, self.next_n(), about)
        await tx.run("mail.add_ref", *row)
        for cited in entry.cites:
            await tx.run("mail.cite", entry.chat, cited, entry.thread)
        if entry.topic is not None:
            sealed = self.close(entry.topic, f"thread {entry.chat} {entry.thread}")
            await tx.run("mail.add_thread", entry.chat, entry.thread, sealed)

    async def forget(self, tx: Tx, chat: str) -> None:
        """The chat is over: its threads with their subjects, and which mails were in them."""
        await tx.run("mail.forget_threads", chat)
        await tx.run("mail.forget_refs", chat)

    async def topic(self, chat: str, thread: str) -> Json:
        """What is noted about a thread: ``subject``, ``patients``; empty if nothing is."""
        row = await self.db.one("mail.thread", chat, thread)
        return {} if row is None else dict(self.open(row["about"], f"thread {chat} {thread}"))

    async def set_topic(self, tx: Tx, chat: str, thread: str, topic: Json) -> None:
        """Note something about a thread that exists."""
        await tx.run("mail.set_thread", chat, thread, self.close(topic, f"thread {chat} {thread}"))

    async def begin(self, tx: Tx, chat: str, refs: Sequence[str], topic: Json) -> None:
        """Messages of a chat leave as a thread of their own, named by the first of them."""
        await tx.many("mail.move", [(chat, ref, refs[0]) for ref in refs])
        await tx.run("mail.add_thread", chat, refs[0], self.close(topic, f"thread {chat} {refs[0]}"))

    async def chain(self, chat: str, thread: str) -> list[str]:
        """The message ids that a thread's next mail cites: of its first mail and of the newest ones, oldest first."""
        return [row["mid"] for row in await self.db.all("mail.chain", chat, thread, MOST_REFERENCES)]

    async def last_mail(self, chat: str, thread: str) -> Json | None:
        """What is noted about the newest mail of a thread that came from outside or went out."""
        row = await self.db.one("mail.last_mail", chat, thread)
        return None if row is None else dict(self.open(row["about"], f"about {chat} {row['mid']}"))

    # -- drafts --------------------------------------------------------------------------------------------

    async def draft(self, tx: Tx, ident: str, where: tuple[str, str], at: int, body: Json) -> None:
        """Something said in chat (its delivery's id) waits in a chat and thread to become a mail."""
        await tx.run("mail.add_draft", ident, *where, self.next_n(), at, self.close(body, f"draft {ident}"))

    async def redraft(self, tx: Tx, ident: str, body: Json) -> None:
        """What waits reads otherwise now; nothing happens if it has left."""
        await tx.run("mail.redraft", ident, self.close(body, f"draft {ident}"))

    async def drafts(self, chat: str, thread: str) -> list[tuple[str, int, Json]]:
        """What waits in a thread, oldest first: id, time (ms), body."""
        rows = await self.db.all("mail.drafts", chat, thread)
        return [(r["id"], r["at"], self.open(r["body"], f"draft {r['id']}")) for r in rows]

    # -- out -----------------------------------------------------------------------------------------------

    async def post(self, tx: Tx, letter: Posted, refused: Mapping[str, str] = MappingProxyType({})) -> None:
        """A mail is ready; a row for each recipient. ``refused``: to whom it cannot go, and why; nobody was told."""
        sealed = self._seal.seal(letter.raw, f"out {letter.id}")
        refs = orjson.dumps(list(letter.refs)).decode()
        n, at = self.next_n(), letter.at
        await tx.run("mail.add_out", letter.id, n, letter.mid, letter.sender, refs, sealed, at)
        for recipient in letter.recipients:
            await tx.run("mail.add_to", letter.id, recipient, recipient.rpartition("@")[2].lower(), at, n)
            if recipient in refused:
                await tx.run("mail.outcome", letter.id, recipient, "refused", refused[recipient])
        if refused:
            await tx.run("mail.end_out", letter.id)

    async def domains(self) -> list[str]:
        """The domains for which something waits; a look for each of them, however much that is."""
        found = [""]
        while (row := await self.db.one("mail.domain_after", found[-1])) is not None:
            found.append(str(row["domain"]))
        return found[1:]

    async def queues(self, most: int) -> list[OwnQueue]:
        """Mails that wait to leave, for each of the first domains, and mails that were taken and are worked on."""
        row = await self.db.one("mail.in_waits", most)
        found = [OwnQueue("in", "", 0, None) if row is None else OwnQueue("in", "", int(row["n"]), row["oldest"])]
        domain = ""
        while len(found) <= _DOMAINS and (row := await self.db.one("mail.domain_after", domain)) is not None:
            domain = str(row["domain"])
            waits = await self.db.one("mail.out_waits", domain, most)
            if waits is not None and waits["n"]:
                since = await self.db.one("mail.out_since", -waits["first"])
                found.append(OwnQueue("out", domain, waits["n"], None if since is None else since["created_at"]))
        return found

    async def inside(self, ref: str) -> list[OwnQueue]:
        """What of a message is still to leave: gathered with others (``drafts``), or waiting for domains (``out``)."""
        draft = await self.db.one("mail.draft", ref.partition("@")[0])
        found = [] if draft is None else [OwnQueue("drafts", "", 1, int(draft["at"]))]
        if (row := await self.db.one("mail.mail_of", ref)) is not None:
            waits = await self.db.all("mail.waits_where", str(row["mid"]).partition("#")[0])
            found += [OwnQueue("out", str(one["domain"]), int(one["n"]), int(one["created_at"])) for one in waits]
        return found

    async def hurry(self, domain: str) -> None:
        """Whatever waits for a domain may be tried now."""
        async with self.db.transaction("mail.hurry") as tx:
            await tx.run("mail.hurry", domain)

    async def due(self, domain: str, now: int) -> AsyncIterator[list[tuple[str, str]]]:
        """The mails of a domain that may be tried now, page by page in the order in which they are due.

        As (id, envelope sender). What comes to wait meanwhile may be missing; a mail with several recipients may come
        on two pages.
        """
        after = (-1, -1)
        while rows := await self.db.all("mail.due", domain, now, *after):
            after = (rows[-1]["next_at"], rows[-1]["n"])
            yield list(dict.fromkeys((row["mail"], row["sender"]) for row in rows))

    async def letter(self, mail: str, domain: str, now: int) -> Due | None:
        """A mail with those of its recipients in a domain that may be tried now; None if there are none."""
        waiting = {
            r["recipient"]: (int(r["attempt"]), bool(r["told"]))
            for r in await self.db.all("mail.waits_for", mail, domain, now)
        }
        row = await self.db.one("mail.letter", mail) if waiting else None
        if row is None or row["raw"] is None:
            return None
        raw = self._seal.open(bytes(row["raw"]), f"out {row['id']}")
        return Due(
            row["id"], row["mid"], row["sender"], tuple(orjson.loads(row["refs"])), raw, row["created_at"], waiting
        )

    async def untold(self) -> list[tuple[Due, str, str, str]]:
        """Outcomes that nobody was told of: the mail (without its bytes), recipient, state, reason."""
        found = []
        for r in await self.db.all("mail.untold"):
            due = Due(r["id"], r["mid"], r["sender"], tuple(orjson.loads(r["refs"])), b"", r["created_at"], {})
            found.append((due, str(r["recipient"]), str(r["state"]), str(r["reason"])))
        return found

    async def sent(self, mid: str) -> tuple[str, tuple[str, ...], dict[str, str]] | None:
        """A mail that went out, by message id or envelope id: its id, the refs it carries, its recipients' states."""
        row = await self.db.one("mail.out_of_mid", mid)
        if row is None:
            return None
        states = {r["recipient"]: r["state"] for r in await self.db.all("mail.recipients", row["id"])}
        return row["id"], tuple(orjson.loads(row["refs"])), states

    async def lately(self, recipient: str, senders: Collection[str], since: int) -> dict[str, int]:
        """The mails that an operator took for a mailbox from one of these envelope senders, newest first.

        By id, with the time at which they were ready to go (ms).
        """
        rows = await self.db.all("mail.lately", recipient)
        fits = (row for row in rows if row["created_at"] >= since and row["sender"].lower() in senders)
        return {str(row["id"]): int(row["created_at"]) for row in fits}


@dataclass(frozen=True, slots=True)
class Posted:
    """A mail that is ready to go. ``refs`` are the messages in it; ``at`` in milliseconds since 1970."""

    id: str
    mid: str
    sender: str = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    refs: tuple[str, ...]
    raw: bytes = field(repr=False)
    at: int


@dataclass(frozen=True, slots=True)
class Due:
    """A mail to be tried now. ``waiting``: recipient -> (attempts so far, whether the writer knows of the delay)."""

    id: str
    mid: str
    sender: str = field(repr=False)
    refs: tuple[str, ...]
    raw: bytes = field(repr=False)
    created_at: int
    waiting: Mapping[str, tuple[int, bool]] = field(repr=False)
