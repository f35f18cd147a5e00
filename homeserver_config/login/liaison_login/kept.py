"""What the directory said last of every account, in a table of Synapse's own database: all workers share it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from liaison_login.directory import Entry, State
from liaison_login.following import Last

log = logging.getLogger(__name__)

_TABLE = (
    "CREATE TABLE IF NOT EXISTS liaison_login "
    "(user_id TEXT PRIMARY KEY, state TEXT NOT NULL, shown TEXT NOT NULL, at BIGINT NOT NULL)"
)
_NOTE = """
INSERT INTO liaison_login (user_id, state, shown, at) VALUES (?, ?, ?, ?)
ON CONFLICT (user_id) DO UPDATE SET state = excluded.state, shown = excluded.shown, at = excluded.at"""
_PAGE = 1000
_ACCOUNTS = """
SELECT e.user_id, k.state, k.shown, k.at FROM user_external_ids e LEFT JOIN liaison_login k ON k.user_id = e.user_id
JOIN users u ON u.name = e.user_id AND u.deactivated = 0
WHERE e.auth_provider = ? AND e.user_id > ? ORDER BY e.user_id LIMIT ?"""


class Kept:
    """``api`` is Synapse's ``ModuleApi``."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._made = False

    async def _run(self, what: str, function: Any) -> Any:
        if not self._made:
            try:
                await self._api.run_db_interaction("liaison_login_table", lambda txn: txn.execute(_TABLE))
            except Exception as error:  # PostgreSQL lets one of two processes make it: what follows says if it is there
                log.warning("the table was not made here: %s", type(error).__name__)
            self._made = True
        return await self._api.run_db_interaction(f"liaison_login_{what}", function)

    async def note(self, answers: Sequence[tuple[str, Entry]]) -> None:
        """Keep answers, many in one transaction."""
        now = self._api.get_current_time_msec()
        rows = [(user, entry.state.value, entry.shown, now) for user, entry in answers]
        for start in range(0, len(rows), _PAGE):
            page = rows[start : start + _PAGE]
            await self._run("note", lambda txn, page=page: txn.executemany(_NOTE, page))

    async def forget(self, user: str) -> None:
        """Keep nothing about an account."""
        await self._run("forget", lambda txn: txn.execute("DELETE FROM liaison_login WHERE user_id = ?", (user,)))

    async def ended(self) -> list[str]:
        """Accounts that were deactivated, and of which something is kept still: few."""

        def read(txn: Any) -> list[str]:
            txn.execute(
                "SELECT k.user_id FROM liaison_login k JOIN users u ON u.name = k.user_id WHERE u.deactivated = 1"
            )
            return [user for (user,) in txn]

        return list(await self._run("ended", read))

    async def last(self, user: str) -> Last | None:
        """The last answer about an account."""
        return (await self._rows("WHERE user_id = ?", (user,))).get(user)

    async def closed(self) -> set[str]:
        """Who is locked now (user ids): few."""
        return set(await self._rows("WHERE state IN (?, ?)", (State.STRUCK_OFF.value, State.REVOKED.value)))

    async def _rows(self, where: str, values: tuple[str, ...]) -> dict[str, Last]:
        def read(txn: Any) -> list[tuple[str, str, str, int]]:
            txn.execute(f"SELECT user_id, state, shown, at FROM liaison_login {where}", values)  # noqa: S608
            return list(txn.fetchall())

        rows = await self._run("read", read)
        return {user: Last(Entry(State(state), shown), at) for user, state, shown, at in rows}

    async def accounts(self, provider: str, after: str) -> list[tuple[str, Last | None]]:
        """A page of the accounts that a provider has opened, in order, each with what is known of it."""

        def read(txn: Any) -> list[tuple[str, str | None, str | None, int | None]]:
            txn.execute(_ACCOUNTS, (provider, after, _PAGE))
            return list(txn.fetchall())

        rows = await self._run("accounts", read)
        return [
            (user, None if state is None else Last(Entry(State(state), shown or ""), at or 0))
            for user, state, shown, at in rows
        ]

    async def alike(self, names: Any) -> list[str]:
        """Accounts of people that only look like a professional's: from a time before this module (one look at all)."""

        def read(txn: Any) -> list[str]:
            txn.execute("SELECT name FROM users WHERE appservice_id IS NULL AND is_guest = 0")
            return [name for (name,) in txn if names(name)]

        return list(await self._run("alike", read))
