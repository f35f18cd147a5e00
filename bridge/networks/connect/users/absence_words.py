"""The words of Connect about somebody who is away. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.networks.connect.fields import Handle, Text, Time, Wire
from bridge.networks.connect.wire import PersonView

_BOTH = (
    "Who gets what is written meanwhile. `absent`: the user, as ever; the writer is told of the substitute. `both`: "
    "the substitute, too, from the next message of a conversation on and without what was said there before, until the "
    "absence is over. A substitute who is in the writer's own product is only named."
)
_WORDS = "Read by whoever writes meanwhile, once in each conversation. No patient's name."


class NewAbsence(Wire):
    """A user is away. It replaces what was said before, and ends by itself."""

    since: Time | None = Field(default=None, description="Now, where it is left out.")
    until: Time = Field(description="In the next two years.")
    substitute: Handle | None = Field(default=None, description="Whom to write to meanwhile: a handle, as in `to`.")
    words: Text | None = Field(default=None, max_length=500, description=_WORDS)
    to: Literal["absent", "both"] = Field(default="absent", description=_BOTH)


class AbsenceView(Wire):
    """When a user is away."""

    since: Time
    until: Time
    substitute: PersonView | None
    words: str | None
    to: Literal["absent", "both"]
