"""Who is away when, by person: those of the rota's file, or those that people's own products declare."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model import Absence, Address


class Absences:
    """In memory. An account declares one absence at most; what is over goes with the next one that is declared."""

    def __init__(self) -> None:
        self._of: dict[str, list[Absence]] = {}
        self._by: dict[Address, Absence] = {}

    def add(self, absence: Absence) -> None:
        """One that nobody takes back."""
        self._of.setdefault(absence.who, []).append(absence)

    def of(self, person: str) -> Sequence[Absence]:
        """Every absence of a person (id), over or not."""
        return self._of.get(person, ())

    def declare(self, account: Address, absence: Absence | None) -> Absence | None:
        """The absence that counts for an account from now on; None: nobody is away. Gives the one of before."""
        before = self._by.pop(account, None)
        if before is not None:
            mine = self._of[before.who]
            mine.remove(before)
            if not mine:
                del self._of[before.who]
        if absence is not None:
            self._by[account] = absence
            self.add(absence)
        return before

    def over(self, now: int) -> None:
        """Forget what people declared and what is over at a time (ms)."""
        for account in [account for account, one in self._by.items() if one.end <= now]:
            self.declare(account, None)
