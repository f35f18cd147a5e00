"""Who has left the directory, and what the hub knew of them last: they are shown, and cannot write, all the same."""

from __future__ import annotations

from dataclasses import replace

import orjson

from bridge.model import Address, Person
from bridge.people.sealed_names import opened, sealed
from bridge.seal import Seal


class Gone:
    """In memory: people whom the hub knows and whom the directory gives no more, with the addresses it gave."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}
        self._at: dict[Address, str] = {}

    def add(self, person: Person) -> None:
        """Somebody who was an entry as given here, and is none now."""
        self.drop(person.id)
        self._people[person.id] = replace(person, addresses=(), listed=False, active=False)
        for address in person.addresses:
            self._at[address] = person.id

    def drop(self, person: str) -> None:
        """They are back."""
        if self._people.pop(person, None) is not None:
            self._at = {address: one for address, one in self._at.items() if one != person}

    def of(self, person: str) -> Person | None:
        """By person id."""
        return self._people.get(person)

    def at(self, address: Address) -> Person | None:
        """By an address that the directory gave them last."""
        person = self._at.get(address)
        return None if person is None else self._people[person]


def keep(seal: Seal, person: Person) -> str:
    """An entry as it is kept on disk."""
    said = [person.name, person.profession, person.place, [[a.network, a.id] for a in person.addresses]]
    return sealed(seal, person.id, orjson.dumps(said).decode())


def kept(seal: Seal, person: str, text: str | None) -> Person:
    """What was kept of a person; only the id where nothing was, or where its key is not there."""
    plain = None if text is None else opened(seal, person, text)
    if plain is None:
        return Person(person, person)
    name, profession, place, addresses = orjson.loads(plain)
    return Person(person, name, profession, place, tuple(Address(*one) for one in addresses))
