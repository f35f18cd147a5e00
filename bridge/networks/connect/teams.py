"""Groups, on the wire: somebody leaves one, and gives one a picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.networks.connect.fields import Id, Wire

RoleName = Annotated[
    Literal["owner", "admin", "member"],
    Field(
        description="Where the members themselves are told (`GET /conversations/{id}`, `conversation.members`). "
        "`owner`: gives and takes every right; `admin`: removes people and names the conversation."
    ),
]
RightNames = Annotated[
    list[Literal["add", "remove", "rename"]],
    Field(description="What the member may do there, so that a product offers nothing else."),
]


class Leaving(Wire):
    """One of the product's users takes part in a conversation no more."""

    id: Id = Field(description="Idempotency key, of the same kind as the ids of messages.")
    user: Id = Field(description="The product's user who leaves.")
