"""Many statements in one round trip, by two functions of the server that run what they are told to, in order.

The first holds every statement of the program that gives nothing back. It is told which of them to run, and the
parameters of all of them one after the other: texts and numbers as texts, bytes as they are. A call of it is a
transaction. The second calls the first for each of many transactions. Both write nothing once the lease is lost.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.db.postgres.lease import fence_call

_TYPES = {"text", "integer", "bigint", "bytea"}
_WRITES = re.compile(r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+([a-z_]\w*)")
_READS = re.compile(r"\b(?:FROM|JOIN|USING)\s+([a-z_]\w*)((?:\s+[a-z_]\w*)?(?:\s*,\s*[a-z_]\w*\s+[a-z_]\w*)*)")
_LOCKS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|KEY\s+SHARE|SHARE)\b")
_GIVES = re.compile(r"(?:\s|--[^\n]*\n)*SELECT\b|.*\bRETURNING\b", re.S)
_PARAMETER = re.compile(r"\$(\d+)")


@dataclass(frozen=True, slots=True)
class Statement:
    """One named statement: its text, the tables that it writes, and all that it looks at."""

    text: str
    writes: frozenset[str]
    tables: frozenset[str]
    only_reads: bool  # it writes and locks nothing
    gives_nothing: bool  # no rows

    @classmethod
    def of(cls, text: str) -> Statement:
        """Read it from its text."""
        text, writes = text.rstrip().rstrip(";"), frozenset(_WRITES.findall(text))
        only_reads = not writes and not _LOCKS.search(text)
        return cls(text, writes, writes | frozenset(_tables(text)), only_reads, _GIVES.match(text) is None)


def _tables(text: str) -> Iterable[str]:
    for first, more in _READS.findall(text):
        yield first
        yield from (one.split()[0] for one in more.split(",")[1:])


@dataclass(frozen=True, slots=True)
class Step:
    """A statement as the function knows it: its number there, and the types of its parameters."""

    number: int
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Writes:
    """What one transaction writes, as the functions take it: which steps, and their parameters in a row."""

    which: list[int]
    words: list[str | None]
    raws: list[bytes | None]

    @property
    def size(self) -> int:
        """Bytes that it carries beside its texts."""
        return sum(len(raw) for raw in self.raws if raw is not None)


class Together:
    """The functions' names and texts, and how they are called. Another set of statements is another name."""

    prefix = "liaison_run"

    def __init__(self, statements: Mapping[str, Statement], types: Mapping[str, tuple[str, ...]], fence: int) -> None:
        """``types`` of the parameters of each statement that gives nothing back; ``fence``: the lease's number."""
        names = [name for name in sorted(types) if all(t in _TYPES for t in types[name])]
        self.steps = {name: Step(n, types[name]) for n, name in enumerate(names)}
        body = _body([(self.steps[name], statements[name].text) for name in names])
        mark = f"{zlib.crc32((body + _ALL + _MANY).encode()):08x}"
        self.name = f"{self.prefix}_{mark}"
        self.text = _ALL.format(name=self.name, body=body) + _MANY.format(name=self.name, mark=mark)
        self._several = f"{self.prefix}s_{mark}"
        self.names = {self.name, self._several}
        self.holds(fence)

    def holds(self, fence: int) -> None:
        """Ask for this number of the lease from now on."""
        self._one = f"SELECT {self.name}($1, $2, $3, 1, $4, 0, 0, {fence})"
        self._many = f"SELECT {self._several}($1, $2, $3, $4, {fence})"
        self.begin = f"BEGIN; {fence_call(fence)}"

    def writes(self, todo: Iterable[tuple[str, Sequence[Any]]]) -> Writes:
        """These statements (names with their parameters)."""
        writes = Writes([], [], [])
        for name, values in todo:
            step = self.steps[name]
            writes.which.append(step.number)
            for kind, value in zip(step.types, values, strict=True):
                if kind == "bytea":
                    writes.raws.append(value)
                else:
                    writes.words.append(value if kind == "text" or value is None else str(value))
        return writes

    def one(self, writes: Writes) -> tuple[str, Sequence[Any]]:
        """The call that does one transaction, or fails as the statement in it that fails."""
        return self._one, (writes.which, writes.words, writes.raws, len(writes.which))

    def many(self, several: Sequence[Writes]) -> tuple[str, Sequence[Any]]:
        """The call that does each of these transactions whole or not at all; gives the places of those that failed."""
        which: list[int] = []
        words: list[str | None] = []
        raws: list[bytes | None] = []
        bounds = [0, 0, 0]
        for writes in several:
            which += writes.which
            words += writes.words
            raws += writes.raws
            bounds += (len(which), len(words), len(raws))
        return self._many, (which, words, raws, bounds)


# Steps $4 to $5 of $1; $6 texts and $7 bytes stand before their parameters. $8: the lease's number, 0: asked for.
_ALL = """
CREATE FUNCTION {name}(integer[], text[], bytea[], integer, integer, integer, integer, bigint) RETURNS void
LANGUAGE plpgsql AS $liaison$
#variable_conflict use_column
DECLARE liaison_word integer := $6; liaison_raw integer := $7;
BEGIN
IF $8 > 0 THEN PERFORM liaison_fence($8); END IF;
FOR liaison_step IN $4..$5 LOOP CASE $1[liaison_step]
{body}
END CASE; END LOOP;
END
$liaison$;
"""
# A transaction that has to wait for somebody's lock is not waited for by the others: it fails here, and is tried alone.
_MANY = """
CREATE FUNCTION liaison_runs_{mark}(integer[], text[], bytea[], integer[], bigint) RETURNS integer[]
LANGUAGE plpgsql SET lock_timeout = '10ms' AS $liaison$
DECLARE failed integer[] := ARRAY[]::integer[];
BEGIN
PERFORM liaison_fence($5);
FOR n IN 0 .. array_length($4, 1) / 3 - 2 LOOP
BEGIN PERFORM {name}($1, $2, $3, $4[3*n + 1] + 1, $4[3*n + 4], $4[3*n + 2], $4[3*n + 3], 0);
EXCEPTION WHEN OTHERS THEN failed := failed || n;
END; END LOOP;
RETURN failed;
END
$liaison$;
"""


def _body(statements: Iterable[tuple[Step, str]]) -> str:
    return "\n".join(_case(step, text) for step, text in statements)


def _case(step: Step, text: str) -> str:
    places, words, raws = [], 0, 0
    for kind in step.types:
        if kind == "bytea":
            raws += 1
            places.append(f"($3)[liaison_raw + {raws}]")
        else:
            words += 1
            places.append(f"(($2)[liaison_word + {words}])::{kind}")
    sql = _PARAMETER.sub(lambda match: places[int(match[1]) - 1], text)
    counted = f"liaison_word := liaison_word + {words}; liaison_raw := liaison_raw + {raws};"
    return f"WHEN {step.number} THEN {sql}; {counted}"
