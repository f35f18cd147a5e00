"""The audit trail, searched backwards: a bounded number of rows for each question, and where to go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appservice.operating.door import Act
from appservice.operating.why import handle
from bridge.db import Database
from bridge.model import MAIL
from bridge.seal import Seal
from bridge.trail.aliases import Aliases
from bridge.trail.chain import parse_body
from bridge.trail.chaining import alias_key

Json = dict[str, Any]
SHOWN = 50
LOOKED_AT = 5_000
"""Rows that one question reads."""
_PAGE = 1_000
_ABOUT = ("actor", "subject", "object")


class TrailSearch:
    """Rows of the chain, the newest first."""

    def __init__(self, db: Database, seal: Seal) -> None:
        self._db, self._seal = db, seal

    def acts(self) -> Mapping[str, Act]:
        """What the hub does when it is asked."""
        return {"audit": self.answer}

    async def answer(self, asked: Json) -> Json:
        """Rows ``before`` a number (0: the newest), not later than ``until`` (ms), of a ``kind``, ``about`` somebody.

        ``about`` is an id or an address as people write it. Gives ``{"rows", "next"}``; None: there are no more.
        """
        kind, about = asked["kind"], asked["about"]
        names = set[object]() if about is None else {about, await self._alias(about)}
        before, found, looked = await self._start(asked["before"], asked["until"]), list[Json](), 0
        while looked < LOOKED_AT:
            rows = await self._db.all("trail.before", before, _PAGE)
            for row in rows:
                before, looked = int(row["number"]), looked + 1
                body = parse_body(row["body"])
                late = asked["until"] is not None and body["at"] >= asked["until"]
                if late or (kind is not None and body["kind"] != kind) or (names and not _names(body) & names):
                    continue
                found.append({"number": before, **body})
                if len(found) == SHOWN:
                    return {"rows": found, "next": before}
            if len(rows) < _PAGE:
                return {"rows": found, "next": None}
        return {"rows": found, "next": before}

    async def _alias(self, about: str) -> str | None:
        """How the chain names somebody whom an operator names by number, by address, or by an account."""
        ident = handle(about)
        ident = f"{MAIL}:{ident.removeprefix('mailto:').lower()}" if ident.startswith("mailto:") else ident
        return Aliases(await alias_key(self._db, self._seal)).of(ident)

    async def _start(self, before: int, until: int | None) -> int:
        """The number below which to begin: a checkpoint after the time that is asked for, if there is one."""
        if before > 0 or until is None:
            return before if before > 0 else 2**62
        row = await self._db.one("trail.checkpoint-after", until)
        return 2**62 if row is None else int(row["number"]) + 1


def _names(body: Mapping[str, object]) -> set[object]:
    """Whom and what a row names."""
    details = body["details"]
    more = {details.get("conversation")} if isinstance(details, Mapping) else set()
    return {body[name] for name in _ABOUT} | more
