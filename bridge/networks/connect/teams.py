"""Groups, on the wire: somebody leaves one, and gives one a picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.networks.connect.fields import Content, Id, Text, Time, Wire
from bridge.networks.connect.shelf.wire_files import FileView
from bridge.networks.connect.wire import PersonView


class Leaving(Wire):
    """One of the product's users takes part in a conversation no more."""

    id: Id = Field(description="Idempotency key, of the same kind as the ids of messages.")
    user: Id = Field(description="The product's user who leaves.")


class GivingTopic(Wire):
    """What a conversation is about. It is said inside of it, encrypted, and stands in no room's state."""

    id: Id = Field(description="Idempotency key, of the same kind as the ids of messages.")
    by: Id = Field(description="The product's user who does it.")
    topic: Annotated[Text, Field(min_length=1, max_length=500)] | None = Field(
        repr=False, description="A patient may be named here. `null`: it is about nothing in particular any more."
    )


class Picturing(Wire):
    """The picture of a conversation from now on. Servers can read it: it never shows a patient."""

    id: Id = Field(description="Idempotency key, of the same kind as the ids of messages.")
    by: Id = Field(description="The product's user who does it.")
    content: Content | None = Field(
        repr=False,
        description="A PNG, JPEG, GIF or WebP file of at most 1 MB, in base64 (RFC 4648, 4); `null` takes the picture "
        "away. Refused where the conversation has a patient's name (`picture_of_patient`).",
    )


class Portraying(Wire):
    """What a user looks like from now on. Servers can read it: it never shows a patient."""

    content: Content | None = Field(
        repr=False,
        description="A PNG, JPEG, GIF or WebP file of at most 1 MB, in base64 (RFC 4648, 4); `null`: their initials.",
    )


class PictureChanged(Wire):
    """The conversation has this picture now; `null`: none."""

    message: str
    conversation: str
    order: int
    by: PersonView
    recipients: list[str]
    picture: FileView | None = Field(repr=False)
    sent_at: Time


class PictureEvent(Wire):
    """Webhook `conversation.picture`, for products that declare `picture`."""

    type: Literal["conversation.picture"]
    timestamp: Time
    data: PictureChanged
