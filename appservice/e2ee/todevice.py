"""To-device messages on their way: saved before they leave, sent with the same id and bytes until answered.

Source: client-server API "PUT /sendToDevice/{eventType}/{txnId}". The transaction id holds the ghost: Synapse keys its
memory of answered calls by path and appservice, so an id shared by two ghosts would swallow one ghost's messages.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from collections.abc import Iterable
from typing import Any

import orjson

from appservice.client.homeserver import Homeserver, MatrixRefused, part
from appservice.e2ee.ghost_devices import GhostDevices
from appservice.e2ee.model import Json, ShareState
from bridge.db import Database, Tx
from bridge.errors import Unavailable

log = logging.getLogger(__name__)

_REQUEST = 50_000  # bytes of one request, under the 65,536 of a federation transaction unit

Message = tuple[str, str, Json]  # user, device, content


def batches(messages: Iterable[Message]) -> list[list[Message]]:
    """Split by size, in order; two contents for one device never share a request."""
    found: list[list[Message]] = []
    size, taken = _REQUEST + 1, set[tuple[str, str]]()
    for message in messages:
        more = len(orjson.dumps(message))
        if size + more > _REQUEST or message[:2] in taken:
            found.append([])
            size, taken = 0, set()
        found[-1].append(message)
        taken.add(message[:2])
        size += more
    return found


def transaction_id(ghost: str) -> str:
    """Never used before, and never the same for two ghosts."""
    digest = hashlib.sha256(f"{ghost}|td|{secrets.token_hex(16)}".encode()).digest()
    return base64.b32encode(digest).decode("ascii")[:26]


class ToDevice:
    """The queue of to-device messages in the database, and the calls that empty it."""

    def __init__(self, db: Database, homeserver: Homeserver, ghosts: GhostDevices) -> None:
        self._db = db
        self._homeserver = homeserver
        self._ghosts = ghosts

    async def put(self, tx: Tx, ghost: str, kind: str, messages: list[Message], txn: str | None = None) -> str:
        """Queue one request in the caller's transaction; returns its transaction id."""
        body: dict[str, dict[str, Json]] = {}
        for user, device, content in messages:
            body.setdefault(user, {})[device] = content
        txn = txn or transaction_id(ghost)
        await tx.run("e2ee.send-new", ghost, txn, kind, orjson.dumps({"messages": body}))
        return txn

    async def send(self, txn: str) -> ShareState:
        """Send one queued request and say what became of it; done already is fine. Raises Unavailable."""
        row = await self._db.one("e2ee.send", txn)
        return ShareState.SENT if row is None else await self._send(row)

    async def flush(self) -> None:
        """Send everything that waits, oldest first. Raises Unavailable."""
        after = 0
        while rows := await self._db.all("e2ee.sends", after):
            for row in rows:
                await self._send(row)
            after = rows[-1]["id"]

    async def _send(self, row: Any) -> ShareState:
        ghost, txn = self._ghosts.get(row["ghost"]), row["txn"]
        state = ShareState.SENT
        if ghost is None:
            state = ShareState.REFUSED
        else:
            path = f"/_matrix/client/v3/sendToDevice/{part(row['type'])}/{txn}"
            try:
                body = orjson.loads(bytes(row["body"]))
                await self._homeserver.call("PUT", path, body, user=ghost.user, device=ghost.device)
            except MatrixRefused as refused:
                if refused.status in (401, 403):  # our registration is wrong, not this message
                    raise Unavailable("homeserver_refuses_us") from refused
                log.error("the homeserver refused to-device request %s of %s: %s", txn, ghost.user, refused)
                state = ShareState.REFUSED
        async with self._db.transaction("e2ee.sent") as tx:
            await tx.run("e2ee.share-sent", txn, state.value)
            await tx.run("e2ee.send-gone", txn)
        return state
