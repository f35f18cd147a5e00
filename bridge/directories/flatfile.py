"""A directory in a CSV file: enough for a region, a demo, a test.

Columns (UTF-8, comma, header line): ``rpps,name,profession,place,mail,matrix,products``; ``products`` lists accounts as
``pandalab:cleo siilo:cl2``. Unknown columns are ignored, bad rows are errors that name their line.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from bridge.model import MATRIX, Address, Person
from bridge.trust import is_rpps

_MAX_ROWS = 200_000


class FlatFile:
    """A CSV file, read once at start."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._people = {p.id: p for p in people}
        self._addresses = {a: p for p in self._people.values() for a in p.addresses}
        self._words = [(_fold(f"{p.name} {p.profession} {p.place} {p.rpps or ''}"), p) for p in self._people.values()]

    @classmethod
    def read(cls, path: Path) -> FlatFile:
        """Read a file. Raises ValueError that names the line."""
        people: list[Person] = []
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                people.append(_person(row, f"{path.name}, line {len(people) + 2}"))
                if len(people) > _MAX_ROWS:
                    raise ValueError(f"{path.name} has more than {_MAX_ROWS} rows")
        if len({p.id for p in people}) != len(people):
            raise ValueError(f"{path.name} names an RPPS id twice")
        return cls(people)

    async def person(self, person: str) -> Person | None:
        """See :class:`bridge.directory.Directory`."""
        return self._people.get(person)

    async def at(self, address: Address) -> Person | None:
        """See :class:`bridge.directory.Directory`."""
        return self._addresses.get(address)

    async def search(self, query: str, limit: int) -> Sequence[Person]:
        """See :class:`bridge.directory.Directory`."""
        words = _fold(query).split()
        if not words:
            return []
        return [p for text, p in self._words if all(w in text for w in words)][:limit]

    async def everyone(self) -> Sequence[Person]:
        """See :class:`bridge.directory.Directory`."""
        return [p for p in self._people.values() if any(a.network != MATRIX for a in p.addresses)]


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))


def _person(row: dict[str, str | None], where: str) -> Person:
    rpps = (row.get("rpps") or "").strip()
    name = (row.get("name") or "").strip()
    if not is_rpps(rpps):
        raise ValueError(f"{where}: rpps must be 11 digits")
    if not name:
        raise ValueError(f"{where}: name is empty")
    addresses = []
    if mail := (row.get("mail") or "").strip().lower():
        addresses.append(Address("mail", mail))
    if matrix := (row.get("matrix") or "").strip():
        addresses.append(Address(MATRIX, matrix))
    for account in (row.get("products") or "").split():
        network, colon, ident = account.partition(":")
        if not colon or not network or not ident:
            raise ValueError(f"{where}: products must read network:id")
        addresses.append(Address(network, ident))
    profession, place = (row.get("profession") or "").strip(), (row.get("place") or "").strip()
    return Person(f"rpps:{rpps}", name, profession, place, tuple(addresses))
