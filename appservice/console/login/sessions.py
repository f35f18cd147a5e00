"""Who is logged in: a secret in the browser's cookie, its hash in a row, an end when idle and an end in any case."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appservice.console.settings import ConsoleSettings
from bridge.db import Conflict, Database, Tx
from bridge.errors import Refused
from bridge.seal import Seal, SealBroken
from bridge.trail.entry import TrailEntry, TrailKind, note

_STEPS = 15  # parts of the idle time after which a row is written again
_MOST = 100  # sessions of one person that the provider's word ends at once
KEPT = 86_400_000  # ms that an ended session is kept, so that its login leads nowhere else


@dataclass(frozen=True, slots=True)
class Operator:
    """Who asks. ``session``: its row. ``acts``: they may do, not only look."""

    session: str
    name: str
    acts: bool

    @property
    def by(self) -> str:
        """As the audit trail names them."""
        return f"operator {self.name}"


@dataclass(frozen=True, slots=True)
class NewSession:
    """Whom the provider has sent. ``login``: the way through it, used once; ``token``: its identity token."""

    login: str
    subject: str
    sid: str
    name: str
    acts: bool
    token: str


def hashed(secret: str) -> str:
    """What of a secret is in the database."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class ConsoleSessions:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, db: Database, seal: Seal, settings: ConsoleSettings, clock: Callable[[], int]) -> None:
        self._db, self._seal, self._clock = db, seal, clock
        self._idle, self._longest = int(settings.idle * 1000), int(settings.longest * 1000)

    async def begin(self, new: NewSession) -> str:
        """A session; gives the secret of its cookie. Raises Refused (login_again): its login has led here before."""
        secret, now = secrets.token_urlsafe(32), self._clock()
        ident, ends = hashed(secret), now + self._longest
        sealed = self._seal.seal(new.token.encode(), f"console token {ident}")
        try:
            async with self._db.transaction("console.login") as tx:
                await tx.run("console.forget", now - KEPT)
                await tx.run("console.forget_said", now)
                values = (new.subject, new.sid, new.name, int(new.acts), sealed, now, ends)
                await tx.run("console.begin", ident, hashed(new.login), *values)
                role = "act" if new.acts else "see"
                await note(tx, self._entry(TrailKind.LOGIN, f"operator {new.name}", ident, role, new.subject), now)
        except Conflict:
            raise Refused("login_again") from None
        return secret

    async def used(self, login: str) -> bool:
        """Whether a way through the provider has led here before."""
        return await self._db.one("console.used", hashed(login)) is not None

    async def find(self, secret: str) -> Operator | None:
        """Whose session it is, if it counts."""
        now, row = self._clock(), await self._db.one("console.session", hashed(secret))
        if row is None or row["ended"] or now >= row["ends"] or now - row["seen"] >= self._idle:
            return None
        if now - row["seen"] > self._idle // _STEPS:
            async with self._db.transaction("console.seen") as tx:
                await tx.run("console.seen", row["id"], now)
        return Operator(row["id"], row["name"], bool(row["acts"]))

    async def end(self, who: Operator) -> str | None:
        """They log out; gives the identity token by which the provider ends its own session."""
        row = await self._db.one("console.token", who.session)
        async with self._db.transaction("console.logout") as tx:
            await self._ended(tx, who.session, who.by, "logged_out")
        try:
            return (
                None if row is None else self._seal.open(bytes(row["token"]), f"console token {who.session}").decode()
            )
        except SealBroken:  # its key is gone
            return None

    async def replaced(self, secret: str) -> None:
        """Somebody logs in where a session is: that one ends."""
        async with self._db.transaction("console.logout") as tx:
            await tx.run("console.end", hashed(secret), self._clock())

    async def ended_there(self, said: str, until: int, subject: str, sid: str) -> int:
        """The provider says that its session (``sid``), or all of a person, have ended; gives how many are here.

        ``said``: the id of its word, which counts once, and not after ``until`` (ms). Raises Refused (login_token).
        """
        statement, key = ("of_sid", sid) if sid else ("of_subject", subject)
        try:
            async with self._db.transaction("console.logout") as tx:
                await tx.run("console.said", hashed(said), until)
                rows: Sequence[object] = await tx.all(f"console.{statement}", key, _MOST)
                for row in rows:
                    await self._ended(tx, row["id"], f"operator {row['name']}", "ended_there")  # type: ignore[index]
        except Conflict:
            raise Refused("login_token", about="jti") from None
        return len(rows)

    async def _ended(self, tx: Tx, ident: str, by: str, how: str) -> None:
        now = self._clock()
        await tx.run("console.end", ident, now)
        await note(tx, self._entry(TrailKind.LOGIN, by, ident, how), now)

    @staticmethod
    def _entry(kind: TrailKind, by: str, ident: str, result: str, subject: str = "") -> TrailEntry:
        details = {"at": "console"} | ({"sub": subject} if subject else {})
        return TrailEntry(kind, by, f"session {ident[:16]}", None, result, details)

    async def refused(self, code: str, by: str | None, details: dict[str, str]) -> None:
        """Somebody was not let in, or not to what they asked for: that is in the trail."""
        async with self._db.transaction("console.refused") as tx:
            kind = TrailKind.LOGIN if by is None else TrailKind.POLICY_REFUSED
            await note(tx, TrailEntry(kind, by, None, None, code, {"at": "console", **details}), self._clock())
