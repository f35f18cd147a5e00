"""Sorts the records of files that are larger than memory: sorted runs on disk, merged into one stream by id.

A run that is there is whole, so an import that was killed goes on after the last file that was sorted.
"""

from __future__ import annotations

import heapq
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from bridge.parts.disk import write_whole
from bridge.people.national.files.flatfiles import PublicText, rows
from bridge.people.national.files.records import to_line

_RUN = 60_000  # records that are sorted in memory at once, about 25 MB
_BUFFER = 1 << 18


@dataclass(frozen=True, slots=True)
class Sorted:
    """What was found in a text. ``odd``: lines that name nobody or are no row of the file."""

    records: int
    odd: int
    runs: int


class Runs:
    """The runs of one import in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sort(self, source: PublicText, told: Callable[[int], None] = lambda _: None) -> Sorted:
        """Sort the records of a text, once."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        note = self._folder / f"{source.layout.kind}.json"
        if note.exists():
            return Sorted(**json.loads(note.read_text("ascii")))
        lines: list[str] = []
        records = odd = runs = 0
        for binding, line in rows(source, told):
            found = binding.record(line)
            if found is None:
                odd += 1
                continue
            lines.append(f"{found[0]}\t{to_line(found[1])}\n")
            if len(lines) == _RUN:
                records, runs = records + self._write(source.layout.kind, runs, lines), runs + 1
        records, runs = records + self._write(source.layout.kind, runs, lines), runs + 1
        done = Sorted(records, odd, runs)
        write_whole(note, json.dumps(asdict(done)).encode())
        return done

    def _write(self, kind: str, number: int, lines: list[str]) -> int:
        lines.sort()
        many = len(lines)
        with open(self._folder / f"{kind}-{number:04d}.run", "w", _BUFFER, encoding="utf-8", newline="\n") as run:
            run.writelines(lines)
        lines.clear()
        return many

    def people(self) -> Iterator[tuple[str, str]]:
        """Each id with all its records (see :func:`.records.to_lines`), in the order of the ids."""
        with ExitStack() as stack:
            runs = [
                stack.enter_context(open(path, buffering=_BUFFER, encoding="utf-8", newline="\n"))
                for path in sorted(self._folder.glob("*.run"))
            ]
            for ident, lines in groupby(heapq.merge(*runs), lambda line: line[: line.index("\t")]):
                start = len(ident) + 1
                yield ident, "\n".join(dict.fromkeys(line[start:-1] for line in lines))

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)
