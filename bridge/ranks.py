"""What each member of a conversation may do in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class GroupRole(StrEnum):
    """As people know it from their chats."""

    OWNER = "owner"  # gives and takes every right
    ADMIN = "admin"  # removes people and names the conversation
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Rank:
    """A role, and what it means here: ``add`` people, ``remove`` people, ``rename`` the conversation."""

    role: GroupRole
    add: bool = True
    remove: bool = True
    rename: bool = True

    @property
    def may(self) -> list[str]:
        """What is allowed, in a fixed order."""
        allowed = {"add": self.add, "remove": self.remove, "rename": self.rename}
        return [name for name, yes in allowed.items() if yes]


FREE = Rank(GroupRole.ADMIN)
"""Of everybody where no network makes a difference: any member adds, removes and names."""
