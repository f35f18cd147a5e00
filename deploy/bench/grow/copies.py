"""Copies of what the hub itself wrote: the rows of one thing it did, again and again under other names.

A template is what is in the database after the hub did something and was not there before. Its names (ids of
conversations, messages, rooms, events, sessions …) are found where the database wants them to be unique; a copy has
another name of the same length for each, at every place where it stands. What the hub computes of other names is
computed again; what is sealed for a name is sealed for the new one. So a change of the tables needs no change here.

Two things are not as the hub would write them: copies of an account share its private keys, and the hashes of the
audit trail are those of the template.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from bridge.model import Ref
from bridge.seal import Seal
from bridge.store.conversation import audience, delivery_id, message_id
from deploy.bench.grow.rows import Row, Rows, Table, kept_by_key, key_of
from deploy.bench.grow.sheet import Cell, Cells, Counted, Joined, Made, Same, Say, Sheet

APART = {
    "migration",
    "life",
    "trail_checkpoint",
    "trail_key",
    "seal_proof",
    "e2ee_seal_key",
    "lease",
    "worker",
}  # one for the hub
"""Tables of the hub itself, of which nothing is copied."""
_PLACES = {"pos", "n"}  # numbers in an order that must go on where they are in no unique index
_DAY = 86_400_000
_SHARED = {"device_id", "curve", "ed"}  # of the devices, which the far end has, too
_YOUNG = {"matrix_outbox": ("created_at", _DAY), "matrix_told": ("at", 30 * _DAY), "e2ee_olm_read": ("at", 7 * _DAY)}
"""What is forgotten by its age (ms): it is not copied to a time when the hub would have forgotten it."""
_A_TIME = 1_500_000_000_000  # ms since 1970: numbers above are times
_SEALED = {
    ("delivery", "body"): "{id}",
    ("e2ee_ghost", "seeds"): "e2ee cross-signing {user_id}",
    ("acquaintance", "entry"): "name {person}",
}
_TEXT = "sealed:"

_AT_ONCE = 50_000  # copies


class Unfaithful(Exception):
    """Something in a template cannot be copied as the hub would write it."""


@dataclass(frozen=True, slots=True)
class Written:
    """What of one table is in a template."""

    table: Table
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is in a small database."""

    tables: list[Table]
    rows: list[list[Row]]

    @classmethod
    async def of(cls, rows: Rows) -> Snapshot:
        """Read it all."""
        tables = [t for t in await rows.tables() if t.name not in APART]
        return cls(tables, [await rows.all(table) for table in tables])

    def names(self) -> set[str]:
        """Every text in a column that is part of a unique index."""
        return {name for t, rows in zip(self.tables, self.rows, strict=True) for name in _names(t, rows)}

    def since(self, before: Snapshot) -> list[Written]:
        """The rows whose keys were not there before."""
        known = kept_by_key(before.tables, before.rows)
        found = []
        for table, rows in zip(self.tables, self.rows, strict=True):
            if new := [row for row in rows if key_of(table, row) not in known[table.name]]:
                found.append(Written(table, new))
        return found


def _names(table: Table, rows: Iterable[Row]) -> Iterator[str]:
    places = [i for i, column in enumerate(table.columns) if column in table.unique - _SHARED]
    return (row[i] for row in rows for i in places if isinstance(row[i], str))


