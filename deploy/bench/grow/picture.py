"""Curves as SVG, by hand: four panels for an axis, the size in powers of ten below, a line for each series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 210, 120, 46, 56, 66
_COLOURS = ("#1b6ca8", "#c1502e", "#2f7d4f", "#8a5aa8")


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure: its title, and the fields of a point that are drawn, each with a word."""

    title: str
    fields: Mapping[str, str]


PANELS = (
    Panel("CPU of a message, in PUTs", {"puts_to_matrix": "to Matrix", "puts_to_product": "to product"}),
    Panel("latency to product, ms", {"p99_ms": "99 of 100", "small_p99_ms": "a small hub, then"}),
    Panel("memory, MiB", {"memory_mib": ""}),
    Panel("database, MiB", {"database_mib": ""}),
)


def drawn(title: str, below: str, engines: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """One picture; ``engines``: the points of each database, the second one dashed."""
    width = _LEFT + len(PANELS) * (_WIDTH + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_TOP + _HEIGHT + 62}" '
        f'font-family="sans-serif" font-size="11" role="img"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="white"/><text x="{_LEFT}" y="18" font-size="14">{escape(title)}</text>'
    ]
    for n, panel in enumerate(PANELS):
        parts += _panel(panel, below, engines, _LEFT + n * (_WIDTH + _GAP))
    names = " · ".join(f"{name}: {'dashed' if n else 'drawn through'}" for n, name in enumerate(engines))
    parts.append(f'<text x="{_LEFT}" y="{_TOP + _HEIGHT + 52}" fill="#555">{escape(names)}</text></svg>\n')
    return "\n".join(parts)


def _panel(panel: Panel, below: str, engines: Mapping[str, Sequence[Mapping[str, Any]]], left: float) -> list[str]:
    sizes = sorted({int(p["size"]) for points in engines.values() for p in points})
    top = _round_up(max(float(p[f]) for points in engines.values() for p in points for f in panel.fields))

    def x(size: float) -> float:
        low, high = math.log10(sizes[0]), math.log10(sizes[-1])
        return left + _WIDTH * (math.log10(size) - low) / ((high - low) or 1)

    def y(value: float) -> float:
        return _TOP + _HEIGHT * (1 - value / top)

    parts = [f'<text x="{left}" y="{_TOP - 12}">{escape(panel.title)}</text>']
    for k in range(3):
        value = top * k / 2
        parts.append(f'<path d="M{left} {y(value):.1f}h{_WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 5}" y="{y(value) + 4:.1f}" text-anchor="end" fill="#555">{value:g}</text>')
    parts += [
        f'<text x="{x(size):.1f}" y="{_TOP + _HEIGHT + 15}" text-anchor="middle" fill="#555">{_short(size)}</text>'
        for size in sizes
    ]
    parts.append(f'<text x="{left}" y="{_TOP + _HEIGHT + 32}" fill="#555">{escape(below)}</text>')
    for dashed, points in enumerate(engines.values()):
        for n, (name, word) in enumerate(panel.fields.items()):
            way = " ".join(f"{'L' if k else 'M'}{x(p['size']):.1f} {y(p[name]):.1f}" for k, p in enumerate(points))
            dash = ' stroke-dasharray="5 4"' if dashed else ""
            parts.append(f'<path d="{way}" fill="none" stroke="{_COLOURS[n]}" stroke-width="2"{dash}/>')
            if word and not dashed:
                at = left + 8 + n * 78
                parts.append(f'<text x="{at}" y="{_TOP + 12}" fill="{_COLOURS[n]}">{escape(word)}</text>')
    return parts


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 of a power of ten above."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(power * k for k in (1, 2, 5, 10) if power * k >= value)


def _short(size: int) -> str:
    """``200k`` for 200,000."""
    for unit, word in ((1_000_000, "M"), (1_000, "k")):
        if size >= unit:
            return f"{size / unit:g}{word}"
    return str(size)
