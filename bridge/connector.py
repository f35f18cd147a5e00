"""The contract between the hub and an edge: two verbs for messages, and what belongs to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bridge.db import Tx
from bridge.kinds import EVERYWHERE
from bridge.model import (
    Accepted,
    Account,
    AccountNews,
    Address,
    Claim,
    Delivery,
    GroupName,
    Handed,
    Kind,
    Member,
    Message,
    Person,
    RecipientState,
    Ref,
    Report,
    Typing,
)

Within = Callable[[Tx], Awaitable[None]]
"""What an edge wants written in the very transaction in which the hub accepts."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a network can carry. The hub turns what does not survive into text, or refuses it visibly."""

    html: bool = True
    replies: bool = True
    threads: bool = True
    typing: bool = True
    receipts: bool = True
    max_text: int = 60_000  # bytes as JSON: see bridge.capabilities.size
    echoes: bool = (
        False  # the network shows our own messages back in its order: it decides the order of the conversation
    )
    files: bool = False
    max_files: int = 25_000_000  # bytes of all files of one message
    kinds: frozenset[Kind] = EVERYWHERE
    own_states: bool = False  # it says itself, later, who got what (``sent``, ``received``, ``seen``, ``failed``)
    urgent: bool = False  # it shows that a message is urgent; elsewhere its text begins with the word
    names_chats: bool = False  # the network makes its own chat ids; elsewhere a new chat is called as the conversation


@dataclass(frozen=True, slots=True)
class InCommon:
    """What the other legs of a conversation carry: ``kinds`` at least one, files and sizes all of them."""

    kinds: frozenset[Kind]
    files: bool
    max_files: int
    max_text: int


@dataclass(frozen=True, slots=True)
class Relief:
    """Who takes part from a message on, because places in its conversation are taken in turn.

    ``add`` come in. ``aside`` (person ids) have given their place up and get nothing new. ``there`` are on the writer's
    own network, which shows them the message by itself: its recipients without a delivery. ``within`` is written with
    the message; it is told the conversation.
    """

    add: tuple[Member, ...] = ()
    aside: frozenset[str] = frozenset()
    there: tuple[Member, ...] = ()
    within: Callable[[Tx, str], Awaitable[None]] | None = None


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

    async def who(self, address: Address) -> Person | None:
        """The person behind an address, or None."""

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

    async def unnamed(self, network: str, chat: str) -> bool:
        """Whether the network may have been given something in a chat without its name for it being noted."""

    async def among(self, people: Collection[str], by: Address) -> Chat | None:
        """The newest conversation of exactly these people (person ids) in which one takes part by this address."""

    async def leg(self, conversation: str, network: str) -> Chat | None:
        """A conversation by the hub's name of it, as a network sees it, or None."""

    async def chat(self, network: str, chat: str) -> Chat | None:
        """A conversation by the leg's own name of it, or None."""


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

    async def typing(self, network: str, chat: str, who: Address, typing: bool) -> None:
        """Pass a typing sign on; never fails, never stored."""


class Receiver(Protocol):
    """What the hub offers to an edge: it takes messages, changes of members, and a network's word for its users."""

    @property
    def facts(self) -> Questions:
        """What may be asked."""

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

    async def bind(self, conversation: str, network: str, chat: str, within: Within | None = None) -> None:
        """The network has made a chat for this conversation."""

    async def declare(self, address: Address, rpps: str) -> Account:
        """A network vouches that this address of its own is this professional. Raises Refused (bad_rpps, unknown_rpps).

        If another product has her, the account is held: it gives no identity until :meth:`confirm` or the operator's
        decision. Who had the address before leaves every conversation there; what waited for them is refused
        (not_reachable).
        """

    async def confirm(self, by: Address, network: str, accept: bool) -> Claim:
        """She says in one product (``by``) whether she has an account in another one, too.

        Raises Refused (account_held, account_refused, unknown_sender; not_contested: nobody asks; decided: what was
        accepted is taken back by the operator only).
        """

    async def joined(self, conversation: str, account: Address) -> bool:
        """Somebody came into a chat by their own account: if they take part by another one they do by this one now."""

    async def introduce(self, address: Address, name: str) -> None:
        """How somebody who is in no directory calls themselves."""


