"""A directory in a CSV file: enough for a region, a demo, a test.

Columns (UTF-8, comma, header line): ``rpps,name,profession,place,mail,matrix,products,closed``; ``products`` lists
accounts as ``pandalab:cleo siilo:cl2``; with anything in ``closed`` (a date, for instance) somebody is struck off.
Unknown columns are ignored, bad rows are errors that name their line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from sys import intern

from bridge.model import MAIL, MATRIX, Address, Person
from bridge.people.directories.entries import entry_of
from bridge.people.searching.memory import MemoryTerms
from bridge.people.searching.search import NOBODY, Asking, Search
from bridge.people.trust import is_rpps

_MAX_ROWS = 2_000_000  # more than all professionals of France; a row takes about 2 KB of memory
_PAGE = 500


class FlatFile:
    """A CSV file as it was read once."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._people = {p.id: p for p in people}
        self._addresses = {a: p for p in self._people.values() for a in p.addresses}
        self._rows = list(self._people.values())
        self._search = Search(MemoryTerms(map(entry_of, self._rows)))

    @classmethod
    def read(cls, path: Path) -> FlatFile:
        """Read a file. Raises ValueError that names the line."""
        try:  # (spreadsheets put a mark before the first column)
            with path.open(encoding="utf-8-sig", newline="") as lines:
                return cls(_people(csv.DictReader(lines), path.name))
        except UnicodeDecodeError:
            raise ValueError(f"{path.name} is not UTF-8: save it as CSV UTF-8") from None
        except csv.Error as error:
            raise ValueError(f"{path.name} is no CSV file: {error}") from None

    def __len__(self) -> int:
        return len(self._rows)

    def compared(self, newer: FlatFile) -> tuple[set[str], int]:
        """Whose entries are not the same in a newer reading (person ids), and how many are not in it at all."""
        before, now = self._people, newer._people
        gone = before.keys() - now.keys()
        return {one for one, entry in now.items() if before.get(one) != entry} | gone, len(gone)

    async def person(self, person: str) -> Person | None:
        """See :class:`bridge.people.directory.Directory`."""
        return self._people.get(person)

    async def at(self, address: Address) -> Person | None:
        """See :class:`bridge.people.directory.Directory`."""
        return self._addresses.get(address)

    async def search(self, query: str, limit: int, asking: Asking = NOBODY) -> Sequence[Person]:
        """See :class:`bridge.people.directory.Directory`."""
        return [self._people[found.entry.id] for found in await self._search.find(query, limit, asking)]

    async def everyone(self) -> AsyncIterator[Sequence[Person]]:
        """See :class:`bridge.people.directory.Directory`."""
        for first in range(0, len(self._rows), _PAGE):
            page = self._rows[first : first + _PAGE]
            yield [p for p in page if p.active and any(a.network != MATRIX for a in p.addresses)]

    async def mailboxes(self) -> AsyncIterator[Sequence[str]]:
        """See :class:`bridge.people.directory.ListsMailboxes`."""
        for first in range(0, len(self._rows), _PAGE):
            yield [
                a.id for p in self._rows[first : first + _PAGE] for a in p.addresses if a.network == MAIL and p.active
            ]


def _people(rows: csv.DictReader[str], name: str) -> list[Person]:
    missing = [column for column in ("rpps", "name") if column not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"{name}, line 1: no column {missing[0]} (columns are separated by commas)")
    people: list[Person] = []
    lines: dict[str, int] = {}
    for row in rows:
        where = f"{name}, line {rows.line_num}"
        people.append(_person(row, where))
        if len(people) > _MAX_ROWS:
            raise ValueError(f"{name} has more than {_MAX_ROWS} rows")
        for one in (people[-1].id, *map(str, people[-1].addresses)):
            if one in lines:
                raise ValueError(f"{where}: {one} is already somebody's, in line {lines[one]}")
            lines[one] = rows.line_num
    return people


def _person(row: dict[str, str | None], where: str) -> Person:
    rpps = (row.get("rpps") or "").strip()
    name = (row.get("name") or "").strip()
    if not is_rpps(rpps):
        raise ValueError(f"{where}: rpps must be 11 digits")
    if not name:
        raise ValueError(f"{where}: name is empty")
    addresses = []
    if mail := (row.get("mail") or "").strip().lower():
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", mail):
            raise ValueError(f"{where}: mail must read name@domain")
        addresses.append(Address("mail", mail))
    if matrix := (row.get("matrix") or "").strip():
        if not re.fullmatch(r"@[^:\s]+:\S+", matrix):
            raise ValueError(f"{where}: matrix must read @name:server")
        addresses.append(Address(MATRIX, matrix))
    for account in (row.get("products") or "").split():
        network, colon, ident = account.partition(":")
        if "," in account:
            raise ValueError(f"{where}: products: a space, and no comma, stands between two accounts")
        if not colon or not network or not ident:
            raise ValueError(f"{where}: products must read network:id")
        addresses.append(Address(intern(network), ident))
    profession, place = intern((row.get("profession") or "").strip()), intern((row.get("place") or "").strip())
    active = not (row.get("closed") or "").strip()
    return Person(f"rpps:{rpps}", name, profession, place, tuple(addresses), active=active)
