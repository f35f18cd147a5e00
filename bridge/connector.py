"""The contract between the hub and an edge: two verbs for messages, and what belongs to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bridge.db import Tx
from bridge.kinds import EVERYWHERE
from bridge.model import (
    Absence,
    AccountNews,
    Address,
    Body,
    Delivery,
    File,
    Handed,
    Kind,
    Member,
    Message,
    Person,
    Ref,
    Report,
    Typing,
)
from bridge.ranks import Rank


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
    files_by_url: bool = False  # it fetches files by itself: they are named to it, not given
    max_files: int = 25_000_000  # bytes of all files of one message
    kinds: frozenset[Kind] = EVERYWHERE
    own_states: bool = False  # it says itself, later, who got what (``sent``, ``received``, ``seen``, ``failed``)
    mentions: bool = False  # it notifies whom a message calls by name
    locations: bool = False  # it shows a place; elsewhere a text with its degrees
    contacts: bool = False  # it shows a card; elsewhere it is a file and a text
    stickers: bool = False  # it knows them from pictures
    voice: bool = False  # it knows voice messages from other sound
    answers: bool = True  # where it shows no reactions, one to a message of its own people is said there as a text
    edit_within: int | None = None  # seconds after which it changes no message any more; None: there is no limit
    removal_within: int | None = None  # the same, for taking a message back
    urgent: bool = False  # it shows that a message is urgent; elsewhere its text begins with the word
    names_chats: bool = False  # the network makes its own chat ids; elsewhere a new chat is called as the conversation


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
class Portrays(Protocol):
    """A connector may offer: people there see what somebody of another network looks like."""

    async def portray(self, person: Person, picture: File | None) -> None:
        """Show this picture (bytes) of somebody; None: whatever it shows by itself. Raises Refused, Unavailable."""


@runtime_checkable
class Ranks(Protocol):
    """A connector may offer: its chats give their members unlike rights."""

    async def ranks(self, chat: str, members: Sequence[Member]) -> Mapping[str, Rank]:
        """What these members may do in a chat, by person id; of whom nothing is known is left out."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Something of a chat's past: ``name`` is the network's own of it, ``about`` of what it corrects or answers.

    Without ``body``: it was taken back (``removed``), or the network has no key for it. Files are named only.
    """

    name: str
    sender: Address
    kind: Kind
    sent_at: int
    body: Body | None
    about: str | None = None
    files: tuple[str, ...] = ()
    removed: bool = False


@runtime_checkable
class Remembers(Protocol):
    """A connector may offer: it can read again what was said in a chat, as somebody there may read it."""

    async def past(
        self, chat: str, reader: Member, since: int, before: str, limit: int
    ) -> tuple[list[Remembered], str | None]:
        """What ``reader``, who came at ``since`` (ms), may read there, the newest first, and where the next page is.

        ``before`` is such a place; empty: the end. Raises Refused, Unavailable.
        """


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
class Lends(Protocol):
    """A connector may offer: its network fetches files later, until their message is taken back."""

    async def take_back(self, message: str) -> None:
        """The files of a message (hub id) cannot be fetched any more, whatever the network shows of that."""


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

    async def absent(self, account: Address, absence: Absence | None) -> None:
        """See :meth:`bridge.receiver.Receiver.absent`."""


@runtime_checkable
class Forgets(Protocol):
    """A network that keeps something of a chat in tables of its own."""

    async def forget(self, tx: Tx, chat: str) -> None:
        """The conversation is over: what is kept of its chat goes in this transaction."""


@dataclass(frozen=True, slots=True)
class OwnQueue:
    """What waits within an edge. ``name``: one of a few words; ``part``: what has a queue of its own, or empty.

    ``waiting`` is counted up to a bound; ``oldest``: ms since 1970, or None. ``why``: what the last attempt ended with,
    in codes, as far as this life of the hub knows. ``read``: when somebody last came for it by themselves (ms; 0:
    never); None: nobody does.
    """

    name: str
    part: str
    waiting: int
    oldest: int | None
    why: str = ""
    read: int | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """A list from elsewhere that the hub follows. ``confirmed``: s since 1970 when its source last said that it holds.

    ``old``: somebody has to see to it. ``trouble``: why it was not renewed when that was last tried, or empty.
    """

    name: str
    confirmed: float
    old: bool
    trouble: str


@runtime_checkable
class Follows(Protocol):
    """A connector may offer: lists from elsewhere by which it judges."""

    @property
    def followed(self) -> Sequence[Followed]:
        """Each of them, as this process has it."""


@runtime_checkable
class LooksAgain(Protocol):
    """A connector may offer: its lists from elsewhere are asked for when an operator says so."""

    def look_again(self) -> None:
        """At once, in the background; see :class:`Follows` for what comes of it."""


@runtime_checkable
class Queues(Protocol):
    """A connector may offer: what waits in tables of its own, for its operator to see."""

    async def queues(self, most: int) -> Sequence[OwnQueue]:
        """Of the whole hub, each counted up to ``most``. Raises Unavailable (the database)."""


@runtime_checkable
class Inside(Protocol):
    """A connector may offer: where one message is in tables of its own."""

    async def inside(self, name: str) -> Sequence[OwnQueue]:
        """What of one message waits there; ``name``: what the network calls it. Raises Unavailable (the database)."""


@runtime_checkable
class Hurries(Protocol):
    """A connector may offer: what waits in tables of its own to leave is tried at once when an operator says so."""

    async def hurry(self) -> None:
        """Whatever time was set. Raises Unavailable (the database)."""


@runtime_checkable
class GoesBack(Protocol):
    """A network that keeps what waits, or counts, in tables of its own."""

    async def went_back(self, tx: Tx) -> Sequence[str]:
        """The database is an older copy: no number is given twice. Gives what may be handed over again, some of it: the
        network's own names.
        """


@runtime_checkable
class Declares(Protocol):
    """A connector may offer: a product that declares its users and is told what became of that."""

    async def tell_account(self, news: AccountNews) -> None:
        """Tell the product. Idempotent by ``news.id``. Raises Unavailable to get it again, Refused if it never will."""
