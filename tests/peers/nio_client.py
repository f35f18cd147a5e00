"""A person's client on matrix-nio: a device that nobody has signed, because matrix-nio knows no cross-signing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self

import nio

from tests.peers.timeline import STATUS, Shown, Timeline

_PRESSES = 20  # of the button that joins


class NioClient:
    """One device of one user."""

    def __init__(self, url: str, user: str, folder: Path) -> None:
        config = nio.AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
        self.timeline = Timeline()
        self._client = nio.AsyncClient(url, user, store_path=str(folder), config=config)
        self._client.add_event_callback(self._show, nio.Event)
        self._client.add_event_callback(self._invited, nio.InviteMemberEvent)
        self._client.add_ephemeral_callback(self._receipt, nio.ReceiptEvent)
        self._unread: dict[str, nio.MegolmEvent] = {}
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, url: str, user: str, password: str, folder: Path) -> Self:
        """Log in with a new device."""
        client = cls(url, user, folder)
        answer = await client._client.login(password, device_name="nio")
        assert isinstance(answer, nio.LoginResponse), answer
        client._task = asyncio.create_task(client._sync(), name="nio")
        return client

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def user_id(self) -> str:
        """The person's Matrix id."""
        return str(self._client.user_id)

    async def _sync(self) -> None:
        while True:
            answer = await self._client.sync(timeout=5000)
            if not isinstance(answer, nio.SyncResponse):
                await asyncio.sleep(0.5)
                continue
            if self._client.should_upload_keys:
                await self._client.keys_upload()
            if self._client.should_query_keys:
                await self._client.keys_query()
            for event in list(self._unread.values()):
                self._again(event)
            self.timeline.changed()

    # --- what comes

    def _again(self, event: nio.MegolmEvent) -> None:
        try:
            readable = self._client.decrypt_event(event)
        except nio.EncryptionError:
            return
        del self._unread[event.event_id]
        self._put(event.room_id, readable)

    async def _show(self, room: nio.MatrixRoom, event: nio.Event) -> None:
        if isinstance(event, nio.MegolmEvent):
            self._unread[event.event_id] = event
            shown = Shown(event.event_id, event.sender, "m.room.encrypted", failure="MegolmEvent")
            self.timeline.show(room.room_id, shown)
        elif event.source["type"] == STATUS:
            self.timeline.say(room.room_id, event.sender, event.source["content"])
        elif "state_key" not in event.source:
            self._put(room.room_id, event)

    def _put(self, room: str, event: nio.Event) -> None:
        trust = ("verified" if event.verified else "unverified") if event.decrypted else None
        source = event.source
        shown = Shown.of(event.event_id, event.sender, source["type"], source["content"], trust)
        self.timeline.show(room, shown)

    async def _invited(self, room: nio.MatrixRoom, event: nio.InviteMemberEvent) -> None:
        if event.state_key == self.user_id and event.membership == "invite":
            self.timeline.invited(room.room_id)

    async def _receipt(self, room: nio.MatrixRoom, event: nio.ReceiptEvent) -> None:
        self.timeline.receipts[room.room_id].update({r.user_id: r.event_id for r in event.receipts})
        self.timeline.changed()

    # --- what goes

    async def join(self) -> str:
        """Accept the invitation that comes next."""
        await self.timeline.until(lambda: self.timeline.invitations, "an invitation")
        room = self.timeline.invitations.pop(0)
        answer = await self._client.join(room)
        for _ in range(_PRESSES):  # an invitation can be here before the inviter's own server knows of it
            if isinstance(answer, nio.JoinResponse):
                break
            await asyncio.sleep(0.5)
            answer = await self._client.join(room)
        assert isinstance(answer, nio.JoinResponse), answer
        await self.timeline.until(lambda: room in self._client.rooms, "the room")
        return room

    async def send(self, room: str, text: str, *, reply_to: str | None = None) -> str:
        """Write; encrypted where the room is."""
        content: dict[str, Any] = {"msgtype": "m.text", "body": text}
        if reply_to:
            content["m.relates_to"] = {"m.in_reply_to": {"event_id": reply_to}}
        answer = await self._client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
        assert isinstance(answer, nio.RoomSendResponse), answer
        return str(answer.event_id)

    async def read(self, room: str, event_id: str) -> None:
        """Say that everything is read up to an event."""
        answer = await self._client.update_receipt_marker(room, event_id)
        assert isinstance(answer, nio.UpdateReceiptMarkerResponse), answer
