"""How a French name sounds, nearly: names that are spelt differently and said alike have one code. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

_KEPT = 65_536
_SHORTEST = 3
_RULES = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"ph", "f"), (r"s?ch(?=r)", "k"), (r"sch|sh|ch", "x"), (r"sque\b", "k"), (r"gn", "ni"),
        (r"qu|q|ck", "k"), (r"sc(?=[eiy])|c(?=[eiy])", "s"), (r"c", "k"), (r"gu(?=[eiy])", "g"), (r"g(?=[eiy])", "j"),
        (r"h", ""), (r"eau|au", "o"), (r"ou", "u"), (r"oeu|oe|eu", "e"), (r"ai|ay|ei|ey", "e"), (r"y", "i"),
        (r"e(?=[nm](?:[^aeiounm]|$))", "a"), (r"w", "v"), (r"bv", "v"), (r"z", "s"), (r"(.)\1+", r"\1"),
    )
)  # fmt: skip
_MUTE = re.compile(r"(?:e+s?|[sdtxz]+)$")


@lru_cache(_KEPT)
def sound(word: str) -> str:
    """The code of a folded word; nothing for one that is too short to be told by its sound."""
    code = word
    for pattern, said in _RULES:
        code = pattern.sub(said, code)
    code = _MUTE.sub("", code)
    return code if len(code) >= _SHORTEST else ""
