"""Which links between a person and an address were taken back: they give no identity and reach nobody."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from bridge.db import Row
from bridge.model import Address


class Why(StrEnum):
    """Who has taken a link back; only the operator's word outlasts a new proof."""

    OPERATOR = "operator"
    PRODUCT = "product"  # it has given its user up
    DIRECTORY = "directory"  # it lists the address no more
    INACTIVE = "inactive"  # the person was struck off: who comes back proves the account anew


@dataclass(frozen=True, slots=True)
class TakenBack:
    """One link that was taken back at ``at`` (ms since 1970); ``by`` is for the record."""

    address: Address
    person: str
    why: Why
    at: int
    by: str


class Revocations:
    """What is on disk, as it is now; few."""

    def __init__(self) -> None:
        self._at: dict[Address, dict[str, TakenBack]] = {}
        self._people: Counter[str] = Counter()

    def add(self, one: TakenBack) -> None:
        """Taken back."""
        self.drop(one.address, one.person)
        self._at.setdefault(one.address, {})[one.person] = one
        self._people[one.person] += 1

    def drop(self, address: Address, person: str) -> None:
        """Proven anew, or given back."""
        there = self._at.get(address, {})
        if there.pop(person, None) is None:
            return
        self._people[person] -= 1
        if not there:
            del self._at[address]

    def of(self, address: Address, person: str) -> TakenBack | None:
        """Of just this link."""
        there = self._at.get(address) if self._at else None
        return None if there is None else there.get(person)

    def anybody(self, address: Address) -> bool:
        """Whether an address was taken from somebody."""
        return address in self._at

    def touch(self, person: str) -> bool:
        """Whether something was taken from this person."""
        return self._people[person] > 0

    def all(self) -> list[TakenBack]:
        """Every one."""
        return [one for there in self._at.values() for one in there.values()]


def taken_back(row: Row) -> TakenBack:
    """From its row."""
    return TakenBack(Address(row["network"], row["id"]), row["person"], Why(row["why"]), row["at"], row["by_whom"])
