"""What the hub answers, as types. Fields that are not known here are ignored. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A sentence for people, in both languages."""

    fr: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What people call a conversation; ``about_patient``: it says who a patient is."""

    text: str = field(repr=False)
    about_patient: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Something is safely on the hub's disk; ``message`` is the hub's id of it, empty for what is no message."""

    id: str
    conversation: str
    message: str = ""
    state: str = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person; ``person`` can be used in ``to``."""

    person: str
    name: str
    profession: str = ""
    place: str = ""
    rpps: str | None = None
    listed: bool = True
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Another product declares the same professional."""

    product: str
    label: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Person):
    """A user of the product. ``state``: active, held, refused or revoked."""

    id: str
    state: str
    contested_by: tuple[Contest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Person):
    """A person who was found, and how they are reached now, the quickest way first."""

    networks: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()
    ways_text: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a conversation and the network that reaches them."""

    person: str
    name: str
    network: str
    profession: str = ""
    place: str = ""
    rpps: str | None = None
    active: bool = True
    role: str | None = None
    may: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the others of a conversation can be given: offer only that. Sizes in bytes."""

    kinds: tuple[str, ...] = ()
    files: bool = False
    max_files: int = 0
    max_text: int = 0
    edit_within: int | None = None
    removal_within: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation of the product's users; in a list it does not say what is ``carried``."""

    id: str
    members: tuple[Member, ...]
    carried: Carried | None = None
    name: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """What became of a message for one recipient: accepted, sent, delivered, read or refused (``reason`` says why)."""

    person: str
    name: str
    state: str
    at: datetime
    reason: str | None = None
    reason_text: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageState:
    """What became of a message: refused if anybody's is, else the least that all have reached."""

    id: str
    message: str
    conversation: str
    state: str
    recipients: tuple[Recipient, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatus(MessageState):
    """The state of a message on request."""

    sender: str
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A message of a conversation, as a list has it: without its text. ``own``: the product handed it in."""

    id: str | None
    message: str
    order: int
    kind: str
    sender: Person
    own: bool
    state: str
    recipients: tuple[Recipient, ...]
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWords:
    """What was said, read again. ``text`` is None where it was ``removed``, or is not ``readable``."""

    kind: str
    sender: Person
    sent_at: datetime
    id: str | None = None
    message: str | None = None
    text: str | None = field(default=None, repr=False)
    about: str | None = None
    files: tuple[str, ...] = field(default=(), repr=False)
    removed: bool = False
    readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A file that the hub has: ``files`` of a draft may name it instead of its content."""

    id: str
    name: str = field(repr=False)
    type: str
    size: int
    sha256: str

    def wire(self) -> dict[str, str]:
        """As ``POST /messages`` wants it."""
        return {"id": self.id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What became of one attempt to send a webhook: delivered, logged, refused or failed (``code`` says why)."""

    id: str
    outcome: str
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A new token or webhook secret (``value``); the old ones are good until ``old_until``."""

    value: str = field(repr=False)
    old_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEnd:
    """How far the end of a user is: ``ending`` (leaves conversation after conversation) or ``ended``."""

    id: str
    state: str
    since: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """When a user is away. ``to``: ``absent``, or ``both`` where the substitute gets what is written, too."""

    since: datetime
    until: datetime
    substitute: Person | None = None
    words: str | None = field(default=None, repr=False)
    to: str = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What the hub has of a user, a page of conversations at a time; it keeps no texts and no files."""

    user: User
    conversations: tuple[Conversation, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the hub takes the product to be able to. Sizes in bytes."""

    version: str | None = None
    kinds: tuple[str, ...] = ()
    html: bool = False
    replies: bool = False
    threads: bool = False
    typing: bool = False
    receipts: bool = False
    files: bool = False
    files_by_url: bool = False
    mentions: bool = False
    locations: bool = False
    contacts: bool = False
    stickers: bool = False
    voice: bool = False
    max_files: int = 0
    max_text: int = 0
    edit_within: int | None = None
    removal_within: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some of many; ``next`` is the cursor of those that follow, None at the end."""

    items: tuple[T, ...]
    next: str | None = None
