"""What the hub offers to an edge: the verb that takes messages in, what may be asked, what may be told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.db import Tx
from bridge.model import (
    Absence,
    Accepted,
    Account,
    Address,
    Body,
    Claim,
    File,
    GroupName,
    Kind,
    Member,
    Message,
    Person,
    RecipientState,
    Ref,
)
from bridge.ranks import Rank
from bridge.vouching import Proof

Within = Callable[[Tx], Awaitable[None]]
"""What an edge wants written in the very transaction in which the hub accepts."""


@dataclass(frozen=True, slots=True)
class InCommon:
    """What the other legs of a conversation carry: ``kinds`` at least one, files and sizes all of them."""

    kinds: frozenset[Kind]
    files: bool
    max_files: int
    max_text: int
    edit_within: int | None = None  # s: until all of them change a message; None: there is no limit
    removal_within: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What became of one message, as its sender may know it; ``accepted_at`` in milliseconds since 1970."""

    message: str
    ref: Ref
    conversation: str
    chat: str
    sender: Address
    kind: Kind
    accepted_at: int
    states: tuple[RecipientState, ...]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Which of the people who are found are wanted; empty: all. ``after``: so many have been shown before.

    Words of ``profession``, ``place`` and ``town`` are compared by their beginnings. ``kind``: person, service
    (a mailbox of an organisation) or function (on call).
    """

    profession: str = ""
    place: str = ""
    town: str = ""
    kind: str = ""
    after: int = 0


ALL = Narrowing()
"""Everybody who is found."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as one leg sees it. ``named`` is the message (hub id) that gave or took its name last."""

    conversation: str
    chat: str | None
    members: tuple[Member, ...]
    name: GroupName | None = None
    named: str | None = None


class Questions(Protocol):
    """What an edge may ask the hub: who is who, which conversation this is, what became of a message."""

    async def waiting(self, network: str) -> list[str]:
        """The chats of a network in which messages wait for somebody (sent), by its own names."""

    async def account(self, address: Address) -> Account | None:
        """An address of a product, whether it is active or not; None if nobody has declared or listed it."""

    async def identify(self, address: Address, field: str) -> Person:
        """The person behind an address. Raises Refused (unknown_sender, account_held, account_refused): ``field``."""

    async def person(self, handle: str) -> Person:
        """Whom a handle names, be they reached or not. Raises Refused (unknown_recipient)."""

    async def who(self, address: Address) -> Person | None:
        """The person behind an address, or None."""

    async def language(self, address: Address) -> str | None:
        """In which language somebody reads what the hub says (fr, en, both); None: that of the house."""

    async def lost(self, address: Address) -> str | None:
        """Why nobody is reached any more at an address that was somebody's (a code); None: they are."""

    async def find(self, query: str, limit: int, by: Address, narrowing: Narrowing = ALL) -> list[Person]:
        """People of the directory by name, place, profession or identifier; reachable ones first.

        ``by`` is the user who asks; its id is empty where the network does not say it. Raises Refused
        (searched_too_fast, searched_enough): nobody reads the directory out.
        """

    async def contacts(self, person: str, limit: int) -> list[Person]:
        """Everybody with whom somebody (a person id) is in a conversation, the newest first."""

    async def status(self, ref: Ref) -> Status | None:
        """What became of a message that came from ``ref.network``, or None if that network never sent it."""

    async def cited(self, ref: Ref) -> Chat | None:
        """The conversation of a message, as the message's network sees it, or None."""

    async def parts(self, ref: Ref) -> tuple[str, list[Ref]]:
        """A message may be several for a network: the id of its delivery there, and every name that is noted of it."""

    async def kind(self, ref: Ref) -> Kind | None:
        """What a message is, or None for what the hub never had."""

    async def unable(self, message: Message) -> list[str]:
        """What people call the networks of the message's conversation that cannot carry it, in a fixed order."""

    def label(self, network: str) -> str:
        """What people call a network, in each language that they read here."""

    async def unnamed(self, network: str, chat: str) -> bool:
        """Whether the network may have been given something in a chat without its name for it being noted."""

    async def unread(self, network: str, chat: str) -> bool:
        """Whether somebody of a network has not read everything that was said of late in a chat, as far as is known."""

    async def among(self, people: Collection[str], by: Address) -> Chat | None:
        """The newest conversation of exactly these people (person ids) in which one takes part by this address."""

    async def leg(self, conversation: str, network: str) -> Chat | None:
        """A conversation by the hub's name of it, as a network sees it, or None."""

    async def chat(self, network: str, chat: str) -> Chat | None:
        """A conversation by the leg's own name of it, or None."""

    async def pictured(self, conversation: str) -> str | None:
        """The message (hub id) that gave a conversation its picture, or took it away, last."""

    async def ranks(self, conversation: str) -> Mapping[str, Rank]:
        """What each member of a conversation (the hub's name of it) may do there, by person id."""


