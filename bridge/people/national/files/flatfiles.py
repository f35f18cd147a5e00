"""The public files on disk, as text or in a zip: which of them each is, when it was generated, and if it is whole."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bridge.people.national.files.columns import LAYOUTS, BadHeader, Binding, Layout

_GENERATED = re.compile(r"(?<!\d)(20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d)(?!\d)")
_BLOCK = 1 << 20
_HUGE = 16 * 1024  # bytes of one line; a real one has some hundreds


class BadFile(ValueError):
    """This file cannot be imported, whatever is forced; the text says why, and names it."""


@dataclass(frozen=True, slots=True)
class PublicText:
    """One of the texts: a file, or a ``member`` of a zip. ``generated`` is ``AAAAMMJJhhmm`` (UTC) from its name."""

    path: Path
    member: str | None
    layout: Layout
    generated: str
    size: int

    @property
    def name(self) -> str:
        """As an operator knows it."""
        return self.member or self.path.name

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes."""
        if self.member is None:
            with self.path.open("rb", _BLOCK) as file:
                yield file
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as member:
            yield member


@dataclass(frozen=True, slots=True)
class TextLook:
    """What a text holds. ``digest`` does not depend on the order of its lines. ``cut``: its last line is not whole."""

    header: str
    lines: int
    digest: str
    cut: bool


def sources(paths: Iterable[Path]) -> list[PublicText]:
    """The texts of these files, one of each kind. Raises BadFile."""
    found: dict[str, PublicText] = {}
    for path in paths:
        for one in _sources(path):
            if one.layout.kind in found:
                raise BadFile(f"{one.name}: {found[one.layout.kind].name} is of the same kind; give one of them")
            found[one.layout.kind] = one
    return [found[layout.kind] for layout in LAYOUTS if layout.kind in found]


def _sources(path: Path) -> list[PublicText]:
    try:
        if not zipfile.is_zipfile(path):
            return [_source(path, None, path.stat().st_size)]
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if _layout(m.filename) is not None]
    except (OSError, zipfile.BadZipFile) as error:
        raise BadFile(f"{path.name}: cannot be read ({type(error).__name__})") from None
    if not members:
        raise BadFile(f"{path.name}: there is none of {', '.join(layout.name for layout in LAYOUTS)} in it")
    return [_source(path, member.filename, member.file_size) for member in members]


def _source(path: Path, member: str | None, size: int) -> PublicText:
    name = member or path.name
    layout = _layout(name)
    if layout is None:
        raise BadFile(f"{name}: its name is none of {', '.join(layout.name for layout in LAYOUTS)}")
    generated = _GENERATED.search(name) or _GENERATED.search(path.name)
    if generated is None:
        raise BadFile(f"{name}: its name tells no generation time (AAAAMMJJhhmm)")
    return PublicText(path, member, layout, generated[1], size)


def _layout(name: str) -> Layout | None:
    start = name.rpartition("/")[2].casefold()
    return next((layout for layout in LAYOUTS if start.startswith(layout.name.casefold())), None)


def look(source: PublicText, told: Callable[[int], None] = lambda _: None) -> TextLook:
    """Read a text once, quickly, for what can be wrong with it; ``told`` of the bytes read. Raises BadFile."""
    total = lines = 0
    header, last = "", b"\n"
    with _readable(source), source.open() as file:
        header = _decoded(file.readline(_HUGE))
        try:
            binding = source.layout.bind(header)
        except BadHeader as bad:
            raise BadFile(f"{source.name}: its header has {bad}") from None
        for line in file:
            last = line
            lines += 1
            total += int.from_bytes(hashlib.blake2b(line.rstrip(b"\r\n|"), digest_size=16).digest())
            if not lines & 0xFFF:
                told(file.tell())
    cut = not last.endswith(b"\n") and binding.row(_decoded(last)) is None
    print_ = hashlib.blake2b(header.encode(), digest_size=16).hexdigest()
    return TextLook(header.strip("\ufeff\r\n|"), lines, f"{print_}{total % (1 << 128):032x}", cut)


def rows(source: PublicText, told: Callable[[int], None] = lambda _: None) -> Iterator[tuple[Binding, str]]:
    """The lines of a text after its header, each with the columns' binding. Raises BadFile."""
    with _readable(source), source.open() as file:
        binding = source.layout.bind(_decoded(file.readline(_HUGE)))
        for number, line in enumerate(file):
            yield binding, _decoded(line)
            if not number & 0xFFF:
                told(file.tell())


@contextmanager
def _readable(source: PublicText) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise BadFile(f"{source.name}: cannot be read to its end ({type(error).__name__})") from None


def _decoded(line: bytes) -> str:
    """A byte that is no UTF-8 spoils its own character only."""
    return line.decode("utf-8", "replace")
