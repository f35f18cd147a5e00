"""Messages that products hand in, what is done to them, and what became of them."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from bridge.errors import Refused
from bridge.model import Kind, Message, Ref
from bridge.networks.connect import about, fingerprints, problems, translate
from bridge.networks.connect.about import NewEdit, NewReaction, NewRemoval
from bridge.networks.connect.calls.call import Call
from bridge.networks.connect.fingerprints import Prints
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.request_body import Reader
from bridge.networks.connect.wire import NewMessage
from bridge.receiver import Within


class MessageCalls:
    """``most`` bytes of text; ``clock`` gives seconds since 1970."""

    def __init__(self, reader: Reader, known: Prints | None, most: int, clock: Callable[[], float]) -> None:
        self._reader = reader
        self._known = known
        self._most = most
        self._clock = clock

    async def send(self, call: Call) -> web.Response:
        """POST /messages."""
        message, said = await self._reader.in_executor(call.body, lambda: self._written(call))
        await call.declared(message.sender.id, "sender")
        await call.cited(message.chat, message.reply_to, "reply_to")
        await call.cited(message.chat, message.thread, "thread")
        wordless = not message.body.text.strip()
        first = self._known.first(message.ref, said, wordless=wordless) if self._known else None
        return await self._accepted(call, message, said, first)

    async def _accepted(self, call: Call, message: Message, said: bytes, first: Within | None) -> web.Response:
        again = self._known.same(message.ref, said) if self._known else None  # an id stands for one request only
        accepted = await call.hub.accept(message, first, again)
        answer = {"id": message.ref.id, "message": accepted.message, "conversation": message.chat, "state": "accepted"}
        return json_answer(answer, 202)

    async def edit(self, call: Call) -> web.Response:
        """POST /messages/{id}/edits."""
        return await self._about(call, NewEdit)

    async def remove(self, call: Call) -> web.Response:
        """POST /messages/{id}/removals."""
        return await self._about(call, NewRemoval)

    async def react(self, call: Call) -> web.Response:
        """POST /messages/{id}/reactions."""
        return await self._about(call, NewReaction)

    async def _about(self, call: Call, model: type[NewEdit | NewRemoval | NewReaction]) -> web.Response:
        target, sent = call.id, call.parse(model)
        message = about.to_about(call.network, target, sent, self._most, self._now)
        said = fingerprints.of_message(message)
        await call.declared(message.sender.id, "sender")  # what it is about may still come: the hub waits for that
        first = self._known.first(message.ref, said) if self._known else None
        if first is not None and self._known is not None and message.kind is Kind.EDIT:
            first = self._known.correcting(message.reply_to, first)
        return await self._accepted(call, message, said, first)

    def _written(self, call: Call) -> tuple[Message, bytes]:
        """The message that a product sends, and its print."""
        message = translate.to_message(call.network, call.parse(NewMessage), self._most, self._now)
        return message, fingerprints.of_message(message)

    @property
    def _now(self) -> int:
        return int(self._clock() * 1000)

    async def message(self, call: Call) -> web.Response:
        """GET /messages/{id}."""
        status = await call.hub.facts.status(Ref(call.network, call.id))
        if status is None:
            raise Refused("unknown_message", "id")
        return json_answer(translate.to_status(status, problems.words))
