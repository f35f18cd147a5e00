"""The words of Liaison Connect v1 on the wire: what products send, what the hub answers, what webhooks carry.

The OpenAPI document is generated from these models. Times are RFC 3339 with an offset. ``conversation`` is always the
id by which the product knows the conversation: its own for those it started, the hub's for the others.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bridge.networks.connect import accounts
from bridge.networks.connect.fields import (
    GivenName,
    Handle,
    Id,
    NameView,
    RightNames,
    RoleName,
    Text,
    Time,
    Wire,
)
from bridge.networks.connect.kinds.wire_kinds import CardView, GivenCard, GivenPlace, PlaceView, PollAsked, PollView
from bridge.networks.connect.shelf.wire_files import AnyFile, FileView

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
MOST_FILES = 20  # with one message of a product
AboutKind = Literal["edit", "removal", "reaction", "handled", "poll", "picture"]
SaidKind = Literal["text", "notice", "emote", "location", "poll", "contact", "call"]
Priority = Literal["normal", "urgent"]
StateName = Literal["accepted", "sent", "delivered", "read", "refused"]


class NewMessage(Wire):
    """A message that one of the product's users wrote."""

    id: Id = Field(description="The product's id of the message, and the idempotency key.")
    conversation: Id = Field(description="The product's id of the conversation.")
    sender: Id = Field(description="The product's id of the user who wrote.")
    kind: SaidKind = Field(
        default="text",
        description="`location`, `poll` and `contact` hold what they are called; who is not shown it reads it as text. "
        "`call`: the user called, and nobody heard it ring; `text` may be a link to the call.",
    )
    text: Text = Field(
        repr=False,
        description="Plain text; with `html` as large as the limit of the hub (160 KiB): where it is longer than "
        "others take, it goes in parts. May be empty, or only spaces, beside files and for the last four kinds.",
    )
    html: Text | None = Field(
        default=None, repr=False, description="The same as HTML; all that Matrix does not allow is removed."
    )
    to: list[Handle] = Field(
        default_factory=list,
        json_schema_extra={"default": []},
        max_length=200,
        description="People to add; needed on the first message.",
    )
    name: GivenName | None = Field(
        default=None,
        repr=False,
        description="What the conversation is called. It counts with the message that opens it; later ones do not "
        "rename it (`POST /conversations/{id}/name` does).",
    )
    reply_to: Id | None = Field(
        default=None, description="The product's id of the message that this one answers; the hub must have it."
    )
    thread: Id | None = Field(
        default=None, description="The product's id of the message that began the thread; the hub must have it."
    )
    priority: Priority = Field(
        default="normal",
        description="`urgent`: to a function (`function:…`) it has to be read within the time that its rota sets, else "
        "it is passed on; elsewhere it is shown as urgent.",
    )
    urgent: bool = Field(default=False, description="The same as `priority`: `urgent`.")
    mentions: list[Handle] = Field(
        default_factory=list,
        json_schema_extra={"default": []},
        max_length=200,
        description="Whom the message calls by name (`person` of a member), so that they are notified.",
    )
    everybody: bool = Field(default=False, description="The message calls everybody.")
    location: GivenPlace | None = None
    poll: PollAsked | None = None
    contact: GivenCard | None = None
    files: list[AnyFile] = Field(
        default_factory=list,
        json_schema_extra={"default": []},
        max_length=MOST_FILES,
        repr=False,
        description="Documents, whole or uploaded before; together as large as the limit of the product (25 MB unless "
        "configured otherwise), whole ones at most 25 MB.",
    )
    sent_at: Time = Field(description="When the user wrote; at most 10 minutes in the future.")


class MembersChange(Wire):
    """Who comes and who goes."""

    id: Id = Field(description="Idempotency key, of the same kind as the ids of messages.")
    by: Id = Field(description="The product's user who does it.")
    add: list[Handle] = Field(default_factory=list, json_schema_extra={"default": []}, max_length=200)
    remove: list[Handle] = Field(
        default_factory=list,
        json_schema_extra={"default": []},
        max_length=200,
        description="Ignored for those who are not members.",
    )


class Receipt(Wire):
    """What one of the product's users has of a message that the hub delivered."""

    message: Id = Field(description="The product's id of the message, as it answered the webhook.")
    user: Id
    state: Literal["delivered", "read"] = Field(description="`read` covers everything before it in the conversation.")
    at: Time


class TypingSign(Wire):
    """One of the product's users begins or stops to write."""

    conversation: Id
    user: Id
    typing: bool


class MessageAccepted(Wire):
    """The message is on the hub's disk. The same id again gives the same answer."""

    id: str
    message: str = Field(description="The hub's id of the message.")
    conversation: str
    state: Literal["accepted"] = "accepted"


class MembersAccepted(Wire):
    """The change is on the hub's disk."""

    id: str
    conversation: str


class ReasonText(Wire):
    """Why something was refused, for people."""

    fr: str
    en: str


class PersonView(Wire):
    """A person; ``person`` can be used as a handle in ``to``."""

    person: str
    name: str
    profession: str
    place: str
    rpps: str | None
    listed: bool = Field(description="In the directory of professionals.")
    active: bool = Field(default=True, description="False: struck off; they write to nobody, and nobody to them.")


class UserView(PersonView):
    """One of the product's users, and the professional for whom the product vouches."""

    id: str
    state: accounts.StateName = Field(description=accounts.STATE)
    contested_by: list[accounts.Contest] = Field(
        description="Other products that declare this professional and wait for a confirmation."
    )


