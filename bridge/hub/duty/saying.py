"""What the hub writes in a function's name: each message has an id of its own, so a repeat is no second one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from bridge.errors import Refused
from bridge.model import FUNCTION, Address, Body, File, Kind, Message, Ref
from bridge.people.duty.rota import Function
from bridge.receiver import Receiver, Within

log = logging.getLogger(__name__)


class Saying:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, hub: Receiver, clock: Callable[[], int]) -> None:
        self._hub = hub
        self._clock = clock

    async def notice(
        self, ident: str, conversation: str, function: Function, text: str, whom: Collection[str] = (),
        within: Within | None = None,
    ) -> None:  # fmt: skip
        """Everybody of a conversation is told, or only ``whom`` (person ids); ``within`` is written with it.

        Where nobody is left who could be told, ``within`` is still written: no work hangs on a notice.
        """
        body = Body(text, system=True)
        message = self._message(ident, conversation, function, Kind.NOTICE, body, whom=tuple(sorted(whom)))
        try:
            await self._hub.accept(message, within)
        except Refused as refusal:
            log.info("nobody is told in %s: %s", conversation, refusal.code)
            if within is not None:
                raise

    async def copy(
        self, ident: str, chat: str, function: Function, handle: str, body: Body, whom: str | None, within: Within
    ) -> None:  # fmt: skip
        """Somebody is given what was said, and becomes a member if they are none. Raises Refused."""
        only = () if whom is None else (whom,)
        await self._hub.accept(self._message(ident, chat, function, Kind.TEXT, body, (handle,), only), within)

    async def relay(
        self, ident: str, conversation: str, function: Function, text: str, files: tuple[File, ...]
    ) -> None:
        """What somebody has answered elsewhere is said in the conversation."""
        body = Body(text, files=files, system=True)
        await self._hub.accept(self._message(ident, conversation, function, Kind.TEXT, body))

    def _message(
        self, ident: str, chat: str, function: Function, kind: Kind, body: Body, to: tuple[str, ...] = (),
        whom: tuple[str, ...] = (),
    ) -> Message:  # fmt: skip
        address = Address(FUNCTION, function.slug)
        return Message(Ref(FUNCTION, ident), chat, address, kind, body, self._clock(), to, whom=whom)
