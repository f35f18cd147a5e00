"""The directory in which the last good list and CRLs outlive restarts; every write is whole or not there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bridge.parts.disk import write_whole

_JOURNAL_LINES = 1000


@dataclass(frozen=True, slots=True)
class Note:
    """About the list on the shelf; times in seconds since 1970."""

    digest: str
    accepted_at: float
    confirmed_at: float
    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Setback:
    """Why the list could not be renewed, and since when (seconds since 1970)."""

    code: str
    since: float


class Shelf:
    """One directory (mode 0700). All calls block on the disk: run them in a thread. They raise OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save_list(self, data: bytes, note: Note, entry: dict[str, Any]) -> None:
        """A newly accepted list, and a line about it in the journal."""
        self.write("list.xml", data)
        self.note(note)
        self._journal(entry)

    def note(self, note: Note) -> None:
        """The list in use was confirmed: what was held is of no interest any more."""
        self.write("list.json", json.dumps(asdict(note)).encode())
        self._release()

    def load_list(self) -> tuple[bytes, Note] | None:
        """The list and what is known of it; a note that does not fit its bytes is replaced by the file's time."""
        if (data := self.read("list.xml")) is None:
            return None
        written = (self._directory / "list.xml").stat().st_mtime
        try:
            note = Note(**json.loads(self.read("list.json") or b"{}"))
            float(note.accepted_at), float(note.confirmed_at)
        except (ValueError, TypeError):
            note = Note("", written, written)
        return data, note

    def trouble(self) -> Setback | None:
        """Why the last refresh brought nothing, if it did not."""
        try:
            return Setback(**json.loads(self.read("trouble.json") or b""))
        except (ValueError, TypeError):
            return None

    def note_trouble(self, code: str | None, now: float) -> None:
        """The last refresh met with this; None: with nothing."""
        if code is None:
            (self._directory / "trouble.json").unlink(missing_ok=True)
        elif (known := self.trouble()) is None or known.code != code:
            self.write("trouble.json", json.dumps(asdict(Setback(code, now))).encode())

    def hold(self, data: bytes) -> None:
        """A list that a person must look at first."""
        self.write("held.xml", data)

    def allowed(self) -> str:
        """The digest of the held list that a person has accepted, or nothing."""
        return (self.read("accept") or b"").decode("ascii", "replace").strip()

    def allow(self, digest: str) -> None:
        """Accept a held list: the next refresh takes it."""
        self.write("accept", digest.encode("ascii"))

    def read(self, name: str) -> bytes | None:
        """A file, or None if there is none."""
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def names(self, pattern: str) -> list[str]:
        """The files that match."""
        return sorted(path.name for path in self._directory.glob(pattern))

    def write(self, name: str, data: bytes) -> None:
        """Replace a file, atomically and durably."""
        write_whole(self._directory / name, data)

    def _release(self) -> None:
        for name in ("held.xml", "accept"):
            (self._directory / name).unlink(missing_ok=True)

    def _journal(self, entry: dict[str, Any]) -> None:
        lines = (self.read("journal.jsonl") or b"").splitlines()[-_JOURNAL_LINES + 1 :]
        self.write("journal.jsonl", b"".join(line + b"\n" for line in [*lines, json.dumps(entry).encode()]))
