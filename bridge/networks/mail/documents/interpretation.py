"""What a laboratory's code says of a value: its mark and its French word. Pure.

Source: HL7 v3 ObservationInterpretation and HL7 v2 table 0078, which share their codes; HPRIM uses the first four.
"""

from __future__ import annotations

from dataclasses import dataclass

_UNSAID = frozenset({"N", "NEG", "S", "VS", "ND", "NR"})  # normal, negative, susceptible, not detected, not reactive


@dataclass(frozen=True, slots=True)
class Interpretation:
    """``mark`` stands at the value, ``word`` explains it; ``range``: whether the value is out of its limits."""

    mark: str
    word: str
    range: bool = False


_KNOWN = {
    "L": Interpretation("▼", "bas", range=True),
    "LL": Interpretation("▼▼", "très bas", range=True),
    "LU": Interpretation("▼▼", "nettement bas", range=True),
    "LX": Interpretation("▼", "sous le seuil bas", range=True),
    "<": Interpretation("▼▼", "sous le domaine de mesure", range=True),
    "H": Interpretation("▲", "élevé", range=True),
    "HH": Interpretation("▲▲", "très élevé", range=True),
    "HU": Interpretation("▲▲", "nettement élevé", range=True),
    "HX": Interpretation("▲", "au-dessus du seuil haut", range=True),
    ">": Interpretation("▲▲", "au-dessus du domaine de mesure", range=True),
    "A": Interpretation("⚠", "anormal"),
    "AA": Interpretation("⚠⚠", "très anormal"),
    "POS": Interpretation("⚠", "positif"),
    "DET": Interpretation("⚠", "détecté"),
    "IND": Interpretation("⚠", "indéterminé"),
    "E": Interpretation("⚠", "équivoque"),
    "RR": Interpretation("⚠", "réactif"),
    "WR": Interpretation("⚠", "faiblement réactif"),
    "R": Interpretation("⚠", "résistant"),
    "I": Interpretation("⚠", "sensibilité intermédiaire"),
    "MS": Interpretation("⚠", "modérément sensible"),
    "SDD": Interpretation("⚠", "sensible à dose augmentée"),
    "NS": Interpretation("⚠", "non sensible"),
    "D": Interpretation("⚠", "en nette baisse"),
    "U": Interpretation("⚠", "en nette hausse"),
    "W": Interpretation("⚠", "aggravé"),
    "B": Interpretation("⚠", "amélioré"),
}  # fmt: skip


def interpreted(code: str, said: str = "") -> Interpretation | None:
    """What a code means; None if there is nothing to mark. ``said``: its display name, for a code that nobody lists."""
    code = code.strip().upper()
    if code in _UNSAID or not (code or said.strip()):
        return None
    return _KNOWN.get(code) or Interpretation("⚠", said.strip() or code)


def listed(code: str) -> bool:
    """Whether the code is one of those above."""
    return code.strip().upper() in _KNOWN
