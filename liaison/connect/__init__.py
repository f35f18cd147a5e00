"""A client of Liaison Connect v1 for chat products: requests are repeated until answered, webhooks are checked.

It needs Python 3.11 and aiohttp, and nothing of the hub:

    async with Connect("https://hub.example", token) as hub:
        await hub.declare("cleo", rpps="10001002027")
        sent = await hub.send(Draft("chat-1", "cleo", "Bonjour", to=("rpps:10001001014",)))

    webhooks = Webhooks(["whsec_…"])
    event = webhooks.read(request.headers, await request.read())  # raises NotGenuine
    match event.data:
        case MessageCreated() as message:
            ...
        case Unknown():  # of a newer hub: answer 2xx
            ...

Fields that a newer hub adds are ignored, events that it adds are :class:`Unknown`, and neither is an error. Texts,
names of files and secrets are in no ``repr``.
"""

from liaison.connect.answers import (
    Abilities,
    Accepted,
    Attempt,
    Carried,
    Contest,
    Conversation,
    Export,
    Found,
    Member,
    MessageState,
    MessageStatus,
    Name,
    Page,
    Past,
    Person,
    Recipient,
    Rotated,
    Uploaded,
    User,
    UserEnd,
    Words,
)
from liaison.connect.client import Connect
from liaison.connect.drafts import Attachment, Draft, new_id
from liaison.connect.errors import ConnectError, NoAnswer, NotGenuine, Refused
from liaison.connect.events import (
    AccountNews,
    ConversationRenamed,
    Event,
    EventPage,
    FileIn,
    MembersChanged,
    MessageCreated,
    MessageEdited,
    MessageHandled,
    MessageReaction,
    MessageRemoved,
    MessageStates,
    MessageVote,
    PictureChanged,
    PollEnded,
    Tried,
    TypingSeen,
    Unknown,
)
from liaison.connect.holding import AnswerCount, Card, Location, Poll, PollAnswer
from liaison.connect.transport import Answer, Retries
from liaison.connect.webhooks import Webhooks

__all__ = [
    "Abilities",
    "Accepted",
    "AccountNews",
    "Answer",
    "AnswerCount",
    "Attachment",
    "Attempt",
    "Card",
    "Carried",
    "Connect",
    "ConnectError",
    "Contest",
    "Conversation",
    "ConversationRenamed",
    "Draft",
    "Event",
    "EventPage",
    "Export",
    "FileIn",
    "Found",
    "Location",
    "Member",
    "MembersChanged",
    "MessageCreated",
    "MessageEdited",
    "MessageHandled",
    "MessageReaction",
    "MessageRemoved",
    "MessageState",
    "MessageStates",
    "MessageStatus",
    "MessageVote",
    "Name",
    "NoAnswer",
    "NotGenuine",
    "Page",
    "Past",
    "Person",
    "PictureChanged",
    "Poll",
    "PollAnswer",
    "PollEnded",
    "Recipient",
    "Refused",
    "Retries",
    "Rotated",
    "Tried",
    "TypingSeen",
    "Unknown",
    "Uploaded",
    "User",
    "UserEnd",
    "Webhooks",
    "Words",
    "new_id",
]
