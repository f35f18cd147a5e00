"""Writes a site's files: what an operator has changed is left alone, and a second call changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appservice.process.conforming import secret_files
from appservice.process.conforming.choices import Site, site
from appservice.process.conforming.files import CHOICES, Text, files, folders
from bridge.config import BadConfig
from bridge.parts.disk import write_whole


@dataclass(frozen=True, slots=True)
class Laid:
    """What was written, and which files stand there by another hand (then nothing was written)."""

    written: tuple[str, ...]
    changed: tuple[str, ...]


def remembered(folder: str) -> dict[str, Any]:
    """The choices of the last call and the digests of what it wrote; empty before the first. Raises BadConfig."""
    path = Path(folder + CHOICES)
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadConfig(f"{path}: cannot be read ({type(error).__name__})") from None
    return found if isinstance(found, dict) else {}


def chosen(folder: str, given: Mapping[str, Any]) -> Site:
    """The site of the last call, with what is given now. Raises BadConfig."""
    before = dict(remembered(folder).get("site", {}))
    if given.get("domain", before.get("domain")) != before.get("domain"):
        before = {}  # another homeserver: nothing of the former holds
    return site(before | dict(given) | {"folder": folder})


def lay(wanted: Site) -> Laid:
    """Write what is missing or was written by an earlier call. Raises OSError."""
    made = remembered(wanted.folder).get("files", {})
    for path, (group, maker) in secret_files.makers(wanted).items():
        if not Path(path).exists():
            _parents(Path(path), group)
            secret_files.make(Path(path), maker())
            _give(Path(path), group, group)
    texts = files(wanted, secret_files.tokens(wanted))
    changed = tuple(path for path, text in texts.items() if _of_another_hand(Path(path), text, made.get(path)))
    if changed:
        return Laid((), changed)
    written = tuple(_write(texts, made))
    for place, owner in folders(wanted).items():
        _folder(Path(place), owner)
    digests = {path: digest(text.text) for path, text in texts.items() if not text.begun}
    kept = json.dumps({"site": wanted.kept(), "files": digests}, indent=1)
    _put(Path(wanted.path(CHOICES)), Text(kept + "\n", "liaison", 0o640))
    return Laid(written, ())


def digest(text: str) -> str:
    """Of a file as it was written."""
    return hashlib.sha256(text.encode()).hexdigest()


def _of_another_hand(path: Path, text: Text, before: str | None) -> bool:
    if text.begun or not path.exists():
        return False
    there = path.read_text("utf-8")
    return there != text.text and digest(there) != before


def _write(texts: Mapping[str, Text], before: Mapping[str, str]) -> Iterator[str]:
    for place, text in texts.items():
        path = Path(place)
        if path.exists() and (text.begun or path.read_text("utf-8") == text.text):
            continue
        _put(path, text)
        yield place
    for place in set(before) - set(texts):  # a process or a unit that is needed no more
        path = Path(place)
        if path.exists() and digest(path.read_text("utf-8")) == before[place]:
            path.unlink()
            yield place


def _put(path: Path, text: Text) -> None:
    """Closed to all until it has its owner."""
    _parents(path, text.group)
    write_whole(path, text.text.encode())
    _give(path, text.group if text.mode == secret_files.MODE else "", text.group)
    path.chmod(text.mode)


def _parents(path: Path, group: str) -> None:
    """Folders of a group are closed to all others; the shell's umask does not matter."""
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o750 if group else 0o755)
            _give(folder, "", group)


def _folder(path: Path, owner: str) -> None:
    """For data: its owner's alone; systemd makes it, too."""
    if not path.exists():
        _parents(path / "x", "")
        path.chmod(0o700 if owner else 0o755)
        _give(path, owner, owner)


def _give(path: Path, user: str, group: str) -> None:
    """To a user of this machine, as root and if there is one."""
    if os.geteuid() == 0 and group:
        with suppress(LookupError, PermissionError):
            shutil.chown(path, user or None, group)
