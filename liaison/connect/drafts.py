"""What a product writes, before it is on the wire. Pure."""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from liaison.connect.answers import Name, Uploaded
from liaison.connect.holding import Card, Location, Poll, wire
from liaison.connect.reading import time_text

Json = dict[str, Any]


def new_id() -> str:
    """An id that nobody has used: keep it with what is sent under it until the hub has answered."""
    return uuid.uuid4().hex


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document, whole. ``type`` is a media type without parameters."""

    name: str = field(repr=False)
    type: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def wire(self) -> Json:
        """As ``POST /messages`` wants it."""
        content = base64.b64encode(self.content).decode()
        return {"name": self.name, "type": self.type, "content": content, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that a user of the product wrote.

    ``id`` is the idempotency key: the same draft sent twice is one message. ``to`` is needed on the first message of a
    conversation. ``mentions`` are person ids; what it ``holds`` says its kind by itself. ``extra`` holds fields of a
    newer contract as they go on the wire.
    """

    conversation: str
    sender: str
    text: str = field(default="", repr=False)
    to: tuple[str, ...] = ()
    html: str | None = field(default=None, repr=False)
    kind: str = "text"
    reply_to: str | None = None
    thread: str | None = None
    urgent: bool = False
    name: Name | None = None
    files: tuple[Attachment | Uploaded, ...] = ()
    mentions: tuple[str, ...] = ()
    everybody: bool = False
    holds: Location | Poll | Card | None = None
    id: str = field(default_factory=new_id)
    sent_at: datetime = field(default_factory=now)
    extra: Json = field(default_factory=dict, repr=False)

    def wire(self) -> Json:
        """The body of ``POST /messages``; what is not said is left out."""
        said: Json = {"id": self.id, "conversation": self.conversation, "sender": self.sender, "text": self.text}
        said["sent_at"] = time_text(self.sent_at)
        if self.kind != "text":
            said["kind"] = self.kind
        if self.urgent:
            said["priority"] = "urgent"
        if self.to:
            said["to"] = list(self.to)
        if self.name is not None:
            said["name"] = {"text": self.name.text, "about_patient": self.name.about_patient}
        if self.mentions:
            said["mentions"] = list(self.mentions)
        if self.everybody:
            said["everybody"] = True
        if self.files:
            said["files"] = [one.wire() for one in self.files]
        optional = {"html": self.html, "reply_to": self.reply_to, "thread": self.thread}
        held = {} if self.holds is None else wire(self.holds)
        return said | {key: value for key, value in optional.items() if value is not None} | held | self.extra
