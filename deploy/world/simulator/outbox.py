"""The simulated product's way to the hub: in order per lane, repeated under the same id until the hub has answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from deploy.world.simulator.state import Json, State
from deploy.world.waiting import PATIENCE
from liaison.connect import Answer, Connect, NoAnswer

_LONGEST = 3.0  # seconds between two attempts

Answered = Callable[[Json, bool, Any], None]
"""Called with the post, whether the hub took it, and the hub's answer."""


class Outbox:
    """Posts wait in the state; one task for each lane that has any."""

    def __init__(self, state: State, hub: str, token: str, answered: Answered, chance: random.Random) -> None:
        self._state = state
        self.hub = Connect(hub, token, timeout=PATIENCE)
        self._answered = answered
        self._chance = chance
        self._open = False
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._change = asyncio.Event()
        self.duplicate = False
        self.reorder = False

    async def start(self) -> None:
        """Take up what waits."""
        await self.hub.open()
        self._open = True
        for lane in self._state.lanes():
            self._wake(lane)

    async def stop(self) -> None:
        """Leave the rest for the next start."""
        for task in self._lanes.values():
            task.cancel()
        await asyncio.gather(*self._lanes.values(), return_exceptions=True)
        self._open = False
        await self.hub.close()

    def put(self, lane: str, method: str, path: str, body: Json, after: str | None = None) -> int:
        """Keep it and send it as soon as possible; gives its number."""
        seq = self._state.put_post(lane, method, path, body, after)
        self._wake(lane)
        return seq

    async def wait(self, seq: int, seconds: float) -> Json:
        """The post once the hub has answered it, or as it is after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                while (post := self._state.post(seq))["state"] == "waiting":
                    await self._change.wait()
        except TimeoutError:
            return self._state.post(seq)
        return post

    async def once(self, method: str, path: str, body: Json) -> int:
        """Send it once, for what need not arrive; gives the status, 0 for none."""
        try:
            return (await self.hub.once(method, path, body)).status
        except NoAnswer:
            return 0

    def _wake(self, lane: str) -> None:
        if self._open and lane not in self._lanes:
            self._lanes[lane] = asyncio.create_task(self._run(lane))

    async def _run(self, lane: str) -> None:
        wait = 0.05
        try:
            while post := self._state.next_post(lane):
                if post["after"] and self._state.next_post(post["after"]):
                    await self._until_change()
                    continue
                pause = await self._attempt(post)
                if pause is None:
                    wait = 0.05
                    continue
                wait = min(_LONGEST, wait * 2)
                await asyncio.sleep(max(pause, wait * self._chance.uniform(0.5, 1)))
        finally:
            self._lanes.pop(lane, None)

    async def _until_change(self) -> None:
        try:
            async with asyncio.timeout(0.5):
                await self._change.wait()
        except TimeoutError:
            pass

    async def _attempt(self, post: Json) -> float | None:
        """None once it is answered for good, else the seconds that the hub asks to wait."""
        if self.reorder and post["lane"].startswith("receipt"):
            await asyncio.sleep(self._chance.uniform(0, 0.3))
        self._state.attempted(post["seq"])
        try:
            answer = await self._send(post)
            differing = False
            if self.duplicate:
                again = await self._send(post)
                differing = max(answer.status, again.status) < 500 and (again.status, again.body) != (
                    answer.status,
                    answer.body,
                )
        except NoAnswer:
            return 0.0
        if not answer.final:
            return answer.retry_after or 0.0
        self._finish(post, answer, differing)
        return None

    def _finish(self, post: Json, answer: Answer, differing: bool) -> None:
        state = "done" if answer.done else "refused"
        with self._state.together():
            self._state.posted(post["seq"], state, answer.status, answer.body, differing)
            self._answered(post, answer.done, answer.body)
        change, self._change = self._change, asyncio.Event()
        change.set()

    def _whole(self, body: Json) -> Json:
        """The body with what its files hold; posts keep their ids only."""
        if not body.get("files"):
            return body
        found = [self._state.document(one["id"]) for one in body["files"]]
        return body | {"files": [one.wire() for one in found if one is not None]}

    async def _send(self, post: Json) -> Answer:
        return await self.hub.once(post["method"], post["path"], self._whole(post["body"]))
