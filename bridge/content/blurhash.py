"""A picture as some thirty characters, of which a client paints a blur before the picture is there. Pure.

The algorithm of blurha.sh (Wolt), as MSC2448 names it: a cosine transform of few components in linear light.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_LINEAR = [v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in range(256)]
Colour = tuple[float, float, float]


def blurhash(pixels: Sequence[tuple[int, int, int]], width: int, height: int, across: int = 4, down: int = 3) -> str:
    """The hash of RGB ``pixels``, row by row; few are enough (32 × 32). 1 to 9 components each way."""
    light = [(_LINEAR[r], _LINEAR[g], _LINEAR[b]) for r, g, b in pixels]
    rows = [[math.cos(math.pi * y * n / height) for n in range(height)] for y in range(down)]
    columns = [[math.cos(math.pi * x * n / width) for n in range(width)] for x in range(across)]
    parts = [_component(light, columns[x], rows[y], x or y) for y in range(down) for x in range(across)]
    first, rest = parts[0], parts[1:]
    most = max((abs(v) for part in rest for v in part), default=0.0)
    scale = max(0, min(82, int(most * 166 - 0.5)))
    largest = (scale + 1) / 166 if rest else 1.0
    said = _digits(across - 1 + (down - 1) * 9, 1) + _digits(scale, 1) + _digits(_colour(first), 4)
    return said + "".join(_digits(_change(part, largest), 2) for part in rest)


def _component(light: list[Colour], column: list[float], row: list[float], varies: int) -> Colour:
    weights = [c * r for r in row for c in column]
    scale = (2 if varies else 1) / len(light)
    red, green, blue = (sum(w * pixel[n] for w, pixel in zip(weights, light, strict=True)) for n in range(3))
    return red * scale, green * scale, blue * scale


def _colour(colour: Colour) -> int:
    red, green, blue = (_byte(v) for v in colour)
    return red << 16 | green << 8 | blue


def _byte(linear: float) -> int:
    v = max(0.0, min(1.0, linear))
    return int((v * 12.92 if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055) * 255 + 0.5)


def _change(colour: Colour, largest: float) -> int:
    red, green, blue = (
        max(0, min(18, math.floor(math.copysign(abs(v / largest) ** 0.5, v) * 9 + 9.5))) for v in colour
    )
    return red * 19 * 19 + green * 19 + blue


def _digits(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83 ** (length - n) % 83] for n in range(1, length + 1))
