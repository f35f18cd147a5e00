"""An import from its files to the load in use: looked at, judged, sorted, written, judged again, put in its place.

Killed at any place it goes on there when it is started again with the same files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bridge.parts.failpoint import failpoint
from bridge.people.national.files.flatfiles import PublicText, look, sources
from bridge.people.national.files.runs import Runs, Sorted
from bridge.people.national.kept.lookup import state_of
from bridge.people.national.kept.tables import Loads, Tables
from bridge.people.national.loads import guards
from bridge.people.national.loads.building import Building, finish
from bridge.people.national.loads.guards import Hold, Limits, ReadText
from bridge.people.national.loads.succession import Succession, Tally
from bridge.people.searching.index_words import VERSION

Told = Callable[[str, int, int], None]
"""Of a stage (look, sort, write, index): what is done, and what there is in all (0: not known)."""


@dataclass(frozen=True, slots=True)
class Imported:
    """``state``: ``loaded``, ``unchanged`` or ``held`` (nothing has changed; ``holds`` say why)."""

    state: str
    number: int
    reads: Mapping[str, ReadText]
    tally: Tally = field(default_factory=Tally)
    holds: Sequence[Hold] = ()


class Loading:
    """Imports. ``folder`` is for sorted runs, about as large as the texts; ``force``: nothing holds a load."""

    def __init__(self, loads: Loads, folder: Path, limits: Limits, *, force: bool = False) -> None:
        self._loads = loads
        self._runs = Runs(folder / "runs")
        self._limits = limits
        self._force = force

    async def run(self, paths: Sequence[Path], told: Told = lambda *_: None) -> Imported:
        """Import these files. Raises BadFile, Unavailable (directory_in_use: another import runs)."""
        texts = sources(paths)
        async with self._loads.alone():
            current = await self._loads.current()
            old = await self._loads.open(current) if current is not None else None
            try:
                return await self._run(texts, old, told)
            finally:
                if old is not None:
                    await old.close()

    async def _run(self, texts: Sequence[PublicText], old: Tables | None, told: Told) -> Imported:
        known = await reads_of(old) if old is not None else {}
        reads = _looked(texts, told)
        if old is not None and await _unchanged(old, reads, known):
            await note_reads(old, {**known, **reads})
            return Imported("unchanged", old.number, reads)
        holds = guards.before(reads, known, self._limits)
        if holds and not self._force:
            return Imported("held", old.number if old is not None else 0, reads, holds=holds)
        draft = await self._draft({**known, **reads}, reads, old)
        try:
            return await self._write(draft, texts, reads, old, told)
        finally:
            await draft.close()

    async def _draft(self, every: Mapping[str, ReadText], reads: Mapping[str, ReadText], old: Tables | None) -> Tables:
        """The draft of just these files beside just this load, or a new one."""
        version = await state_of(old, "version") if old is not None else None
        inputs = json.dumps([VERSION, old.number if old is not None else 0, version, _plain(reads)], sort_keys=True)
        draft = await self._loads.draft()
        if await state_of(draft, "inputs") != inputs:
            await draft.close()
            await self._loads.tidy()
            self._runs.clear()
            draft = await self._loads.draft()
            notes = [("inputs", inputs), ("words", str(VERSION)), ("deltas", await _later(old, every))]
            await draft.write({}, [("put", notes)])
        await note_reads(draft, every)
        return draft

    async def _write(
        self, draft: Tables, texts: Sequence[PublicText], reads: Mapping[str, ReadText], old: Tables | None, told: Told
    ) -> Imported:
        made = _sorted(self._runs, texts, told)
        failpoint("directory.sorted")
        people = sum(one.records for one in made.values())
        succession = Succession(reads, max(read.generated for read in reads.values()))
        building = Building(draft, succession, lambda done: told("write", done, people))
        await building.write(self._runs.people(), old)
        if await state_of(draft, "finished") is None:
            await finish(draft, lambda done: told("index", done, 0))
            failpoint("directory.indexed")
            await draft.write({}, [("put", [("finished", "1"), ("tally", json.dumps(asdict(succession.tally)))])])
        odd = {reads[kind].name: (one.odd, reads[kind].lines) for kind, one in made.items()}
        holds = guards.after(succession.tally, self._limits, odd)
        if holds and not self._force:
            return Imported("held", draft.number - 1, reads, succession.tally, holds)
        failpoint("directory.before-publish")
        await self._loads.publish(draft.number)
        failpoint("directory.after-publish")
        self._runs.clear()
        return Imported("loaded", draft.number, reads, succession.tally)


def _looked(texts: Sequence[PublicText], told: Told) -> dict[str, ReadText]:
    found, done, whole = {}, 0, sum(text.size for text in texts)
    for text in texts:
        before = done
        seen = look(text, lambda at, before=before: told("look", before + at, whole))  # type: ignore[misc]
        found[text.layout.kind] = ReadText(text.name, text.generated, seen.header, seen.lines, seen.digest, seen.cut)
        done += text.size
    return found


def _sorted(runs: Runs, texts: Sequence[PublicText], told: Told) -> dict[str, Sorted]:
    made, done, whole = {}, 0, sum(text.size for text in texts)
    for text in texts:
        before = done
        made[text.layout.kind] = runs.sort(text, lambda at, before=before: told("sort", before + at, whole))  # type: ignore[misc]
        done += text.size
    return made


async def _later(old: Tables | None, every: Mapping[str, ReadText]) -> str:
    """The deltas of the load before that say something newer than the oldest of these files."""
    deltas = json.loads(await state_of(old, "deltas") or "{}") if old is not None else {}
    oldest = min(read.generated for read in every.values())
    return json.dumps({number: one for number, one in deltas.items() if one["generated"] > oldest})


async def _unchanged(old: Tables, reads: Mapping[str, ReadText], known: Mapping[str, ReadText]) -> bool:
    """Whether the load in use says the same already; a file that is older is looked at by the guards.

    A later file that says the same as before closes whoever was absent before, and replaces what a delta has said.
    """
    later = any(kind in known and known[kind].generated < read.generated for kind, read in reads.items())
    tally = Tally(**json.loads(await state_of(old, "tally") or "{}"))
    if later and (tally.absent or tally.boxes_gone or await state_of(old, "version")):
        return False
    same = all(
        kind in known and known[kind].digest == read.digest and known[kind].generated <= read.generated
        for kind, read in reads.items()
    )
    return same and not any(read.cut for read in reads.values()) and await state_of(old, "words") == str(VERSION)


async def reads_of(load: Tables) -> dict[str, ReadText]:
    """The texts of which a load was made, by kind of record."""
    return {kind: ReadText(**one) for kind, one in json.loads(await state_of(load, "reads") or "{}").items()}


async def note_reads(load: Tables, reads: Mapping[str, ReadText]) -> None:
    """See :func:`reads_of`."""
    await load.write({}, [("put", [("reads", json.dumps(_plain(reads)))])])


def _plain(reads: Mapping[str, ReadText]) -> dict[str, object]:
    return {kind: asdict(read) for kind, read in reads.items()}
