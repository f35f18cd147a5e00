"""How an engine finds the rows of a statement: the index and the columns by which it looks, as both engines say it.

A path reads ``index(column= column>)``: ``=`` for one value, ``>`` for a range; ``table_pkey`` is the primary key. A
path by every column of a unique index is one row and is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.growth.measure import InPostgres, InSqlite


@dataclass(frozen=True, slots=True)
class Plan:
    """``paths`` may find several rows; ``whole``: everything is read, or sorted where there is no need."""

    paths: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    sorts: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """One index of a database."""

    name: str
    columns: tuple[str, ...]
    unique: bool

    def path(self, condition: str) -> str | None:
        """The path of a look-up by this condition; None for one row."""
        equal = {c for c in self.columns if re.search(rf"\b{re.escape(c)}\b\)? ?(=|= ANY|IS)", condition)}
        ranged = {c for c in self.columns if re.search(rf"(?<![\w.]){re.escape(c)}\b", condition)} - equal
        if self.unique and equal == set(self.columns):
            return None
        words = [f"{c}=" if c in equal else f"{c}>" for c in self.columns if c in equal | ranged]
        return f"{self.name}({' '.join(words)})"


class SqlitePlans:
    """Plans of SQLite, which knows nothing of the tables' sizes."""

    def __init__(self, db: InSqlite) -> None:
        self._db = db
        self._indices = {}
        self._keys: dict[str, Index] = {}  # of tables that are kept by their key
        tables = [name for (name,) in db.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, name, unique, origin, partial in db.connection.execute(f"PRAGMA index_list({table})"):
                columns = tuple(c or "<expr>" for _, _, c in db.connection.execute(f"PRAGMA index_info({name})"))
                known = f"{table}_pkey" if origin == "pk" else name
                self._indices[name] = Index(known, columns, bool(unique) and not partial)
                if origin == "pk":
                    self._keys[table] = self._indices[name]

    @property
    def statements(self) -> dict[str, str]:
        """The texts of the named statements."""
        return self._db.statements

    async def plan(self, name: str) -> Plan:
        """The plan of a named statement."""
        sql = self._db.statements[name]
        most = max((int(n) for n in re.findall(r"\?(\d+)", sql)), default=0)
        found = Plan()
        sorts = False
        for *_, detail in self._db.connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * most):
            sorts |= "USE TEMP B-TREE" in detail
            self._line(sql, detail.removesuffix(" LEFT-JOIN"), found)
        return Plan(found.paths, found.whole, sorts)

    def _line(self, sql: str, detail: str, found: Plan) -> None:
        if re.match(r"SCAN (CONSTANT ROW|json_each|\(subquery|first|newest)", detail):
            return
        if "AUTOMATIC" in detail:
            found.whole.add(detail)
        elif used := re.match(r"SCAN \S+ USING (?:COVERING )?INDEX (\S+)$", detail):
            found.paths.add(f"{self._indices[used[1]].name}()")
        elif detail.startswith("SCAN"):
            found.whole.add(detail)
        elif detail.startswith(("SEARCH", "INDEX")):
            self._search(sql, detail, found)

    def _search(self, sql: str, detail: str, found: Plan) -> None:
        path = None
        if used := re.match(r"(?:SEARCH \S+|INDEX \d) ?(?:EXISTS )?USING (?:COVERING )?INDEX (\S+) \((.*)\)$", detail):
            path = self._indices[used[1]].path(used[2])
        elif used := re.match(r"SEARCH (\S+) (?:EXISTS )?USING PRIMARY KEY \((.*)\)", detail):
            path = self._keys[_table(sql, used[1])].path(used[2])
        elif re.match(r"SEARCH \S+ USING INTEGER PRIMARY KEY \((rowid|id)=\?\)", detail):
            return
        elif used := re.match(r"SEARCH (\S+) USING INTEGER PRIMARY KEY \((.*)\)", detail):
            path = f"{used[1]}_pkey({used[2].replace('=?', '=').replace('>?', '>')})"
        elif detail.startswith("SEARCH"):
            found.whole.add(detail)
        if path is not None:
            found.paths.add(path)


def _table(sql: str, alias: str) -> str:
    """The table that a statement calls so."""
    named = re.search(rf"(?:FROM|JOIN|UPDATE|,)\s+(\w+)\s+(?:AS\s+)?{alias}\b", sql)
    return named[1] if named else alias


class PostgresPlans:
    """Plans of PostgreSQL for whatever the parameters are, by the statistics of filled tables."""

    def __init__(self, db: InPostgres, indices: dict[str, Index]) -> None:
        self._db = db
        self._indices = indices

    @classmethod
    async def of(cls, db: InPostgres) -> PostgresPlans:
        """Read the indices; from now on no table is read whole where an index would do."""
        rows = await db.connection.fetch(
            "SELECT c.relname AS name, i.indisunique AND i.indpred IS NULL AS uniq,"
            " ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts) k) AS columns"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        )
        for setting in ("plan_cache_mode = force_generic_plan", "enable_seqscan = off"):
            await db.connection.execute(f"SET {setting}")
        return cls(db, {r["name"]: Index(r["name"], tuple(r["columns"]), r["uniq"]) for r in rows})

    async def in_a_hub(self, times: int) -> None:
        """From now on the planner decides by itself, for tables that have so many times the rows."""
        await self._db.connection.execute("SET enable_seqscan = on")
        await self._db.connection.execute(
            f"UPDATE pg_class SET reltuples = reltuples * {times}"
            " WHERE relnamespace = 'public'::regnamespace AND reltuples > 0"
        )

    @property
    def statements(self) -> dict[str, str]:
        """The texts of the named statements."""
        return self._db.statements

    async def plan(self, name: str) -> Plan:
        """The plan of a named statement."""
        sql = self._db.statements[name]
        most = max((int(n) for n in re.findall(r"\$(\d+)", sql)), default=0)
        await self._db.connection.execute(f"PREPARE looked_at AS {sql}")
        values = f"({', '.join(['NULL'] * most)})" if most else ""
        text = await self._db.connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE looked_at{values}")
        await self._db.connection.execute("DEALLOCATE looked_at")
        found = Plan()
        sorts = False
        for node in _nodes(json.loads(text)[0]["Plan"]):
            sorts |= node["Node Type"] in ("Sort", "Incremental Sort")
            self._node(node, found)
        return Plan(found.paths, found.whole, sorts)

    def _node(self, node: dict[str, Any], found: Plan) -> None:
        if node["Node Type"] == "Seq Scan":
            found.whole.add(f"SCAN {node['Relation Name']}")
        elif "Index Name" in node:
            index = self._indices[node["Index Name"]]
            if "Index Cond" not in node:
                found.paths.add(f"{index.name}()")
            elif (path := index.path(node["Index Cond"])) is not None:
                found.paths.add(path)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