class Signals(Protocol):
    """What an edge tells of messages that are there: taken, delivered, read, refused; and that somebody writes."""

    async def read(self, ref: Ref, reader: Address, at: int, *, strict: bool = False) -> bool:
        """``reader`` has read everything of this conversation up to ``ref``. False: the hub does not know ``ref``.

        Like every sign it counts only from the address by which the reader takes part. ``strict``: raises Refused
        (other_account) for one from elsewhere.
        """

    async def seen(self, ref: Ref, reader: Address, at: int) -> bool:
        """``reader`` has read this one message, whatever of the others. False: the hub does not know ``ref``."""

    async def sent(self, ref: Ref, recipient: Address, at: int) -> bool:
        """``recipient``'s operator has taken this one message. False: the hub does not know ``ref``."""

    async def received(self, ref: Ref, recipient: Address, at: int, *, strict: bool = False) -> bool:
        """``recipient``'s own device has taken this one message. False: the hub does not know ``ref``."""

    async def failed(self, ref: Ref, recipient: Address, reason: str, at: int) -> bool:
        """``recipient`` will not get it; ``reason`` is a code of :mod:`bridge.words`. False: the hub has no ``ref``."""

    async def arrived(self, network: str, chat: str, who: Address, never: str | None = None) -> None:
        """``who`` has come into a chat where messages waited for them: delivered. ``never`` (a code): will not come."""

    async def came(self, network: str, chat: str, who: Address, never: str | None = None) -> None:
        """``who`` is not merely invited to a chat any more: what the hub keeps until somebody comes is tried now.

        ``never`` (a code): ``who`` does not come, and what is kept is not for them.
        """

    async def waits(self, network: str, chat: str, who: Address, why: str) -> None:
        """``who`` has come into a chat and cannot have yet what waits there for them, for this reason (a code)."""

    async def also(self, known: Ref, ref: Ref) -> None:
        """The network has a second name for a message: an answer to it is an answer to the message."""

    async def taken(self, network: str, names: Mapping[str, str | None], within: Within) -> None:
        """A network that was handed messages (hub ids) to fetch has them now; its own name of each, where it has one.

        ``within`` is written with it.
        """

    async def lost(self, network: str, messages: Collection[str], why: str, within: Within) -> None:
        """What a network was handed to fetch will not be fetched, for this reason (a code)."""

    async def late(self, network: str, messages: Collection[str], within: Within) -> None:
        """What a network was handed to fetch waits there for long."""

    async def typing(self, network: str, chat: str, who: Address, typing: bool) -> None:
        """Pass a typing sign on; never fails, never stored."""


@dataclass(frozen=True, slots=True)
class PastMessage:
    """One message of a conversation as a network may know it: never its text, which the hub does not keep.

    ``name`` is the network's own of it, None while it has none. ``states`` are of everybody if the message came from
    this network (``own``), else of its own users. ``visible``: it came from this network or was for somebody there.
    """

    message: str
    name: str | None
    order: int
    kind: Kind
    sender: Person
    sent_at: int
    accepted_at: int
    states: tuple[RecipientState, ...]
    own: bool
    visible: bool


@dataclass(frozen=True, slots=True)
class PastWords:
    """Something that was said, read again where it lies. ``message``, ``name``: the hub's and the network's id of it.

    ``about`` is the network's id of what it corrects or answers, else the hub's. Without ``body`` it was taken back
    (``removed``), or cannot be read.
    """

    message: str | None
    name: str | None
    sender: Person
    kind: Kind
    sent_at: int
    body: Body | None
    about: str | None
    files: tuple[str, ...]
    removed: bool


class Browsing(Protocol):
    """What a network may read through, a page at a time: no page costs more because there are many."""

    async def conversations(self, network: str, after: str, limit: int) -> tuple[list[Chat], str | None]:
        """Conversations in which a network has somebody, after one in order; and after which the next page begins.

        None: there is no next page. A page may hold fewer than ``limit``, or none, and not be the last.
        """

    async def conversations_of(self, user: Address, after: str, limit: int) -> tuple[list[Chat], str | None]:
        """The same of one user, in the order in which they came in."""

    async def users(self, network: str, after: str, limit: int) -> tuple[list[Account], str | None]:
        """Everybody whom a product has declared, by id."""

    async def history(
        self, conversation: str, reader: Address, before: str, limit: int
    ) -> tuple[list[PastWords], str | None]:
        """What a member may read again of a conversation, the newest first: the hub itself keeps no text.

        Raises Refused (not_a_member, other_account; no_history: no network of it keeps what was said), Unavailable.
        """

    async def said(self, conversation: str, network: str, before: int | None, limit: int) -> list[PastMessage]:
        """What was said before a place of a conversation (None: the end), the newest first."""


