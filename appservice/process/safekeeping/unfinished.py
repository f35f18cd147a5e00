"""A folder that is being filled: locked, and gone if nothing comes of it. What a kill leaves goes the next time."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.db.carrying.carriage import NotCarried

FILE, MANIFEST, KEYS = "hub.db", "manifest.json", "seal-keys.json"
"""What a backup consists of."""
_OURS = {FILE, MANIFEST, KEYS, *(FILE + end for end in ("-journal", "-wal", "-shm", ".lock"))}


@contextmanager
def filling(folder: Path, *, keep: bool = True) -> Iterator[None]:
    """A new folder for the time of the block; it stays if that ends well and it is to ``keep``.

    Raises NotCarried (somebody else has it just now), OSError.
    """
    folder.mkdir(mode=0o700)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _locked(held) or not _is(folder, held):
            raise NotCarried(f"somebody else has {folder} just now")
        try:
            yield
        except BaseException:
            keep = False
            raise
        finally:
            if not keep and _is(folder, held):
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def sweep(parent: Path, pattern: str, told: Callable[[str], None], own: Collection[str] = ()) -> None:
    """Take away what a process that was killed has left there, and tell; ``own``: names that are about to be used.

    A folder that somebody fills just now stays, and so does one with a file that no backup has. Raises NotCarried where
    one of these two is in the way, OSError.
    """
    for folder in sorted(parent.glob(pattern)):
        names = None if folder.is_symlink() or not folder.is_dir() else {path.name for path in folder.iterdir()}
        if names is not None and names <= _OURS and (names or folder.name in own):
            if _taken_away(folder):
                told(f"{folder} is gone: a command that was cut off had left it half-way")
            elif folder.name in own:
                raise NotCarried(f"another command fills {folder} just now")
        elif folder.name in own:
            raise NotCarried(f"{folder} is there already, and is no backup's: move it away")


def _taken_away(folder: Path) -> bool:
    """False: somebody fills it."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _locked(held):
            return False
        shutil.rmtree(folder)
        return True
    finally:
        os.close(held)


def _locked(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(folder: Path, held: int) -> bool:
    """Whether it is still there by this name."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(held))
    except FileNotFoundError:
        return False
