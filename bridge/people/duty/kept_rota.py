"""The rota as its files say now: read again when one has changed; if they cannot be used, the last good one stays."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from bridge.config import BadConfig
from bridge.people.duty.absences import Absences
from bridge.people.duty.rota import Rota
from bridge.people.duty.rota_file import read_rota

log = logging.getLogger(__name__)
Marks = tuple[tuple[str, int, int], ...]


class KeptRota:
    """``path``: a YAML file, None: there is no function. The first reading raises BadConfig."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._files: Sequence[Path] = ()
        self._marks: Marks = ()
        self.changed: Callable[[], None] = lambda: None
        self.declared = Absences()
        """Who is absent by their own word, whatever the file says."""
        self.now = Rota(declared=self.declared)
        """The rota that counts."""
        if path is not None:
            self.now, self._files = read_rota(path, self.declared)
            self._marks = _marks(self._files)

    def look(self) -> bool:
        """Read the files again if one of them has changed; True: there is a new rota. It never raises."""
        if self._path is None or (marks := _marks(self._files)) == self._marks:
            return False
        self._marks = marks
        try:
            self.now, self._files = read_rota(self._path, self.declared)
        except BadConfig as problem:
            for line in str(problem).splitlines():
                log.error("ALARM the rota is not read again, the one of before stays: %s", line)
            return False
        self._marks = _marks(self._files)
        self.changed()
        log.info("the rota is read again: %d functions", len(self.now.functions))
        return True


def _marks(files: Sequence[Path]) -> Marks:
    found = []
    for path in files:
        try:
            known = path.stat()
            found.append((str(path), known.st_mtime_ns, known.st_size))
        except OSError:
            found.append((str(path), 0, 0))
    return tuple(found)
