"""Everything around what a mail says: who it goes to, in whose name, what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.errors import Refused, Unavailable
from bridge.model import MAIL, Member, Person
from bridge.networks.mail.leg.addressbook import AddressBook
from bridge.networks.mail.leg.ledger import Ledger
from bridge.networks.mail.leg.settings import MailSettings
from bridge.networks.mail.leg.threads import MAIN
from bridge.networks.mail.letters.compose import reply_subject
from bridge.networks.mail.letters.from_chat import ChatMessage, Frame, subject_of
from bridge.networks.mail.mime.boxes import Box
from bridge.receiver import Chat

TEAM = "team:"  # before a team's address: the name of its chat


@dataclass(frozen=True, slots=True)
class Where:
    """The chat and the thread of what is made into mails; ``found`` is None for a chat that the hub does not know."""

    chat: str
    thread: str
    found: Chat | None

    @property
    def members(self) -> tuple[Member, ...]:
        """Everybody in the chat."""
        return tuple(self.found.members) if self.found else ()


class Frames:
    """Makes frames. ``mss``: the X-MSS fields of every mail."""

    def __init__(self, ledger: Ledger, book: AddressBook, mss: Mapping[str, str], settings: MailSettings) -> None:
        self._ledger = ledger
        self._book = book
        self._mss = mss
        self._ask, self._words, self._name = settings.ask_displayed, settings.subject_words, settings.subject_name

    async def of(self, where: Where, said: Sequence[ChatMessage]) -> Frame:
        """The frame of the next mail. Raises Refused (not_reachable), Unavailable."""
        chat, thread, found = where.chat, where.thread, where.found
        chain = await self._chain(chat, thread)
        topic = await self._ledger.topic(chat, thread)
        turn = not chain or chain[-1].rpartition("@")[2].lower() not in self._book.domains
        name = None if found is None or chat.startswith(TEAM) else found.name  # a team's is its own affair
        begins = name.in_clear if name is not None and self._name else ""
        subject = (
            reply_subject(topic["subject"]) if topic.get("subject") else subject_of(said, begins, words=self._words)
        )
        room = self._book.room(found.conversation) if found else None
        frame = Frame(
            (), (), subject, Box(room or f"postmaster@{self._book.domain}"), chain[-1] if chain else None, tuple(chain),
            self._mss, self._asks(said, turn=turn), name=name.text if name is not None else "",
        )  # fmt: skip
        if chat.startswith(TEAM):
            return await self._team(chat, thread, frame)
        members = where.members
        to = said[-1].readers or tuple(_box(member) for member in members if member.address.network == MAIL)
        writers = {one.sender.address for one in said}
        own = [await self._own(member.person) for member in members if member.address.network != MAIL]
        cc = [box for box in own if box.address not in writers]
        if len(writers) > 1:
            cc += [one.sender for one in said]
        if not to:
            raise Refused("not_reachable")
        return _with(frame, to, tuple(dict.fromkeys(cc)))

    def _asks(self, said: Sequence[ChatMessage], *, turn: bool) -> bool:
        """Whether a reading receipt is asked for. ``turn``: no mail of ours stands after the readers' last one.

        Mail programs ask their user each time. That a request, an answer or a document was read is worth that question;
        what is added to it is not: the answer says so.
        """
        needed = turn or any(one.files or one.asked for one in said)
        return self._ask == "always" or (self._ask == "needed" and needed)

    async def _chain(self, chat: str, thread: str) -> list[str]:
        """What a thread's next mail cites. A thread begun on a message of the chat hangs on the mail that holds it.

        Raises Unavailable while that message waits to become a mail.
        """
        chain = await self._ledger.chain(chat, thread)
        if chain or thread == MAIN:
            return chain
        found = await self._ledger.of_ref(thread)
        if found is None:
            return [thread]
        waiting = await self._ledger.drafts(chat, found[0].thread)
        if any(f"{ident}@{self._book.domain}" == thread for ident, _, _ in waiting):
            raise Unavailable("not_yet", alone=True)
        return [found[0].mid.removesuffix(f"#{thread}")]

    async def _team(self, chat: str, thread: str, frame: Frame) -> Frame:
        """An answer in the name of the mailbox: to whoever wrote last, and to whom that mail went."""
        last = await self._ledger.last_mail(chat, thread)
        address = chat.removeprefix(TEAM)
        if last is None:
            raise Refused("not_reachable")
        me = Box(address, self._book.teams.get(address, ""))
        first = last["to"] if last.get("ours") else (last.get("reply_to") or [last["from"]])
        to = tuple(Box(*pair) for pair in first if pair[0].lower() != address)
        rest = last["cc"] if last.get("ours") else [*last["to"], *last["cc"]]
        cc = tuple(Box(*p) for p in rest if p[0].lower() != address and p[0] not in {b.address for b in to})
        cc = tuple(box for box in cc if not self._book.ours(box.address))
        return _with(frame, to, cc, me)

    async def _own(self, person: Person) -> Box:
        return Box(await self._book.box(person), person.name)


def _with(frame: Frame, to: tuple[Box, ...], cc: tuple[Box, ...], team: Box | None = None) -> Frame:
    return replace(frame, to=to, cc=cc, team=team)


def _box(member: Member) -> Box:
    return Box(member.address.id, member.person.name)
