"""Messages that products hand in, what is done to them, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from bridge.errors import Refused
from bridge.model import File, Kind, Message, Ref
from bridge.networks.connect import about, fingerprints, problems, translate
from bridge.networks.connect.about import New, NewEdit, NewEnd, NewHandled, NewReaction, NewRemoval, NewVote
from bridge.networks.connect.calls.call import Call
from bridge.networks.connect.fingerprints import Prints
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.request_body import Reader
from bridge.networks.connect.shelf.shelf import ProductFiles
from bridge.networks.connect.shelf.wire_files import UploadedFile
from bridge.networks.connect.wire import NewMessage
from bridge.receiver import Within


class MessageCalls:
    """``most`` bytes of text; ``clock`` gives seconds since 1970. ``shelf``: the files that were uploaded before."""

    def __init__(
        self,
        reader: Reader,
        known: Prints | None,
        most: int,
        clock: Callable[[], float],
        shelf: ProductFiles | None = None,
    ) -> None:
        self._reader = reader
        self._shelf = shelf
        self._known = known
        self._most = most
        self._clock = clock

    async def send(self, call: Call) -> web.Response:
        """POST /messages."""
        sent = await self._reader.in_executor(call.body, lambda: call.parse(NewMessage))
        uploaded = await self._uploaded(call, sent)
        message, said = await self._reader.in_executor(call.body, lambda: self._written(call, sent, uploaded))
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

    async def vote(self, call: Call) -> web.Response:
        """POST /messages/{id}/votes."""
        return await self._about(call, NewVote)

    async def handle(self, call: Call) -> web.Response:
        """POST /messages/{id}/handled."""
        return await self._about(call, NewHandled)

    async def end_poll(self, call: Call) -> web.Response:
        """POST /messages/{id}/end."""
        return await self._about(call, NewEnd)

    async def _about(self, call: Call, model: type[New]) -> web.Response:
        target, sent = call.id, call.parse(model)
        message = about.to_about(call.network, target, sent, self._most, self._now)
        said = fingerprints.of_message(message)
        await call.declared(message.sender.id, "sender")  # what it is about may still come: the hub waits for that
        first = self._known.first(message.ref, said) if self._known else None
        if first is not None and self._known is not None and message.kind is Kind.EDIT:
            first = self._known.correcting(message.reply_to, first)
        return await self._accepted(call, message, said, first)

    async def _uploaded(self, call: Call, sent: NewMessage) -> dict[str, File]:
        """The files that a message names. Raises Refused (unknown_file), naming which."""
        found = dict[str, File]()
        for n, file in enumerate(sent.files):
            if isinstance(file, UploadedFile):
                if self._shelf is None:
                    raise Refused("unknown_file", f"files.{n}.id")
                found[file.id] = await self._shelf.find(file.id, call.network, f"files.{n}.id")
        return found

    def _written(self, call: Call, sent: NewMessage, uploaded: Mapping[str, File]) -> tuple[Message, bytes]:
        """The message that a product sends, and its print."""
        message = translate.to_message(call.network, sent, self._most, self._now, uploaded)
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