class Connector(Protocol):
    """One network: ``start``, ``deliver``, ``stop`` and what the network can carry."""

    @property
    def network(self) -> str:
        """The name of the network, as in :class:`bridge.model.Address`."""

    @property
    def capabilities(self) -> Capabilities:
        """What survives on this network."""

    async def start(self) -> None:
        """Begin to take messages in, and hand them to the hub that the connector was made with."""

    async def deliver(self, delivery: Delivery) -> Ref | Handed:
        """Hand a message out; gives what the network called it, and who has it not yet. Idempotent by ``delivery.id``.

        Raises Refused (never works: the sender is told) or Unavailable (the lane waits).
        """

    async def report(self, reports: Sequence[Report]) -> None:
        """Tell senders on this network what became of their messages. Raises Unavailable to get them again."""

    async def typing(self, typing: Typing) -> None:
        """Show that somebody writes. Best effort."""

    async def stop(self) -> None:
        """Stop taking messages in, within 5 s."""


class Boxes(Protocol):
    """The mailboxes that the hub itself gives: no mail is ever sent there."""

    def ours(self, address: str) -> bool:
        """Whether an address is in one of the hub's own domains."""

    def owner(self, address: str) -> str | None:
        """The id of the person whose mailbox this is."""

    def closed(self, address: str, chats: Collection[str] = ()) -> str | None:
        """Why nobody is reached at an address of ours, a code of :mod:`bridge.words`. ``chats``: what networks call
        the conversation that it would join.
        """


@runtime_checkable
class Vouches(Protocol):
    """A connector may offer: a trust space that vouches for addresses which are in no directory."""

    def vouched(self, address: Address) -> bool:
        """Whether the address is somebody's."""


@runtime_checkable
class GivesBoxes(Protocol):
    """A connector may offer: mailboxes of the hub's own domains."""

    @property
    def boxes(self) -> Boxes | None:
        """Which mailbox is whose; None: the hub has no domain."""


@runtime_checkable
class Shows(Protocol):
    """A connector may offer: it makes ready whatever people need to be found on its network."""

    async def show(self, people: Sequence[Person]) -> None:
        """These people can be reached through the hub from now on."""


@runtime_checkable
class Admits(Protocol):
    """A connector may offer: somebody may take part in a chat by an account of their own."""

    async def admit(self, chat: str, person: Person, account: Address) -> None:
        """Ask them in. Raises Refused, Unavailable."""


@runtime_checkable
class Withdraws(Protocol):
    """A connector may offer: it keeps messages itself until they leave, and can refuse what waits for somebody."""

    async def withdraw(self, address: Address, reason: str) -> None:
        """What waits for this address is refused with this reason (a code)."""


@runtime_checkable
class Seats(Protocol):
    """A connector may offer: its members are places, and somebody of another network takes each of them in turn."""

    async def relief(
        self, message: Message, sender: Person, members: Sequence[Member], conversation: str | None
    ) -> Relief:
        """Who takes part from this message on; ``conversation`` is None for a new one."""

    async def noted(self, tx: Tx, conversation: str, message: str) -> None:
        """Somebody has read ``message`` of a conversation with such places; in the very transaction."""

    def ring(self) -> None:
        """What was noted is on disk."""


@runtime_checkable
class Declares(Protocol):
    """A connector may offer: a product that declares its users and is told what became of that."""

    async def tell_account(self, news: AccountNews) -> None:
        """Tell the product. Idempotent by ``news.id``. Raises Unavailable to get it again, Refused if it never will."""
