"""The directory: which load is in use, of which files, how old they are, and whether an import is under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from appservice.operating.door import Act
from bridge.config import DirectorySettings
from bridge.errors import Unavailable
from bridge.people.national.kept.tables import Loads
from bridge.people.national.loads.succession import at
from bridge.people.national.status import LoadStatus, status_of

Json = dict[str, Any]


def _now() -> datetime:
    return datetime.now(UTC)


class Imports:
    """``loads``: of the national directory; None: a CSV file says who is who."""

    def __init__(
        self, settings: DirectorySettings, loads: Loads | None, clock: Callable[[], datetime] = _now
    ) -> None:  # fmt: skip
        self._settings, self._loads, self._clock = settings, loads, clock

    def acts(self) -> Mapping[str, Act]:
        """What the hub does when it is asked."""
        return {"directory": self.answer}

    async def answer(self, asked: Json) -> Json:
        """``{"kind", "load"}``; the load as :class:`bridge.people.national.status.LoadStatus` has it, or None."""
        if self._loads is None:
            path = self._settings.flatfile
            return {"kind": "csv", "file": None if path is None else path.name, "load": None}
        found = await self._load()
        return {"kind": "national", "file": None, "load": None if found is None else self._shown(found)}

    async def _load(self) -> LoadStatus | None:
        assert self._loads is not None
        try:
            return await status_of(self._loads)
        except Unavailable as reason:
            if reason.code != "directory":
                raise
            return None  # there are no tables yet

    def _shown(self, found: LoadStatus) -> Json:
        age, settings = found.age(self._clock()), self._settings
        return {
            "number": found.number,
            "files": [
                {"name": read.name, "lines": read.lines, "at": _ms(read.generated)} for read in found.reads.values()
            ],
            "deltas": [
                {"number": number, "name": delta["name"], "at": _ms(delta["generated"])}
                for number, delta in found.deltas.items()
            ],
            "tally": asdict(found.tally), "age": age, "outdated": found.outdated,
            "old": age > settings.warn_after, "stale": age > settings.stale_after,
        }  # fmt: skip


def _ms(generated: str) -> int | None:
    return int(at(generated).timestamp() * 1000) if generated else None