@dataclass
class Template:
    """Makes copies. ``words``: names, and parts of names, whose text in a copy is given; ``seal``: of the hub."""

    written: list[Written]
    names: set[str]
    words: Mapping[str, Say]
    seal: Seal
    step: int = 1000  # ms by which a copy is older than the one before
    _says: dict[str, Say] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._parts = _pattern(self.words, "[A-Za-z0-9]")
        self._says |= self.words
        self._says |= {name: self._other(name) for name in self.names - self.words.keys()}
        self._whole = _pattern(self._says, r"[\w+/-]")
        self._compute()
        self._whole = _pattern(self._says, r"[\w+/-]")

    def _other(self, name: str) -> Say:
        if self._parts.search(name):
            return lambda i: self._parts.sub(lambda found: self.words[found[0]](i), name)
        return lambda i: other(name, i)

    def _compute(self) -> None:
        """What the hub makes of other names: of messages, deliveries, and of the people of a conversation."""
        for row in self._rows("message"):
            if message_id(Ref(row["network"], row["ref"])) == row["id"]:
                self._says[row["id"]] = self._message(row["network"], row["ref"])
        for row in self._rows("delivery"):
            if delivery_id(row["message"], row["network"]) != row["id"]:
                raise Unfaithful("delivery.id")
            self._says[row["id"]] = self._delivery(row["message"], row["network"])
        people: dict[str, list[str]] = {}
        for row in self._rows("member"):
            people.setdefault(row["conversation"], []).append(row["person"])
        for row in self._rows("conversation"):
            everybody = people.get(row["id"], [])
            if audience(everybody) != row["audience"]:
                raise Unfaithful("conversation.audience")
            self._says[row["audience"]] = self._audience(everybody)

    def _message(self, network: str, ref: str) -> Say:
        return lambda i: message_id(Ref(network, self.say(ref, i)))

    def _delivery(self, message: str, network: str) -> Say:
        return lambda i: delivery_id(self.say(message, i), network)

    def _audience(self, people: list[str]) -> Say:
        return lambda i: audience(self.say(person, i) for person in people)

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        return (
            dict(zip(w.table.columns, row, strict=True)) for w in self.written if w.table.name == name for row in w.rows
        )

    # -- texts -------------------------------------------------------------------------------------------

    def say(self, name: str, i: int) -> str:
        """A name in the i-th copy; whatever is no name of the template stays as it is."""
        known = self._says.get(name)
        return name if known is None else known(i)

    def text(self, text: str, i: int) -> str:
        """A text in which names stand, in the i-th copy."""
        return self._whole.sub(lambda found: self._says[found[0]](i), text)

    # -- rows --------------------------------------------------------------------------------------------

    def numbered(self, written: Written) -> list[str]:
        """Columns whose numbers go on from the last one: places in an order, and keys that nothing else tells apart."""
        table, own = written.table, self.names - self.words.keys()
        named = any(row[table.at(c)] in own for row in written.rows for c in table.key)
        wanted = {c for c in table.columns if c in _PLACES or (c in table.key and not named)}
        return [c for c in wanted if all(isinstance(row[table.at(c)], int) for row in written.rows)]

    def cells(self, written: Written, places: Mapping[str, int], sheet: Sheet, now: int) -> Iterator[Cells]:
        """For each row of one table the expressions of its copies. ``places``: last numbers of columns that go on."""
        table = written.table
        last = {column: places[column] for column in self.numbered(written)}
        for row in written.rows:
            yield Cells([self._cell(table, c, row, last, sheet) for c in table.columns], self._young(table, row, now))

    def _young(self, table: Table, row: Row, now: int) -> int | None:
        if table.name not in _YOUNG:
            return None
        column, age = _YOUNG[table.name]
        at: int = row[table.at(column)]
        return max(0, -((now - age - at) // self.step))

    def _cell(self, table: Table, column: str, row: Row, places: Mapping[str, int], sheet: Sheet) -> Cell:
        value = row[table.at(column)]
        if isinstance(value, int) and (value or column not in _PLACES):
            if column in places:
                return self._number(value, places[column], column)
            if value > _A_TIME:
                return Counted(value, -self.step)
        if isinstance(value, bytes) or (isinstance(value, str) and value.startswith(_TEXT)):
            return self._sealed(table, column, row, sheet)
        if isinstance(value, str) and value in self._says:
            return sheet.name(value, self._says[value])
        if isinstance(value, str) and self._whole.search(value):
            return self._text(value, sheet)
        return Same(value)

    def _text(self, text: str, sheet: Sheet) -> Joined:
        parts, at = list[Same | Made](), 0
        for found in self._whole.finditer(text):
            parts += [Same(text[at : found.start()]), sheet.name(found[0], self._says[found[0]])]
            at = found.end()
        return Joined([*parts, Same(text[at:])])

    def _number(self, value: int, last: int, column: str) -> Counted:
        found = [r[w.table.at(column)] for w in self.written if column in w.table.columns for r in w.rows]
        numbers = [n for n in found if isinstance(n, int) and (n or column not in _PLACES)]
        return Counted(last + 1 + value - min(numbers), max(numbers) - min(numbers) + 1)

    def _sealed(self, table: Table, column: str, row: Row, sheet: Sheet) -> Cell:
        value, wanted = row[table.at(column)], _SEALED.get((table.name, column))
        named = {c: row[table.at(c)] for c in table.columns}
        if wanted is None:
            if isinstance(value, bytes) and Seal.name_in(value) == self.seal.active:
                raise Unfaithful(f"{table.name}.{column} is sealed")
            return Same(value)
        context = wanted.format(**named)
        if isinstance(value, str):
            plain = self.seal.open(b64decode(value.removeprefix(_TEXT)), context).decode()
            return sheet.add(lambda i: _TEXT + b64encode(self._seal(plain, wanted, named, i)).decode())
        said = self.seal.open(value, context).decode("latin-1")
        return sheet.add(lambda i: self._seal(said, wanted, named, i, "latin-1"))

    def _seal(self, plain: str, wanted: str, named: Mapping[str, object], i: int, how: str = "utf-8") -> bytes:
        context = wanted.format(**{c: self.text(v, i) if isinstance(v, str) else v for c, v in named.items()})
        return self.seal.seal(self.text(plain, i).encode(how), context)


def _pattern(words: Iterable[str], near: str) -> re.Pattern[str]:
    """Any of these words, where nothing of what is ``near`` touches it."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!{near})(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})(?!{near})")


def other(name: str, i: int) -> str:
    """Another name that looks like this one: the same length, the same sigil, hexadecimal digits after it."""
    sigil = re.match(r"[a-z]_|[!$@]|", name)
    begin = sigil[0] if sigil else ""
    size = min(24, len(name) - len(begin))
    digits = blake2b(f"{name}/{i}".encode(), digest_size=12).hexdigest()[:size]
    return begin + digits + name[len(begin) + size :]


async def plant(rows: Rows, template: Template, which: range, now: int) -> int:
    """Write these copies; gives the number of rows.

    A name is made once for each copy and written into a table of its own, from which a statement for each row of the
    template makes that row of all copies.
    """
    places = dict[str, int]()
    for written in template.written:
        for column in template.numbered(written):
            places[column] = max(places.get(column, 0), await rows.largest(written.table, column))
    sheet, done = Sheet(), 0
    wanted = [(w.table, cells) for w in template.written for cells in template.cells(w, places, sheet, now)]
    await rows.prepare([w.table for w in template.written], len(which))
    for at in range(which.start, which.stop, _AT_ONCE):
        some = range(at, min(at + _AT_ONCE, which.stop))
        await rows.sheet(sheet.kinds(), sheet.rows(some, at - which.start))
        for table, cells in wanted:
            done += await rows.spread(table, cells)
    return done
