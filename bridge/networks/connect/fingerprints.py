"""Whether an id stands for the same request again: a keyed hash of what was said is kept, never what was said."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict
from pathlib import Path

import orjson

from bridge.db import Component, Tx
from bridge.errors import Refused
from bridge.model import Message, Ref
from bridge.networks.connect.fields import Renaming
from bridge.networks.connect.teams import GivingTopic, Leaving, Picturing
from bridge.networks.connect.wire import MembersChange
from bridge.receiver import Within
from bridge.seal import Seal

COMPONENT = Component("connect", Path(__file__).parent / "sql")
_PURPOSE = "connect prints"


def of_message(message: Message) -> bytes:
    """A hash of who says what, where. Not of ``sent_at`` and ``to``: a product may make them anew when it repeats."""
    body = message.body
    files = [[file.name, file.mime, file.sha256] for file in body.files]
    cited = [None if ref is None else ref.id for ref in (message.reply_to, message.thread)]
    more: list[object] = ["urgent"] if body.urgent else []  # the prints of before know no urgency, and no names
    if message.name is not None:
        more.append([message.name.text, message.name.about_patient])
    if body.extra is not None or body.mentions or body.everybody:
        more.append([None if body.extra is None else asdict(body.extra), list(body.mentions), body.everybody])
    return _hash([message.kind.value, message.chat, message.sender.id, body.text, body.html, files, *cited, *more])


def of_change(chat: str, change: MembersChange) -> bytes:
    """A hash of a change of members."""
    return _hash(["members", chat, change.by, sorted(change.add), sorted(change.remove)])


def of_leaving(chat: str, said: Leaving) -> bytes:
    """A hash of who leaves what."""
    return _hash(["leave", chat, said.user])


def of_picture(chat: str, said: Picturing) -> bytes:
    """A hash of who gives a conversation which picture."""
    return _hash(["picture", chat, said.by, said.content and hashlib.sha256(said.content).hexdigest()])


def of_renaming(chat: str, said: Renaming) -> bytes:
    """A hash of who calls a conversation what."""
    name = None if said.name is None else [said.name.text, said.name.about_patient]
    return _hash(["name", chat, said.by, name])


def of_topic(chat: str, said: GivingTopic) -> bytes:
    """A hash of who says what a conversation is about."""
    return _hash(["topic", chat, said.by, said.topic])


def _hash(said: list[object]) -> bytes:
    return hashlib.sha256(orjson.dumps(said)).digest()


class Prints:
    """The prints of all products, keyed with the seal's key that is active when a message is first accepted."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._keys: dict[str, bytes] = {}

    def first(self, ref: Ref, said: bytes, *, wordless: bool = False) -> Within:
        """To be written with a message that is new: keeps the print. ``wordless``: it is documents only."""

        async def within(tx: Tx) -> None:
            active = self._seal.active
            print = self._print(active, ref, said)
            await tx.run("connect.add_print", ref.network, ref.id, active, print, int(wordless))

        return within

    def correcting(self, about: Ref | None, first: Within) -> Within:
        """Before a correction is written: raises Refused (edit_not_carried) if what it is about had no text."""

        async def within(tx: Tx) -> None:
            known = await tx.one("connect.print", about.network, about.id) if about is not None else None
            if known is not None and known["wordless"]:
                raise Refused("edit_not_carried", "id")
            await first(tx)

        return within

    def same(self, ref: Ref, said: bytes) -> Within:
        """To be written with a message that may be known: the same, or raises Refused (id_in_use) for another print."""

        async def within(tx: Tx) -> None:
            known = await tx.one("connect.print", ref.network, ref.id)
            if known is None:  # new, or of a time before there were prints
                await self.first(ref, said)(tx)
            elif not self._is(known["key"], bytes(known["print"]), ref, said):
                raise Refused("id_in_use", "id")

        return within

    def _is(self, key: str, known: bytes, ref: Ref, said: bytes) -> bool:
        try:
            return hmac.compare_digest(known, self._print(key, ref, said))
        except KeyError:  # the key was taken out of the configuration: nobody can tell any more
            return True

    def _print(self, key: str, ref: Ref, said: bytes) -> bytes:
        if key not in self._keys:
            self._keys[key] = self._seal.derive(_PURPOSE, key)
        return hmac.digest(self._keys[key], f"{ref.network}|{ref.id}|".encode() + said, "sha256")
