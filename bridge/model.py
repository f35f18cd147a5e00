"""The nouns of the hub. Frozen; message text never appears in a repr, hence never in a log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.documents import File as File
from bridge.documents import StoredFile as StoredFile
from bridge.extras import Extra

MATRIX = "matrix"
MAIL = "mail"
FUNCTION = "function"  # places that people take in turn: who is on duty


class Kind(StrEnum):
    """What a message is. MEMBERS, NAME and PICTURE carry no text: that is what of the conversation changed."""

    TEXT = "text"
    NOTICE = "notice"
    EMOTE = "emote"
    MEMBERS = "members"
    NAME = "name"
    PICTURE = "picture"  # the only file; without one the conversation has no picture any more
    EDIT = "edit"  # ``reply_to`` now reads like this
    REMOVAL = "removal"  # ``reply_to`` is taken back
    REACTION = "reaction"  # the text is the key (an emoji), ``reply_to`` the message that it is about
    HANDLED = "handled"  # ``reply_to`` is dealt with, the writer says
    POLL = "poll"
    VOTE = "vote"  # in the poll ``reply_to``
    POLL_END = "poll_end"  # of the poll ``reply_to``
    CALL = "call"  # the writer called, and nobody heard it ring; a link in the text may lead to the call


class State(StrEnum):
    """What became of a message for one recipient; only ever moves downwards in this list, REFUSED is final."""

    ACCEPTED = "accepted"  # safely on the hub's disk
    SENT = (
        "sent"  # it waits for the recipient elsewhere: at the operator of a mailbox, in a room, for a key (``reason``)
    )
    DELIVERED = "delivered"  # the recipient's network has it: for mail, a report says that it is in the mailbox
    READ = "read"  # the recipient has seen it, as far as the network tells
    REFUSED = "refused"  # it will not arrive; ``reason`` says why


@dataclass(frozen=True, slots=True)
class Address:
    """Someone as one network knows them: ``Address("pandalab", "cleo")``, ``Address("matrix", "@ben:chu.example")``."""

    network: str
    id: str

    def __str__(self) -> str:
        return f"{self.network}:{self.id}"


@dataclass(frozen=True, slots=True)
class Person:
    """One professional with all their addresses.

    ``id`` is ``rpps:<11 digits>`` for somebody of the directory, else the address itself
    (``matrix:@x:y``: known only to that network, ``listed`` is False). Whoever was closed in the directory, or has gone
    from it, is not ``active``: they write to nobody, and nobody writes to them.
    """

    id: str
    name: str
    profession: str = ""
    place: str = ""
    addresses: tuple[Address, ...] = ()
    listed: bool = True
    active: bool = True

    @property
    def rpps(self) -> str | None:
        """The national identifier, 11 digits, or None for somebody outside the directory."""
        return self.id.removeprefix("rpps:") if self.id.startswith("rpps:") else None


class Standing(StrEnum):
    """Whether an account that a product declares is believed."""

    ACTIVE = "active"
    HELD = "held"  # another product has this professional: neither she nor the operator has said yes or no
    REFUSED = "refused"  # she, or the operator, has said that the account is not hers
    REVOKED = "revoked"  # the link was taken back: by the operator, by the product, or as she was struck off
    UNPROVEN = "unproven"  # the federation's list asks for a stronger proof of this product's users
    UNLISTED = "unlisted"  # the product is not on the federation's list (any more)


@dataclass(frozen=True, slots=True)
class Ref:
    """One message as one network knows it; ``id`` is opaque outside that network."""

    network: str
    id: str


@dataclass(frozen=True, slots=True)
class Handed:
    """What a network made of a delivery that not everybody there has now.

    ``without``: person id -> why they do not get it (a code). ``waiting``: for whom (person ids) it is kept there, and
    why (a code; None: they must first come in); :meth:`bridge.receiver.Receiver.arrived` tells when they have it.
    ``noted`` is called once all this is on the hub's disk. ``own``: the network says later itself who has it
    (:meth:`bridge.receiver.Signals.taken`).
    """

    ref: Ref
    without: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, str | None] = field(default_factory=dict)
    noted: Callable[[], Awaitable[None]] | None = field(default=None, compare=False, repr=False)
    own: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """What was said. Sealed whenever it waits on disk.

    ``system``: the hub itself says it; the sender is only whom it is about, and no leg shows it as their words.
    ``urgent``: its writer says so; who is on duty for a function has to read it within a set time.
    ``mentions``: whom it calls by name (person ids); ``everybody``: all of them. ``extra``: what a network that knows
    it shows better than as text; the text says all of it.
    """

    text: str = field(default="", repr=False)
    html: str | None = field(default=None, repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)
    system: bool = False
    urgent: bool = False
    mentions: tuple[str, ...] = ()
    everybody: bool = False
    extra: Extra | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """That one product's word for one professional is, or was, in question: another product has her.

    ``person`` is a person id; ``standing`` ACTIVE means accepted. ``since`` and ``decided_at`` are in milliseconds
    since 1970. ``decided_by`` is the account (``product:user``) or the operator by whom it was decided.
    """

    network: str
    person: str
    standing: Standing
    since: int
    decided_at: int | None = None
    decided_by: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An address of a product and the professional for whom it was declared.

    It gives an identity only while it is ACTIVE. ``contested`` are the claims of other products that wait for a word.
    """

    address: Address
    person: Person
    standing: Standing
    contested: tuple[Claim, ...] = ()


