"""What a hub needs from its machine and from elsewhere: certificates, room on disks, lists. Each worker has its own."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from bridge.config import Config, DirectorySettings
from bridge.connector import Followed
from bridge.errors import Unavailable
from bridge.people.directories.watched import WatchedFile
from bridge.people.national.national import National
from bridge.people.national.status import status_of

_SQLITE = "sqlite:///"
_AGAIN = 60.0  # s between two looks at the age of the national directory
_LISTENERS = ("matrix_listen", "connect_listen", "clients_listen", "metrics_listen")


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of a folder in which the hub writes; bytes, ``free``: those that the hub may still use."""

    path: str
    free: int
    size: int


class Surroundings:
    """``certificates``: files in PEM by the option that names them; ``folders``: where the hub writes."""

    def __init__(
        self, certificates: Mapping[str, Path], folders: Sequence[Path], directory: WatchedFile | National,
        rules: DirectorySettings,
    ) -> None:  # fmt: skip
        self._certificates, self._folders = certificates, folders
        self._directory, self._rules = directory, rules
        self._ends: dict[Path, tuple[int, int]] = {}  # file -> when it was written, when it ends
        self._national: tuple[float, Followed] | None = None

    def certificates(self) -> dict[str, int]:
        """When each of them ends (s since 1970); 0: it cannot be read."""
        return {name: self._end(path) for name, path in self._certificates.items()}

    def _end(self, path: Path) -> int:
        try:
            mark = path.stat().st_mtime_ns
            if path not in self._ends or self._ends[path][0] != mark:
                found = x509.load_pem_x509_certificate(path.read_bytes())
                self._ends[path] = mark, int(found.not_valid_after_utc.timestamp())
        except (OSError, ValueError):
            return 0
        return self._ends[path][1]

    def disks(self) -> list[Disk]:
        """One for each disk."""
        found: dict[int, Disk] = {}
        for folder in self._folders:
            try:
                usage = shutil.disk_usage(folder)
                found.setdefault(folder.stat().st_dev, Disk(str(folder), usage.free, usage.total))
            except OSError:
                found.setdefault(-1, Disk(str(folder), 0, 0))
        return list(found.values())

    async def directory(self) -> Followed:
        """Who is who: a file is old once it was refused, the national directory also once its files are old."""
        if isinstance(self._directory, WatchedFile):
            trouble = self._directory.trouble
            return Followed("directory", self._directory.read_at, bool(trouble), trouble)
        now = time.monotonic()
        if self._national is None or now - self._national[0] >= _AGAIN:
            self._national = now, await self._of_nation(self._directory)
        return self._national[1]

    async def _of_nation(self, directory: National) -> Followed:
        try:
            status = await status_of(directory.loads)
        except Unavailable:
            return Followed("directory", 0.0, True, "its tables cannot be used")
        if status is None:
            return Followed("directory", 0.0, True, "nothing was imported yet")
        age, trouble = status.age(datetime.now(UTC)), directory.trouble
        return Followed("directory", time.time() - age, bool(trouble) or age > self._rules.warn_after, trouble)


def surroundings(config: Config, directory: WatchedFile | National) -> Surroundings:
    """As a configuration names them."""
    smtp = config.networks.get("mail", {}).get("smtp", {})
    tls: dict[str, Any] = smtp.get("tls", {}) if isinstance(smtp, dict) else {}
    files = {name: getattr(config, name).certificate for name in _LISTENERS if getattr(config, name) is not None}
    files["console"] = (config.console or {}).get("certificate")
    files |= {f"mail.{name}": tls.get(name) for name in ("certificate", "client_certificate")}
    folders = (
        [Path(config.database.url.removeprefix(_SQLITE)).parent] if config.database.url.startswith(_SQLITE) else []
    )
    folders += [config.directory.folder] if config.directory.folder is not None else []
    folders += [config.trust.federation.state.parent] if config.trust.federation is not None else []
    certificates = {name: Path(path) for name, path in files.items() if path is not None}
    return Surroundings(certificates, folders, directory, config.directory)