class Receiver(Protocol):
    """What the hub offers to an edge: it takes messages, changes of members, and a network's word for its users."""

    @property
    def facts(self) -> Questions:
        """What may be asked."""

    @property
    def lists(self) -> Browsing:
        """What may be read through."""

    @property
    def signs(self) -> Signals:
        """What may be told of messages that are there."""

    async def accept(self, message: Message, within: Within | None = None, again: Within | None = None) -> Accepted:
        """Return once the message is safely on disk; raises Refused (never) or Unavailable (later).

        ``within`` is written with it; where the hub has the message already, ``again`` is (without it, ``within``).
        """

    async def sequenced(self, message: str, within: Within | None = None) -> None:
        """The echoing network has shown this message (hub id) in its order: other legs may have it now."""

    async def awaited(self, tx: Tx, messages: Collection[str]) -> set[str]:
        """Those of these messages (hub ids) for whose place others wait: of these :meth:`sequenced` has to be told."""

    async def shown(self, tx: Tx, messages: Collection[str]) -> None:
        """The echoing network has shown these messages, for whose place nobody waits: who reads there goes by it."""

    def carried(self, networks: Collection[str]) -> InCommon:
        """What can be given to people of these networks now."""

    def answered(self, network: str) -> None:
        """A sign of life: what waits for this network may be tried now."""

    async def change_members(
        self, ref: Ref, chat: str, network: str, by: Address, add: Sequence[str], remove: Sequence[Address],
        within: Within | None = None,
    ) -> str:  # fmt: skip
        """Change who is in a conversation; ``ref`` is the idempotency key. Gives the conversation's id."""

    async def rename(self, ref: Ref, chat: str, by: Address, name: GroupName, within: Within | None = None) -> str:
        """Somebody gives a conversation a name, or takes it away; ``ref`` is the idempotency key. Gives its id.

        Whatever was accepted last is its name, and every other leg is told what it is called then.
        """

    async def picture(
        self, ref: Ref, chat: str, by: Address, picture: File | None, within: Within | None = None
    ) -> str:  # fmt: skip
        """Somebody gives a conversation a picture (bytes), or takes it away. Gives its id; ``ref`` as above.

        Raises Refused (picture_too_large, bad_picture, picture_of_patient): ``picture``.
        """

    async def topic(self, ref: Ref, chat: str, by: Address, topic: str, within: Within | None = None) -> str:
        """Somebody says what a conversation is about (empty: nothing any more): every leg reads it as what they do.

        It is in no room's state, where servers can read. ``ref`` is the idempotency key. Gives the conversation's id.
        """

    async def portray(self, user: Address, picture: File | None) -> None:
        """A user of a product looks like this (bytes), wherever networks show pictures of people; None: it is not said.

        Raises Refused (picture_too_large, bad_picture): ``picture``; Unavailable: again is the same.
        """

    async def bind(self, conversation: str, network: str, chat: str, within: Within | None = None) -> None:
        """The network has made a chat for this conversation."""

    async def declare(self, address: Address, rpps: str, proof: Proof = Proof.WORD) -> Account:
        """A network vouches that this address of its own is this professional. Raises Refused (bad_rpps, unknown_rpps).

        ``proof``: what speaks for it beside the network's word; a weaker one takes nothing from a stronger one.
        If another product has her, the account is held (unless she has logged in nationally): it gives no identity
        until :meth:`confirm` or the operator's decision. Who had the address before leaves every conversation there;
        what waited for them is refused (not_reachable).
        """

    def block(self, account: Address, person: str, on: bool) -> None:
        """From now on an account gets nothing (or all again) of what a person (id) says: refused in a neutral word.

        Others in the conversation get it. The edge keeps it on disk, and says it again at each start.
        """

    async def absent(self, account: Address, absence: Absence | None) -> None:
        """From now on whoever has this account is absent as given; None: there. It ends by itself.

        The edge keeps it on disk, and says it again at each start.
        """

    async def give_up(self, account: Address, at: int) -> None:
        """A product gives its user up (decided at ``at``, ms): she leaves every conversation, what waits for her is
        refused, the link is taken back and the account forgotten. Ids, times and states of messages stay. Idempotent.
        """

    async def confirm(self, by: Address, network: str, accept: bool) -> Claim:
        """She says in one product (``by``) whether she has an account in another one, too.

        Raises Refused (account_held, account_refused, unknown_sender; not_contested: nobody asks; decided: what was
        accepted is taken back by the operator only).
        """

    async def joined(self, conversation: str, account: Address) -> bool:
        """Somebody came into a chat by their own account: if they take part by another one they do by this one now."""

    async def choose_language(self, address: Address, language: str) -> None:
        """Somebody reads the hub's own words in this language from now on. Raises Refused (invalid, unknown_user)."""

    async def introduce(self, address: Address, name: str) -> None:
        """How somebody who is in no directory calls themselves."""
