"""STUB: the part that pushes transactions to the appservice, and loses what Synapse loses."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field

import aiohttp
import orjson

from deploy.world.stub.world import Json, World
from deploy.world.waiting import PATIENCE


@dataclass(slots=True)
class Push:
    """What waits for the appservice."""

    events: list[Json] = field(default_factory=list)
    ephemeral: list[Json] = field(default_factory=list)
    to_device: list[Json] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.events or self.ephemeral or self.to_device or self.changed)


class Pusher:
    """One transaction in flight, own counter, growing pauses; a failed attempt loses its to-device part."""

    def __init__(self, world: World, namespace: str, sender: str, appservice: str | None) -> None:
        self.world = world
        self.namespace = re.compile(namespace)
        self.sender = sender
        self.appservice = appservice
        self.retry = 0.05  # first delay after a failed push, doubled up to retry_most
        self.retry_most = 1.0
        self.lose_to_device = True
        self.pushed: list[Json] = []  # bodies that were answered 200, newest last; kept only if ``record``
        self.record = False
        self.most = 100  # events, signs and messages in one transaction
        self._queue = Push()
        self._ring = asyncio.Event()
        self._try_now = asyncio.Event()
        self._human_ring: dict[str, asyncio.Event] = {}
        self._counter = 0
        self._session: aiohttp.ClientSession

    _pushing = False

    def interest(self, event: Json) -> None:
        """Queue an event for the appservice if a ghost has to do with it; wake the humans."""
        room = self.world.rooms[event["room_id"]]
        everyone = {event["sender"], event.get("state_key", ""), *room.members("join", "invite")}
        if self.sender in everyone or any(self.namespace.fullmatch(user.split(":")[0]) for user in everyone):
            self._queue.events.append(event)
            if event["type"] == "m.room.member" and event["content"]["membership"] == "join":
                self._queue.changed.add(event["state_key"])
            self._ring.set()
        for user in everyone:
            if user in self._human_ring:
                self._human_ring[user].set()

    async def _push_forever(self) -> None:
        while True:
            await self._ring.wait()
            self._ring.clear()
            while self._queue and self.appservice:
                await self._push_one()

    async def _push_one(self) -> None:
        queue, self._queue = self._queue, Push()
        self._queue.events, self._queue.ephemeral = queue.events[self.most :], queue.ephemeral[self.most :]
        self._queue.to_device = queue.to_device[self.most :]
        self._counter += 1
        self._pushing = True
        number, delay = self._counter, self.retry
        body = self._body(queue)
        try:
            while not await self._put(number, body):
                if self.lose_to_device:
                    body = {"events": body["events"]}
                if not body["events"] and len(body) == 1:
                    return  # as Synapse: a refused transaction without room events loses all of it
                self._try_now.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._try_now.wait(), delay)
                delay = min(delay * 2, self.retry_most)
            if self.record:
                self.pushed.append(body)
        finally:
            self._pushing = False

    def _body(self, queue: Push) -> Json:
        counts: Json = {}
        types: Json = {}
        for message in queue.to_device[: self.most]:
            mxid, name = message["to_user_id"], message["to_device_id"]
            device = self.world.users[mxid].devices[name]
            counts.setdefault(mxid, {})[name] = {"signed_curve25519": len(device.one_time)}
            types.setdefault(mxid, {})[name] = [] if device.fallback_used else ["signed_curve25519"]
        body: Json = {
            "events": queue.events[: self.most],
            "ephemeral": queue.ephemeral[: self.most],
            "de.sorunome.msc2409.to_device": queue.to_device[: self.most],
            "org.matrix.msc3202.device_one_time_keys_count": counts,
            "org.matrix.msc3202.device_one_time_key_counts": counts,
            "org.matrix.msc3202.device_unused_fallback_key_types": types,
        }
        if queue.changed:
            body["org.matrix.msc3202.device_lists"] = {"changed": sorted(queue.changed), "left": []}
        return body

    async def _put(self, number: int, body: Json) -> bool:
        try:
            async with self._session.put(
                f"{self.appservice}/_matrix/app/v1/transactions/{number}",
                data=orjson.dumps(body),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=PATIENCE),
            ) as answer:
                raw = await answer.read()
                return 200 <= answer.status < 300 and isinstance(orjson.loads(raw), dict)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False
