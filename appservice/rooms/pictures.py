"""The picture of a room and that of its conversation: whichever the hub accepted last is shown.

The state of a room is read by servers, and so is its picture, which is uploaded as it is (``m.room.avatar``). The
contract asks products for none that shows a patient, and the hub takes none while the conversation has a patient's
name.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.homeserver import MatrixRefused, part
from appservice.rooms.doors import Doors
from appservice.rooms.roomstate import Room
from bridge.content.group_picture import MOST
from bridge.errors import Refused
from bridge.model import MATRIX, Address, Delivery, File, Ref
from bridge.parts.failpoint import failpoint
from bridge.receiver import Within
from bridge.words import sentence

Json = dict[str, Any]
log = logging.getLogger(__name__)
_URL = re.compile(r"mxc://([A-Za-z0-9.\[\]:-]{1,255})/([A-Za-z0-9_-]{1,255})")
_UPLOAD = 60.0  # s


class Pictures:
    """``heard`` takes what a room shows now, ``give`` shows it there."""

    def __init__(self, edge: MatrixEdge, doors: Doors) -> None:
        self.hub = edge.hub
        self._files = edge.files
        self._homeserver = edge.homeserver
        self._names = edge.names
        self._doors = doors

    async def heard(self, room: Room, event: Json, done: Within) -> bool:
        """A room has another picture: ``done`` is written with it. False: that is no news.

        Raises Refused for what is no picture, and for whoever may not give one; Unavailable.
        """
        if self._names.is_ours(event["sender"]) or await self.hub.facts.chat(MATRIX, room.room_id) is None:
            return False
        url, by = event["content"].get("url"), Address(MATRIX, event["sender"])
        picture = await self._fetched(room, url) if isinstance(url, str) and url else None
        failpoint("matrix.before-picture")
        await self.hub.picture(Ref(MATRIX, event["event_id"]), room.room_id, by, picture, done)
        failpoint("matrix.after-picture")
        return True

    async def _fetched(self, room: Room, url: str) -> File:
        found, ghost = _URL.fullmatch(url), next(iter(self._doors.ghosts_in(room)), None)
        if found is None or ghost is None:
            raise Refused("bad_picture", about=room.room_id)
        path = f"/_matrix/client/v1/media/download/{part(found[1])}/{part(found[2])}"
        data = bytearray()
        try:
            async with self._homeserver.download(path, user=ghost) as response:
                async for piece in response.content.iter_chunked(1 << 16):
                    data += piece
                    if len(data) > MOST:
                        raise Refused("picture_too_large", about=f"{MOST} bytes")
        except MatrixRefused as refusal:
            raise Refused("file_not_fetched", about=url) from refusal
        return File("", "", bytes(data))

    async def give(self, room: Room, ghost: str, delivery: Delivery) -> Json | None:
        """Show it; the words to be said instead where this room lets the ghost show none. Raises Refused, Unavailable.

        A picture that another one has followed since is not shown.
        """
        if await self.hub.facts.pictured(delivery.conversation) != delivery.message:
            return None
        content: Json = {}
        for file in delivery.body.files[:1]:
            whole = await self._files.whole(file)
            url = await self._homeserver.upload(whole.data, user=ghost, timeout=_UPLOAD, mime=whole.mime)
            content = to_picture(url, whole)
        path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/state/m.room.avatar/"
        failpoint("matrix.before-room-picture")
        try:
            await self._homeserver.call("PUT", path, content, user=ghost)
        except MatrixRefused as refusal:
            log.info("%s keeps its picture: %s", room.room_id, refusal)
            return to_picture_kept()
        failpoint("matrix.room-pictured")
        return None


def to_picture(url: str, file: File) -> Json:
    """Pure: the content of ``m.room.avatar``."""
    size = {"w": file.width, "h": file.height} if file.width and file.height else {}
    return {"url": url, "info": {"mimetype": file.mime, "size": file.size, **size}}


def to_picture_kept() -> Json:
    """Pure: somebody gives their conversation a picture that the room does not show, as it keeps its own."""
    return {"msgtype": "m.emote", "body": sentence("pictures_it_room_keeps", " · "), "m.mentions": {}}
