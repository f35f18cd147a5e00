"""Erases a person from all of the hub's tables: their rows go, and a mark stands where others' rows name them.

What must be kept for traceability stays: who, to whom, when, which result, by ids. The RPPS number is public and
stays. An address, and the id of somebody without a number, which is an address, become a mark that says nothing.
"""

# ruff: noqa: S608 - tables and columns are those of the hub's own schema

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appservice.rights.whole import Whole
from bridge.erasure import PERSONAL, Goes
from bridge.model import MAIL, MATRIX, Address
from bridge.networks.mail.leg.addressbook import erased_box

_CHAIN = {"trail", "trail_checkpoint", "trail_key", "migration"}
_SHORTEST = 5  # characters of a name that is looked for inside of other text
_THEIRS = {  # rows that are about nobody else; $1: the person
    "language": "person = $1", "name": "person = $1", "acquaintance": "person = $1", "looked_at": "person = $1",
    "member": "person = $1", "awaited": "person = $1", "taking_over": "person = $1", "seat": "person = $1",
    "account": "person = $1", "connect_blocked": "person = $1", "connect_absent": "person = $1",
    "report": "message IN (SELECT id FROM message WHERE sender = $1)",
}  # fmt: skip
_AT = {  # rows at an address; $1 its network, $2 itself
    "early": "network = $1 AND address = $2", "connect_blocked": "network = $1 AND id = $2",
    "connect_absent": "network = $1 AND id = $2", "account_news": "network = $1 AND account = $2",
}  # fmt: skip
_WAITS_ONLY_FOR = """message IN (SELECT message FROM recipient WHERE person = $1 AND state = 'accepted')
AND NOT EXISTS (SELECT 1 FROM recipient r WHERE r.message = delivery.message AND r.network = delivery.network
AND r.person <> $1 AND r.state = 'accepted')"""
_NO_DELIVERY = """NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.message = file.message)
AND NOT EXISTS (SELECT 1 FROM watched WHERE watched.message = file.message)"""


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """What the hub knows of a person: an id, names and addresses, in clear while they are erased."""

    person: str
    names: frozenset[str] = field(repr=False)
    addresses: frozenset[Address] = field(repr=False)

    @property
    def mark(self) -> str:
        """What stands for them where others' rows name them."""
        return self.person if self.person.startswith("rpps:") else f"erased:{_mark(self.person)}"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Erasing:
    """One erasure in an open transaction. ``erased`` and ``marked`` count rows by table."""

    def __init__(self, db: Whole, known: ErasedPerson, columns: Mapping[str, Sequence[str]], at: int) -> None:
        """``at``: now, in ms since 1970."""
        self._db, self._known, self._at = db, known, at
        named = {one.table for one in PERSONAL}
        self._columns = {t: c for t, c in columns.items() if t in named and t not in _CHAIN}
        self.erased: Counter[str] = Counter()
        self.marked: Counter[str] = Counter()

    async def run(self) -> None:
        """All of it."""
        person = self._known.person
        await self._db.change(
            "UPDATE conversation SET audience = NULL WHERE id IN (SELECT conversation FROM member WHERE person = $1)",
            person,
        )
        await self._delete("delivery", _WAITS_ONLY_FOR, person)
        await self._refused(person)
        await self._delete("file", _NO_DELIVERY)
        for table, where in _THEIRS.items():
            await self._delete(table, where, person)
        for address in sorted(self._known.addresses, key=str):
            for table, where in _AT.items():
                await self._delete(table, where, address.network, address.id)
            if address.network == MATRIX:
                await self._account_of_matrix(address.id)
        await self._marks()

    async def _refused(self, person: str) -> None:
        """What had not reached them never will, and its writers are told."""
        await self._db.change(
            "UPDATE recipient SET state = 'refused', at = $2, reason = 'recipient_erased' WHERE person = $1"
            " AND state IN ('accepted', 'sent')",
            person, self._at,
        )  # fmt: skip
        theirs = "SELECT message FROM recipient WHERE person = $1 AND state = 'refused' AND reason = 'recipient_erased'"
        await self._db.change(f"UPDATE message SET version = version + 1 WHERE id IN ({theirs})", person)
        await self._db.change(
            f"INSERT INTO report (message, network, pos) SELECT id, network, pos FROM message WHERE id IN ({theirs})"
            " AND kind NOT IN ('members', 'name') ON CONFLICT (message) DO NOTHING",
            person,
        )

    async def stays(self) -> dict[str, int]:
        """How many rows still name them by their mark."""
        found: dict[str, int] = {}
        for one in PERSONAL:
            columns = [c for c in one.columns if c in self._columns.get(one.table, ())]
            if columns:
                where = " OR ".join(f"{c} = $1" for c in columns)
                sql = f"SELECT COUNT(*) AS n FROM {one.table} WHERE {where}"
                rows = await self._db.rows(sql, self._known.mark)
                found[one.table] = int(rows[0]["n"])
        return found

    async def _delete(self, table: str, where: str, *args: Any) -> None:
        if table in self._columns:
            self.erased[table] += await self._db.change(f"DELETE FROM {table} WHERE {where}", *args)

    async def _account_of_matrix(self, mxid: str) -> None:
        """What the hub knows of the devices of somebody's own account, and keys that came from there."""
        for one in PERSONAL:
            if one.table.startswith("e2ee_") or one.table == "matrix_member":
                for column in one.columns:
                    if column in self._columns.get(one.table, ()):
                        await self._delete(one.table, f"{column} = $1", mxid)

    # ---- where others' rows name them

    async def _marks(self) -> None:
        known = self._known
        for box in [one.id for one in known.addresses if one.network == MAIL]:
            for text in {box, box.lower()}:
                await self._set("mail_box", "address", erased_box(text), text)
        if known.mark != known.person:
            for table, column in self._every_column():
                await self._set(table, column, known.mark, known.person)
        for text in sorted(self._inside_of_text(), key=len, reverse=True):
            for table, column in self._every_column():
                await self._inside(table, column, text)
        for address in known.addresses:
            if "@" not in address.id:
                await self._of_product(address)

    def _every_column(self) -> Iterator[tuple[str, str]]:
        return ((table, column) for table, columns in self._columns.items() for column in columns)

    def _inside_of_text(self) -> set[str]:
        """What is a person's wherever it stands; a product's own id may be any word."""
        whole = {a.id for a in self._known.addresses if "@" in a.id}
        return whole | {a.lower() for a in whole} | {name for name in self._known.names if len(name) >= _SHORTEST}

    async def _set(self, table: str, column: str, new: str, old: str) -> None:
        if column in self._columns.get(table, ()):
            self.marked[table] += await self._db.change(
                f"UPDATE {table} SET {column} = $1 WHERE {column} = $2", new, old
            )

    async def _inside(self, table: str, column: str, text: str) -> None:
        """Wherever it stands in other text."""
        sql = f"UPDATE {table} SET {column} = REPLACE({column}, $1, $2) WHERE {column} LIKE $3 ESCAPE '!'"
        like = "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
        self.marked[table] += await self._db.change(sql, text, f"erased-{_mark(text)}", like)

    async def _of_product(self, address: Address) -> None:
        """A product's own id of somebody may be any word: only where the row is of that product."""
        for one in PERSONAL:
            here = self._columns.get(one.table, ())
            for column in ("address", "id"):
                if column in one.columns and column in here and "network" in here:
                    sql = f"UPDATE {one.table} SET {column} = $1 WHERE {column} = $2 AND network = $3"
                    new = f"erased-{_mark(str(address))}"
                    self.marked[one.table] += await self._db.change(sql, new, address.id, address.network)


def lines(erasing: Erasing, stays: Mapping[str, int]) -> list[dict[str, str | int]]:
    """What became of every table, for the report."""
    found: list[dict[str, str | int]] = []
    for one in PERSONAL:
        why = one.by if one.goes is Goes.KEPT else "their rows are erased"
        found.append({
            "table": one.table, "erased": erasing.erased[one.table], "marked": erasing.marked[one.table],
            "stays": stays.get(one.table, 0), "why": why,
        })  # fmt: skip
    return found
