"""Makes sure that the homeserver really delivers: pings it, and sees an event of its own come back.

A homeserver that could not reach the hub waits up to minutes before it tries again; a ping makes it try at once. One
that was restarted meanwhile begins again only with the next event that concerns us, so the hub makes one: a heartbeat
in a room of its own. Sources: application service API "Pinging" (MSC2659); the rest was observed with Synapse 1.163.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from appservice.arriving.transactions import HEARTBEAT as TYPE
from appservice.client.homeserver import Homeserver, MatrixRefused, need, part
from bridge.errors import Refused, Unavailable

log = logging.getLogger(__name__)

_CLIENT = "/_matrix/client/v3"
_FIRST, _LONGEST = 0.5, 5.0  # s between two pings while there is no answer
_AFTER = 2.0  # s between the two heartbeats after an outage
_BACK = 30.0  # s within which a heartbeat must come back


class Heartbeat:
    """``back`` is awaited when the homeserver answers again (at start too): whoever waits for it may go on."""

    def __init__(
        self, homeserver: Homeserver, appservice: str, back: Callable[[], Awaitable[None]], every: float = 60.0
    ) -> None:
        self._homeserver = homeserver
        self._appservice = appservice
        self._back = back
        self._every = every
        self._nonce = ""
        self.lost = ""
        """Why the homeserver cannot be used, as an ALARM has said it; empty once it works."""
        self._seen = asyncio.Event()

    async def run(self) -> None:
        """Ping for ever; a heartbeat follows every ping that works after one that did not."""
        away, wait = True, _FIRST
        while True:
            try:
                await self._ping()
                if away:
                    await self._back()
                    await self._beat()
                    await asyncio.sleep(_AFTER)  # a transaction that got stuck meanwhile shows by its missing number
                    await self._beat()
                    if self.lost:
                        log.warning("the homeserver answers and reaches the hub again")
                    away, wait, self.lost = False, _FIRST, ""
            except (Unavailable, Refused) as reason:
                if not self.lost and (not away or wait >= _LONGEST):  # after a start it may be starting, too
                    self.lost = f"the homeserver does not answer or cannot reach the hub: {reason}{_advice(reason)}"
                    log.error("ALARM %s", self.lost)
                away = True
            await asyncio.sleep(wait if away else self._every)
            wait = min(wait * 2, _LONGEST) if away else _FIRST

    def arrived(self, event: Mapping[str, Any]) -> None:
        """A heartbeat has come back in a transaction."""
        content = event.get("content")
        if isinstance(content, dict) and content.get("nonce") == self._nonce:
            self._seen.set()

    async def _ping(self) -> None:
        path = f"/_matrix/client/v1/appservice/{part(self._appservice)}/ping"
        await self._homeserver.call("POST", path, {"transaction_id": secrets.token_hex(8)}, timeout=10.0)

    async def _beat(self) -> None:
        self._nonce = secrets.token_hex(8)
        self._seen.clear()
        room = await self._room()
        path = f"{_CLIENT}/rooms/{part(room)}/send/{TYPE}/{self._nonce}"
        await self._homeserver.call("PUT", path, {"nonce": self._nonce})
        try:
            async with asyncio.timeout(_BACK):
                await self._seen.wait()
        except TimeoutError:
            log.error("ALARM an event of the hub did not come back within %.0f s: nothing arrives from Matrix", _BACK)
            raise Unavailable("no_heartbeat") from None

    async def _room(self) -> str:
        """The heartbeat's room; its id is kept in the account data of the appservice's own user."""
        me = need(await self._homeserver.call("GET", f"{_CLIENT}/account/whoami"), "user_id", str)
        path = f"{_CLIENT}/user/{part(me)}/account_data/{TYPE}"
        try:
            known = (await self._homeserver.call("GET", path)).get("room_id")
            if isinstance(known, str):
                return known
        except MatrixRefused as none:
            if none.status not in (403, 404):
                raise
        user = {"type": "m.login.application_service", "username": me[1:].partition(":")[0], "inhibit_login": True}
        with contextlib.suppress(MatrixRefused):  # it is there already
            await self._homeserver.call("POST", f"{_CLIENT}/register", user)
        made = await self._homeserver.call("POST", f"{_CLIENT}/createRoom", {"preset": "private_chat"})
        room = need(made, "room_id", str)
        await self._homeserver.call("PUT", path, {"room_id": room})
        return room


def _advice(reason: Exception) -> str:
    refused = getattr(reason, "code", "") == "homeserver_refuses_us"
    return " (it does not know our as_token); see `liaison check`" if refused else "; see `liaison check`"
