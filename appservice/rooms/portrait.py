"""Pure: the picture of a professional: initials on the colour of the profession, as a PNG (RFC 2083) of some 1 KB.

Most names begin with "Dr", so the letter that clients draw by themselves is D for everybody. An SVG is shown by few
clients and has no thumbnail in Synapse; a library that draws would be the hub's largest for 26 letters. So the letters
are strokes on a grid of 8 by 12.
"""

from __future__ import annotations

import struct
import unicodedata
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise
from math import hypot

from bridge.model import Person

SIZE = 96  # pixels each way
_UNIT, _STROKE = 3.2, 3.0  # pixels: of the grid, half the width of a line
_GAP = 4  # of the grid between two letters
_LETTERS = {
    "A": "0,12 4,0 8,12|2,8 6,8",
    "B": "0,0 0,12 6,12 8,10 8,8 6,6 0,6|6,6 7,5 7,2 6,0 0,0",
    "C": "8,2 6,0 2,0 0,2 0,10 2,12 6,12 8,10",
    "D": "0,0 0,12 5,12 8,9 8,3 5,0 0,0",
    "E": "8,0 0,0 0,12 8,12|0,6 6,6",
    "F": "8,0 0,0 0,12|0,6 6,6",
    "G": "8,2 6,0 2,0 0,2 0,10 2,12 6,12 8,10 8,6 5,6",
    "H": "0,0 0,12|8,0 8,12|0,6 8,6",
    "I": "4,0 4,12|2,0 6,0|2,12 6,12",
    "J": "8,0 8,10 6,12 2,12 0,10",
    "K": "0,0 0,12|8,0 0,7|3,5 8,12",
    "L": "0,0 0,12 8,12",
    "M": "0,12 0,0 4,6 8,0 8,12",
    "N": "0,12 0,0 8,12 8,0",
    "O": "2,0 6,0 8,2 8,10 6,12 2,12 0,10 0,2 2,0",
    "P": "0,12 0,0 6,0 8,2 8,5 6,7 0,7",
    "Q": "2,0 6,0 8,2 8,10 6,12 2,12 0,10 0,2 2,0|5,9 8,12",
    "R": "0,12 0,0 6,0 8,2 8,5 6,7 0,7|4,7 8,12",
    "S": "8,2 6,0 2,0 0,2 0,4 2,6 6,6 8,8 8,10 6,12 2,12 0,10",
    "T": "0,0 8,0|4,0 4,12",
    "U": "0,0 0,10 2,12 6,12 8,10 8,0",
    "V": "0,0 4,12 8,0",
    "W": "0,0 2,12 4,5 6,12 8,0",
    "X": "0,0 8,12|8,0 0,12",
    "Y": "0,0 4,6 8,0|4,6 4,12",
    "Z": "0,0 8,0 0,12 8,12",
}
_COLOURS = (
    (0x1F, 0x4E, 0x79), (0x8A, 0x2B, 0x3C), (0x2E, 0x6B, 0x3E), (0x6A, 0x3D, 0x8F), (0x9A, 0x55, 0x1A),
    (0x1B, 0x6F, 0x75), (0x5B, 0x5B, 0x1F), (0x7A, 0x2E, 0x6D), (0x3A, 0x4A, 0x9B), (0x4F, 0x4F, 0x4F),
)  # fmt: skip
_TITLES = {"dr", "pr", "m", "mr", "mme", "mlle", "docteur", "professeur", "monsieur", "madame"}
_SILENT = {"de", "du", "des", "d", "la", "le", "les", "l", "et"}

Segment = tuple[float, float, float, float]


def look(person: Person) -> str | None:
    """What a picture is made from: initials and the number of a colour; None: no letter can be drawn."""
    letters = initials(person.name)
    return f"{letters}{_colour(person.profession)}" if letters else None


def initials(name: str) -> str:
    """Of the first and the last word that name somebody, in plain capital letters: ``Dr Cléo Petit`` gives CP."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = "".join(c if c.isascii() and c.isalpha() else " " for c in plain).split()
    words = [word for word in words if word not in _TITLES and word not in _SILENT]
    return "".join(word[0] for word in ([words[0], words[-1]] if len(words) > 1 else words)).upper()


def draw(look: str) -> bytes:
    """The picture."""
    letters, colour = look[:-1], _COLOURS[int(look[-1])]
    ink = bytearray(SIZE * SIZE)
    for segment in _segments(letters):
        _stroke(ink, segment)
    shades = [bytes(part + (255 - part) * level // 255 for part in colour) for level in range(256)]
    rows = (b"\0" + b"".join(shades[level] for level in ink[at : at + SIZE]) for at in range(0, len(ink), SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _colour(profession: str) -> int:
    """The same for one profession, whatever comes after its first words (a speciality)."""
    first = profession.casefold().partition("—")[0].strip()
    return blake2b(first.encode("utf-8", "replace"), digest_size=1).digest()[0] % len(_COLOURS)


def _segments(letters: str) -> Iterator[Segment]:
    left = (SIZE - _UNIT * (len(letters) * 8 + (len(letters) - 1) * _GAP)) / 2
    top = (SIZE - _UNIT * 12) / 2
    for place, letter in enumerate(letters):
        begin = left + place * _UNIT * (8 + _GAP)
        for line in _LETTERS[letter].split("|"):
            points = [tuple(map(int, point.split(","))) for point in line.split()]
            at = [(begin + x * _UNIT, top + y * _UNIT) for x, y in points]
            yield from ((*one, *other) for one, other in pairwise(at))


def _stroke(ink: bytearray, segment: Segment) -> None:
    """A line with round ends and soft edges."""
    ax, ay, bx, by = segment
    reach = _STROKE + 1
    for y in range(int(min(ay, by) - reach), int(max(ay, by) + reach) + 1):
        for x in range(int(min(ax, bx) - reach), int(max(ax, bx) + reach) + 1):
            if 0 <= x < SIZE and 0 <= y < SIZE:
                cover = _STROKE + 0.5 - _distance(x + 0.5, y + 0.5, segment)
                ink[y * SIZE + x] = max(ink[y * SIZE + x], int(255 * max(0.0, min(1.0, cover))))


def _distance(x: float, y: float, segment: Segment) -> float:
    ax, ay, bx, by = segment
    length = (bx - ax) ** 2 + (by - ay) ** 2
    part = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length if length else 0.0
    part = max(0.0, min(1.0, part))
    return hypot(x - ax - part * (bx - ax), y - ay - part * (by - ay))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
