"""How strongly an account is bound to a professional: from a product's bare word to a national login. Pure.

The federation's list says for each product how much is needed. A rule of accounts says which professional
the user of a listed homeserver is: that server's word, which the list has judged good enough.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum


class Proof(IntEnum):
    """From weak to strong; what is stronger also counts as what is weaker."""

    WORD = 0  # the product says so
    SIGNED = 1  # the product has signed that its user has proven to be this professional
    NATIONAL = 2  # the professional has logged in by Pro Santé Connect, and its identity token says so

    @property
    def word(self) -> str:
        """As configurations, lists and the API write it."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Proof | None:
        """The proof of this word, None if there is none."""
        return next((one for one in cls if one.word == word), None)


_PLACE = "{rpps}"
_RULE = re.compile(r"[a-z0-9._=/+-]*\{rpps\}[a-z0-9._=/+-]*")


@dataclass(frozen=True, slots=True)
class AccountRule:
    """``dr.{rpps}``: the localpart of a server's users who are professionals, with their 11 digits."""

    template: str

    @classmethod
    def parse(cls, text: str) -> AccountRule:
        """Raises ValueError."""
        if not _RULE.fullmatch(text):
            raise ValueError("a localpart with {rpps} once, in lower case, such as dr.{rpps}")
        return cls(text)

    def rpps(self, localpart: str) -> str | None:
        """The number that a localpart holds by this rule, None: it is somebody else's."""
        before, _, after = self.template.partition(_PLACE)
        number = localpart[len(before) : len(localpart) - len(after) if after else None]
        fits = localpart == f"{before}{number}{after}"
        return number if fits and number.isascii() and re.fullmatch(r"[0-9]{11}", number) else None
