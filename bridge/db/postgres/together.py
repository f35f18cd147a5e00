"""Many statements in one round trip: a function of the server that runs what it is told to, in order, as one step.

The function holds every statement of the program that gives nothing back. It is told which of them to run, and the
parameters of all of them one after the other: texts and numbers as texts, bytes as they are.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TYPES = {"text", "integer", "bigint", "bytea"}
_WRITES = re.compile(r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+([a-z_]\w*)")
_READS = re.compile(r"\b(?:FROM|JOIN|USING)\s+([a-z_]\w*)((?:\s+[a-z_]\w*)?(?:\s*,\s*[a-z_]\w*\s+[a-z_]\w*)*)")
_LOCKS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|KEY\s+SHARE|SHARE)\b")
_GIVES = re.compile(r"\s*SELECT\b|.*\bRETURNING\b", re.S)
_PARAMETER = re.compile(r"\$(\d+)")

Call = tuple[list[int], list[str | None], list[bytes | None]]


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


class Together:
    """The function's name and text, and how it is called. Another set of statements is another name."""

    prefix = "liaison_run_"

    def __init__(self, statements: Mapping[str, Statement], types: Mapping[str, tuple[str, ...]]) -> None:
        """``types`` of the parameters of each statement that gives nothing back."""
        names = [name for name in sorted(types) if all(t in _TYPES for t in types[name])]
        self.steps = {name: Step(n, types[name]) for n, name in enumerate(names)}
        self._body = _body([(self.steps[name], statements[name].text) for name in names])
        self.name = f"{self.prefix}{zlib.crc32(self._body.encode()):08x}"
        self.call = f"SELECT {self.name}($1, $2, $3)"

    @property
    def text(self) -> str:
        """The statement that makes the function."""
        arguments = "which integer[], words text[], raws bytea[]"
        return (
            f"CREATE FUNCTION {self.name}({arguments}) RETURNS void LANGUAGE plpgsql AS $liaison${self._body}$liaison$"
        )

    def arguments(self, todo: Iterable[tuple[str, Sequence[Any]]]) -> Call:
        """The function's arguments for these statements (names with their parameters)."""
        which: list[int] = []
        words: list[str | None] = []
        raws: list[bytes | None] = []
        for name, values in todo:
            step = self.steps[name]
            which.append(step.number)
            for kind, value in zip(step.types, values, strict=True):
                if kind == "bytea":
                    raws.append(value)
                else:
                    words.append(value if kind == "text" or value is None else str(value))
        return which, words, raws


def _body(statements: Iterable[tuple[Step, str]]) -> str:
    """A loop over what is to be run; ``word`` and ``raw`` are what came before the parameters of its turn."""
    cases = "\n".join(_case(step, text) for step, text in statements)
    return f"""
#variable_conflict use_column
DECLARE liaison_step integer; liaison_word integer := 0; liaison_raw integer := 0;
BEGIN
FOREACH liaison_step IN ARRAY $1 LOOP CASE liaison_step
{cases}
END CASE; END LOOP;
END
"""


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