class AccountEvent(StrEnum):
    """What has happened to an account."""

    HELD = "held"  # it waits: another product has the professional
    ACCEPTED = "accepted"
    REFUSED = "refused"
    CONTESTED = "contested"  # another product declares its professional: is that she?
    SETTLED = "settled"  # that question has been answered
    REVOKED = "revoked"  # it is no longer the professional's


@dataclass(frozen=True, slots=True)
class AccountNews:
    """What an account's product is to be told; ``id`` is the idempotency key.

    ``claimant`` is the network in question (the account's own for HELD, ACCEPTED and REFUSED), ``standing`` how its
    word stands since ``at`` (milliseconds since 1970).
    """

    id: str
    event: AccountEvent
    account: Address
    claimant: str
    standing: Standing
    at: int


@dataclass(frozen=True, slots=True)
class Link:
    """That an address is a person's: ``proof`` says by whose word, since when (ms since 1970; None: unknown).

    Of several proofs of one address the strongest is named: the operator's, the directory's, the professional's own,
    a product's. ``by`` is who has decided, or taken it back.
    """

    address: Address
    proof: str
    since: int | None
    standing: Standing
    by: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One person in a conversation, and the address by which this conversation reaches them."""

    person: Person
    address: Address


@dataclass(frozen=True, slots=True)
class GroupName:
    """What people call a conversation; an empty text takes the name away.

    ``about_patient``: it says who the patient is, so it is shown only where nobody else can read it: in no room state
    and in no subject.
    """

    text: str = field(repr=False)
    about_patient: bool = False

    @property
    def in_clear(self) -> str:
        """The text where servers may read it, else nothing."""
        return "" if self.about_patient else self.text


@dataclass(frozen=True, slots=True)
class Message:
    """A message as an edge hands it in.

    ``chat`` is the conversation as the sender's network knows it. ``to`` names people to add (handles as in
    :meth:`bridge.people.people.People.find`): needed on the first message of a chat.
    ``sent_at`` is in milliseconds since 1970. ``only`` names the one network that is to have it (None: every other),
    ``whom`` the members (person ids) who are to have it (none: all of them).
    ``name`` is what the conversation is called from now on: of a NAME, and of the message that opens a conversation.
    ``moderated``: a REMOVAL by somebody who keeps order in the chat, of a message that may be another one's.
    """

    ref: Ref
    chat: str
    sender: Address
    kind: Kind
    body: Body
    sent_at: int
    to: tuple[str, ...] = ()
    reply_to: Ref | None = None
    thread: Ref | None = None
    only: str | None = None
    whom: tuple[str, ...] = ()
    name: GroupName | None = None
    moderated: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The hub's answer to an edge: the message is on disk. The same message again gives the same answer."""

    message: str
    conversation: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Cited:
    """What a message answers, or is about: its kind, who said it, and when (ms since 1970). No word of it is kept."""

    kind: Kind
    author: Person
    sent_at: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way to one leg. ``id`` is the idempotency key of every outgoing call.

    ``chat`` is the conversation as the leg's network knows it, None until that network has one.
    ``members`` are all members of the conversation; those of this leg are its recipients. Once it is handed out, nobody
    who came after the message was accepted is among them; ``gone`` are those (person ids) who have left since.
    ``reply_to`` and ``thread`` are already translated to this network (None: not known there); ``continues`` is what
    it answers in another conversation of that network, which not everybody here may see.
    ``attempt`` counts from 0; ``order`` grows along every lane of the conversation. ``last``: the hub tries no more.
    ``name`` is what the conversation is called while this is handed out, ``named`` the message that gave or took that
    name (hub id; None: none ever did).
    """

    id: str
    network: str
    message: str
    conversation: str
    chat: str | None
    sender: Person
    kind: Kind
    body: Body
    members: tuple[Member, ...]
    sent_at: int
    order: int
    attempt: int = 0
    created_at: int = 0
    reply_to: Ref | None = None
    thread: Ref | None = None
    continues: Ref | None = None
    cites: tuple[str | None, str | None] = (None, None)  # the hub's own ids of what ``reply_to`` and ``thread`` name
    files: int = 0  # how many wait for this delivery; ``body.files`` holds them while it is handed out
    gone: frozenset[str] = frozenset()
    last: bool = False
    name: GroupName | None = None
    named: str | None = None
    moderated: bool = False  # see :class:`Message`
    aside: frozenset[str] = frozenset()  # members there (person ids) who do not get it
    cited: Cited | None = None  # what ``reply_to`` names, also where this network has no name for it

    @property
    def recipients(self) -> tuple[Member, ...]:
        """The members that this leg serves."""
        network, aside = self.network, self.aside
        return tuple([m for m in self.members if m.address.network == network and m.person.id not in aside])


@dataclass(frozen=True, slots=True)
class RecipientState:
    """What became of a message for one recipient; ``at`` in milliseconds since 1970."""

    person: Person
    state: State
    at: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message, for the leg that it came from. Full picture each time, so a repeat does no harm.

    ``version`` grows with every change of the same message.
    """

    message: str
    ref: Ref
    conversation: str
    chat: str
    sender: Address
    states: tuple[RecipientState, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody is (or is no longer) writing in a chat of this leg. Best effort, never stored."""

    network: str
    chat: str
    conversation: str
    person: Person
    typing: bool


@dataclass(frozen=True, slots=True)
class Absence:
    """Somebody (``who``, a person id) is away from ``begin`` until ``end`` (ms); ``words`` are theirs, for writers.

    ``both``: what is written to them meanwhile goes to ``substitute`` (a person id), too.
    """

    who: str
    begin: int
    end: int
    substitute: str | None = None
    words: str = field(default="", repr=False)
    both: bool = False
