"""Which program works with which database, and what a migration does to a program that still runs. Pure.

Migrations only go forward. A file says in a line of its own which program still works with what it makes::

    -- needs: 5

that is, one that knows the migrations of this component up to number 5. Without such a line only a program that knows
the migration itself does. The database keeps the highest of these numbers for each component (table
``migration_needs``), so an older program decides by what a newer one has left there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_NEEDS = re.compile(r"^-- needs: *(\d+) *$", re.M)
_COMMENT = re.compile(r"--[^\n]*")
_DOLLARS = re.compile(r"\$(\w*)\$.*?\$\1\$", re.S)


Needed = Mapping[tuple[str, int], int]
"""What a database says of its migrations (component, number): the one that a program has to know."""


def needs(text: str, number: int) -> int:
    """The migration that a program has to know to work with what this one makes."""
    found = _NEEDS.search(text)
    return number if found is None else int(found[1])


def too_new(known: Mapping[str, int], done: Iterable[tuple[str, int]], needed: Needed) -> bool:
    """Whether a program is too old for a database.

    ``known``: the newest migration of each component that it knows; ``done``: (component, number) of what was applied.
    """
    return any(
        name in known and number > known[name] and needed.get((name, number), number) > known[name]
        for name, number in done
    )


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One statement of a migration that matters while others work. ``table``: empty where it concerns none.

    ``breaks``: a program that does not know of it fails. ``blocks``: whoever writes to the table waits for as long as
    it takes. ``reads``: it goes through the whole table.
    """

    what: str
    table: str = ""
    breaks: bool = False
    blocks: bool = False
    reads: bool = False


_ADD = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (?:IF NOT EXISTS )?(\w+) (.*)", re.I | re.S)
_OTHERS: tuple[tuple[str, str, str], ...] = (
    # how a statement begins, what it does, and: breaks (x), blocks (b), reads (r)
    (r"DROP TABLE (?:IF EXISTS )?(\w+)", "drops a table", "x"),
    (r"ALTER TABLE (\w+) DROP COLUMN", "drops a column", "xb"),
    (r"ALTER TABLE (\w+) RENAME", "renames", "xb"),
    (r"ALTER TABLE (\w+) ALTER COLUMN \w+ (?:SET DATA )?TYPE", "changes a type", "xbr"),
    (r"ALTER TABLE (\w+) ALTER COLUMN \w+ SET NOT NULL", "forbids what was allowed", "xbr"),
    (r"ALTER TABLE (\w+) (?:ADD (?:CONSTRAINT|PRIMARY|UNIQUE|CHECK|FOREIGN)|DROP CONSTRAINT)", "changes a rule", "xbr"),
    (r"CREATE UNIQUE INDEX (?:IF NOT EXISTS )?\w+ ON (\w+)", "forbids what was allowed", "xbr"),
    (r"CREATE INDEX CONCURRENTLY (?:IF NOT EXISTS )?\w+ ON (\w+)", "makes an index", "r"),
    (r"CREATE INDEX (?:IF NOT EXISTS )?\w+ ON (\w+)", "makes an index", "br"),
    (r"DROP INDEX (?:IF EXISTS )?\w+", "drops an index", ""),
    (r"UPDATE (\w+)", "writes a whole table", "br"),
    (r"DELETE FROM (\w+)", "deletes rows", "br"),
    (r"INSERT INTO (\w+)", "fills a table", "r"),
    (r"CREATE (?:OR REPLACE )?TRIGGER \w+ .*? ON (\w+)", "changes what a write does", "b"),
    (r"DROP TRIGGER", "changes what a write does", "b"),
    (r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", "makes a table", ""),
    (r"CREATE SEQUENCE|SELECT setval|CREATE (?:OR REPLACE )?FUNCTION|DROP FUNCTION|SELECT 1", "", ""),
)


class NotJudged(ValueError):
    """A migration has a statement of a kind that nobody has judged."""


def steps(text: str) -> list[MigrationStep]:
    """What a migration (in the dialect of one engine) does. Raises NotJudged."""
    made: set[str] = set()
    found = []
    for statement in _statements(text):
        step = _step(statement)
        if step.what == "makes a table":
            made.add(step.table)
        elif step.what and step.table not in made:  # what it makes itself nobody uses yet
            found.append(step)
    return found


def _step(statement: str) -> MigrationStep:
    if (added := _ADD.match(statement)) is not None:
        table, _, rest = added.groups()
        must = "NOT NULL" in rest.upper() and "DEFAULT" not in rest.upper()
        return MigrationStep("adds a column that must be given" if must else "adds a column", table, breaks=must)
    for pattern, what, how in _OTHERS:
        if (match := re.match(pattern, statement, re.I | re.S)) is not None:
            table = match[1] or "" if match.groups() else ""
            return MigrationStep(what, table, breaks="x" in how, blocks="b" in how, reads="r" in how)
    raise NotJudged(f"nobody has judged: {statement[:60]}")


def _statements(text: str) -> Iterator[str]:
    """One after the other, without comments, each on one line; a trigger's body is its trigger's."""
    plain = _DOLLARS.sub("''", _COMMENT.sub("", text))
    current = ""
    for part in plain.split(";"):
        current = f"{current};{part}" if current else part
        flat = " ".join(current.split())
        begun = re.match(r"CREATE (?:OR REPLACE )?TRIGGER .* BEGIN( |$)", flat, re.I)
        if begun and not flat.upper().endswith("END"):
            continue
        if flat:
            yield flat
        current = ""
