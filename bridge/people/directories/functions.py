"""The functions of a rota as entries of the directory: found by their name like people, reached by their slug."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from bridge.model import FUNCTION, Address, Person
from bridge.people.directory import Changed, Changing, Directory
from bridge.people.duty.kept_rota import KeptRota
from bridge.people.duty.rota import Function
from bridge.people.searching.folding import fold
from bridge.people.searching.search import NOBODY, Asking


class WithFunctions:
    """A directory and the functions of a rota, which are few: they are looked through."""

    def __init__(self, directory: Directory, rota: KeptRota) -> None:
        self._directory = directory
        self._rota = rota
        self.shows_all = isinstance(directory, Changing) and directory.shows_all

    def follow(self, changed: Changed) -> None:
        """See :class:`bridge.people.directory.Changing`."""
        self._rota.changed = lambda: changed([one.person for one in self._rota.now.functions.values()])
        if isinstance(self._directory, Changing):
            self._directory.follow(changed)

    async def person(self, person: str) -> Person | None:
        """See :class:`bridge.people.directory.Directory`."""
        if person.startswith(f"{FUNCTION}:"):
            function = self._rota.now.function(person)
            return None if function is None else _entry(function)
        return await self._directory.person(person)

    async def at(self, address: Address) -> Person | None:
        """See :class:`bridge.people.directory.Directory`."""
        return await (self.person(str(address)) if address.network == FUNCTION else self._directory.at(address))

    async def search(self, query: str, limit: int, asking: Asking = NOBODY) -> Sequence[Person]:
        """See :class:`bridge.people.directory.Directory`."""
        asked = fold(query)
        found = [_entry(one) for one in self._rota.now.functions.values() if asked and _matches(one, asked)]
        return [*found, *await self._directory.search(query, limit, asking)][:limit]

    async def everyone(self) -> AsyncIterator[Sequence[Person]]:
        """See :class:`bridge.people.directory.Directory`."""
        if self._rota.now.functions:
            yield [_entry(one) for one in self._rota.now.functions.values()]
        async for page in self._directory.everyone():
            yield page


def _entry(function: Function) -> Person:
    address = Address(FUNCTION, function.slug)
    return Person(function.person, function.name, function.profession, function.place, (address,))


def _matches(function: Function, asked: Sequence[str]) -> bool:
    words = fold(" ".join((function.name, function.profession, function.place, function.slug)))
    return all(any(word.startswith(one) for word in words) for one in asked)