class FoundPerson(PersonView):
    """A person who was found, and the networks that reach them."""

    networks: list[str]
    ways: list[Literal["application", "mail"]] = Field(
        description="How the person is reached now, the quickest first; empty: not yet."
    )
    ways_text: ReasonText = Field(description="The same in words to be shown before anybody writes.")


class FoundPeople(Wire):
    """People who were found, those who can be reached first."""

    people: list[FoundPerson]
    next: str | None = Field(description="The `cursor` of the next page; null: there is none.")


class MemberView(Wire):
    """A member of a conversation and the network that reaches them."""

    person: str
    name: str
    profession: str
    place: str
    rpps: str | None
    network: str
    active: bool = Field(default=True, description="False: struck off; they write to nobody, and nobody to them.")
    role: RoleName | None = None
    may: RightNames | None = None


class CarriedView(Wire):
    """What the others of a conversation can be given now, so that a product offers only what has an effect."""

    kinds: list[AboutKind] = Field(description="Kinds that reach at least one of the others.")
    files: bool = Field(description="Whether documents reach everybody; a message with some is refused otherwise.")
    max_files: int = Field(description="Bytes of all documents of one message.")
    max_text: int = Field(description="Bytes of text as JSON.")
    edit_within: int | None = Field(
        default=None, description="Seconds in which everybody's product changes a message; later some read a text."
    )
    removal_within: int | None = Field(default=None, description="The same for taking it back; null: no limit.")


class ConversationView(Wire):
    """A conversation of the product's users."""

    id: str
    members: list[MemberView]
    carried: CarriedView
    name: NameView | None = Field(default=None, repr=False)


class RecipientView(Wire):
    """What became of a message for one recipient."""

    person: str
    name: str
    state: StateName = Field(
        description="accepted: safely with the hub; sent: it waits for the recipient elsewhere (at their mail "
        "operator, in a room to which they are invited, for a key that no device of theirs may have yet: see "
        "`reason`); delivered; read; refused: it will not arrive, see `reason`."
    )
    reason: str | None
    reason_text: ReasonText | None
    at: Time


class MessageState(Wire):
    """What became of a message. ``state`` sums up: `refused` if anybody's is, else the least that all have reached."""

    id: str
    message: str
    conversation: str
    state: StateName
    recipients: list[RecipientView]


class MessageStatus(MessageState):
    """The state of a message on request."""

    sender: str
    accepted_at: Time


class Health(Wire):
    """The API answers."""

    status: Literal["ok"] = "ok"


class FieldError(Wire):
    """One part of a request that is wrong."""

    field: str = Field(description="A dotted path.")
    message: str


class Problem(Wire):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = Field(description="In French, then in English.")
    code: str = Field(description="A stable machine word.")
    field: str | None = None
    errors: list[FieldError] | None = None
    instance: str | None = Field(default=None, description="To find an unexpected error in the hub's log.")


class Created(Wire):
    """A message for some of the product's users. ``order`` grows along the conversation."""

    message: str = Field(description="The hub's id of the message.")
    conversation: str
    order: int
    kind: SaidKind = Field(description="A `call` is only given as a notice that says so.")
    text: str = Field(repr=False, description="Complete also without what else the message holds.")
    html: str | None = Field(repr=False)
    mentions: list[str] = Field(default_factory=list, description="Whom it calls by name (`person`).")
    mentioned: list[str] = Field(default_factory=list, description="Which of the product's users it calls.")
    everybody: bool = Field(default=False, description="It calls everybody.")
    urgent: bool = Field(default=False, description="As `priority`.")
    location: PlaceView | None = Field(default=None, description="For products that declare `locations`.")
    poll: PollView | None = Field(default=None, description="For products that declare `poll`.")
    contact: CardView | None = Field(default=None, description="For products that declare `contacts`.")
    system: bool = Field(
        default=False,
        description="The hub itself says this, about `sender`: show it as Liaison's, not as a message of theirs.",
    )
    priority: Priority = Field(default="normal", description="As its writer says.")
    sender: PersonView
    recipients: list[str] = Field(description="The product's ids of the users who get it.")
    members: list[MemberView]
    reply_to: str | None
    thread: str | None
    files: list[FileView] = Field(repr=False, description="Documents; the text may be empty if there are any.")
    sent_at: Time
    name: NameView | None = Field(default=None, repr=False, description="What the conversation is called now.")


class MembersChanged(Wire):
    """The members of a conversation are now these."""

    message: str
    conversation: str
    order: int
    by: PersonView
    recipients: list[str]
    members: list[MemberView]
    sent_at: Time


class States(Wire):
    """What became of messages of the product's users: the full picture of each, so a repeat does no harm."""

    messages: list[MessageState]


class TypingSeen(Wire):
    """Somebody begins or stops to write."""

    conversation: str
    person: PersonView
    typing: bool


class CreatedEvent(Wire):
    """Webhook `message.created`."""

    type: Literal["message.created"]
    timestamp: Time
    data: Created


class MembersEvent(Wire):
    """Webhook `conversation.members`."""

    type: Literal["conversation.members"]
    timestamp: Time
    data: MembersChanged


class StateEvent(Wire):
    """Webhook `message.state`."""

    type: Literal["message.state"]
    timestamp: Time
    data: States


class TypingEvent(Wire):
    """Webhook `typing`."""

    type: Literal["typing"]
    timestamp: Time
    data: TypingSeen


class Taken(BaseModel):
    """The product's answer to a webhook about a message: its own id of it. Without it, the `webhook-id` is the id."""

    model_config = ConfigDict(extra="allow")

    id: Id


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND
