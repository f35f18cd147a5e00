"""In which language each person reads what the hub says, where they have chosen one."""

from __future__ import annotations

from bridge.db import Database
from bridge.db.pages import pages
from bridge.errors import Refused
from bridge.words import LANGUAGES


class Languages:
    """In memory are those who chose: few, and a word each."""

    def __init__(self) -> None:
        self._chosen: dict[str, str] = {}

    async def start(self, db: Database) -> None:
        """Load what was chosen."""
        self._db = db
        async for page in pages(db, "language.all", ("",), ("person",)):
            self._chosen.update((row["person"], row["language"]) for row in page)

    def of(self, person: str) -> str | None:
        """What a person (id) has chosen, one of :data:`bridge.words.LANGUAGES`; None: nothing."""
        return self._chosen.get(person)

    async def choose(self, person: str, language: str) -> None:
        """From now on. Raises Refused (invalid) for a language that the hub does not speak."""
        if language not in LANGUAGES:
            raise Refused("invalid", "language")
        if self._chosen.get(person) == language:
            return
        async with self._db.transaction("people.language") as tx:
            await tx.run("language.choose", person, language)
        self._chosen[person] = language

    def forget(self, person: str) -> None:
        """Their choice is on disk no more."""
        self._chosen.pop(person, None)
