"""Which account is whose: the localpart of an RPPS number, and what only looks like one. Pure.

The hub makes the same names (``Names.native``, ``Identity``); its tests compare both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SEEN_AS = str.maketrans({"o": "0", "l": "1", "i": "1", "z": "2", "s": "5", "b": "8"})
_MARKS = re.compile(r"[._=/+-]")
_DIGITS = re.compile(r"[0-9olizsb]{11,}")
_REAL = 7  # digits that really are some, in what is taken for a number


@dataclass(frozen=True, slots=True)
class Localparts:
    """``<prefix>8<RPPS>`` is a professional's own account; ``ghosts`` are the prefixes of the hub's users."""

    prefix: str
    ghosts: Sequence[str] = ()

    def of(self, rpps: str) -> str:
        """The account of an RPPS number (11 digits): the national identifier (8 and the number) after the prefix."""
        return f"{self.prefix}8{rpps}"

    def rpps(self, localpart: str) -> str | None:
        """The number of exactly such an account."""
        found = re.fullmatch(re.escape(self.prefix) + "8([0-9]{11})", localpart, re.ASCII)
        return found[1] if found else None

    def reserved(self, localpart: str) -> bool:
        """Whether nobody but Pro Santé Connect may open it: a professional's account, or what looks like one."""
        return _seen(localpart).startswith(_seen(self.prefix)) or alike(localpart)

    def ghost(self, localpart: str) -> bool:
        """Whether the hub's registration has it."""
        return any(localpart.startswith(prefix) for prefix in self.ghosts)


def alike(localpart: str) -> bool:
    """Whether people may take it for an RPPS number: eleven digits or more, some of them letters that look like one."""
    plain = _MARKS.sub("", localpart.lower())
    return any(sum(c.isdigit() for c in run) >= _REAL for run in _DIGITS.findall(plain))


def _seen(text: str) -> str:
    """As eyes see it: ``ps_``, ``PS-`` and ``p5.`` are alike."""
    return _MARKS.sub("_", text.lower()).translate(_SEEN_AS)
