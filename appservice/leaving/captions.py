"""A text with one picture or film is one event, with a caption (MSC2530). The rest of that event is kept for its edits.

An edit replaces the whole content of an event, so that of a caption has to say the file again. The hub keeps what opens
the file, sealed, for a month; an edit that comes later is said as an answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from appservice.client.attachments import safe_mime
from appservice.client.edge import MatrixEdge
from appservice.client.events import to_content, to_edit
from appservice.leaving.outbox import Outbox
from bridge.capabilities import size
from bridge.model import Delivery, Kind, Ref
from bridge.seal import Seal

Json = dict[str, Any]
SUFFIX = "/caption"  # of an event's key: an earlier hub said the text apart, under the key alone
_LONGEST = 8 * 1024  # bytes of text and html as JSON; what is longer is an event of its own
_KEPT = 30 * 24 * 3600 * 1000  # ms
_SAID = ("body", "format", "formatted_body", "m.mentions")
_CHANGED = "✏️ "


class Captions:
    """Which deliveries are one event, and what becomes of their edits."""

    def __init__(self, edge: MatrixEdge, outbox: Outbox, seal: Seal) -> None:
        self.hub = edge.hub
        self._db = edge.db
        self._clock = edge.clock
        self._outbox = outbox
        self._seal = seal

    def fits(self, delivery: Delivery) -> bool:
        """Whether a delivery is one event: its text goes with its file."""
        body = delivery.body
        if delivery.kind is not Kind.TEXT or body.system or len(body.files) != 1 or not body.text.strip():
            return False
        file, kind = body.files[0], safe_mime(body.files[0].mime).partition("/")[0]
        shown = kind in ("image", "video") and file.inline is None and not file.sticker and body.text != file.name
        return shown and size(body) <= _LONGEST and not self._outbox.knows(delivery.id)

    async def captioned(self, key: str, content: Json, said: Json) -> Json:
        """The content of a file's event with the text of ``said``; what its edits need is on disk."""
        content = content | {name: said[name] for name in _SAID if name in said}
        rest = {name: value for name, value in content.items() if name not in (*_SAID, "m.relates_to")}
        async with self._db.transaction("matrix.caption") as tx:
            await tx.run("matrix.caption_keep", key, self._seal.seal(orjson.dumps(rest), key), self._clock())
        return content

    async def edit(self, delivery: Delivery) -> Json:
        """The content that corrects a text: one of its own, or a caption."""
        assert delivery.reply_to is not None
        key = await self._key(delivery.reply_to)
        row = await self._db.one("matrix.caption", key)
        if row is None:
            return to_edit(delivery)
        if row["content"] is None:
            text = replace(delivery.body, text=f"{_CHANGED}{delivery.body.text}", html=None)
            return to_content(replace(delivery, kind=Kind.TEXT, body=text))
        rest, edit = orjson.loads(self._seal.open(bytes(row["content"]), key)), to_edit(delivery)
        new = rest | {name: value for name, value in edit["m.new_content"].items() if name in _SAID}
        content: Json = rest | edit | {"msgtype": rest["msgtype"], "m.new_content": new}
        return content

    async def _key(self, about: Ref) -> str:
        return (await self.hub.facts.parts(about))[0] + SUFFIX

    async def taken_back(self, delivery: str) -> None:
        """The message of a delivery (its id) is removed: nothing is kept of it."""
        async with self._db.transaction("matrix.caption-end") as tx:
            await tx.run("matrix.caption_end", delivery + SUFFIX)

    async def clean(self) -> None:
        """Forget what opens the files of long ago; that they have a caption is remembered."""
        some = True
        while some:
            async with self._db.transaction("matrix.captions-clean") as tx:
                some = bool(await tx.all("matrix.captions_clean", self._clock() - _KEPT))
