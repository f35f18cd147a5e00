"""The words of Connect about the end of a user. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.networks.connect.fields import Time, Wire
from bridge.networks.connect.listed import ListedConversation
from bridge.networks.connect.wire import UserView


class UserEnd(Wire):
    """How far the end of a user is."""

    id: str
    state: Literal["ending", "ended"] = Field(
        description="ending: the user takes part in nothing new and leaves conversation after conversation; ended: "
        "there is nothing left to do."
    )
    since: Time = Field(description="When the product gave the user up.")
    ended_at: Time | None


class UserExport(Wire):
    """What the hub has of a user, a page of conversations at a time.

    It keeps no texts and no files. What was said, as ids, times and states, is in `GET /conversations/{id}/messages`.
    """

    user: UserView
    conversations: list[ListedConversation]
    next: str | None = Field(description="The `cursor` of the next page; null: there is none.")
