"""Writing, failing, lost answers, lost commits, crashes in any mix: each message once, in order, alike on all legs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.connector import Capabilities
from bridge.db.sqlite import Sqlite
from bridge.errors import Unavailable
from bridge.hub.courier import Patience
from bridge.model import Delivery, Ref
from bridge.networks.loopback import Loopback
from tests.core.db.test_db import watch
from tests.core.make import World, running

QUICK = Patience(first=0.002, longest=0.01, give_up=60.0, reports=0.001)
TO = ["matrix:@ben:chu.example", "siilo:dan"]


class Flaky(Loopback):
    """Fails before or after it has taken a delivery, as often as it was told to."""

    def __init__(self, network: str, capabilities: Capabilities | None = None) -> None:
        super().__init__(network, capabilities)
        self.away = self.lost = 0

    async def deliver(self, delivery: Delivery) -> Ref:
        """See :class:`Loopback`."""
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        ref = await super().deliver(delivery)
        await asyncio.sleep(0)
        if self.lost:
            self.lost -= 1
            raise Unavailable("answer lost")
        return ref


class Storm:
    """The far ends, which outlive every hub. The room's timeline is pumped into the hub in order, at least once."""

    def __init__(self) -> None:
        self.nets = {name: Flaky(name) for name in ("pandalab", "siilo")}
        self.nets["matrix"] = Flaky("matrix", Capabilities(echoes=True, names_chats=True))
        self.written: dict[str, list[str]] = {"cleo": [], "dan": [], "ben": []}
        self.timeline: list[str] = []  # of the room: a message's hub id, or "ben 3"
        self.shown = 0
        self.pumped = 0
        self.conversation = ""

    @property
    def chat_of_dan(self) -> str:
        """What siilo calls the conversation."""
        return self.nets["siilo"].delivered[0].chat or ""

    def look(self) -> None:
        """What the hub has put into the room is in its timeline now."""
        self.timeline += [d.message for d in self.nets["matrix"].delivered[self.shown :]]
        self.shown = len(self.nets["matrix"].delivered)

    def say(self, who: str) -> None:
        """Somebody writes; it stays until the hub has taken it."""
        text = f"{who} {len(self.written[who])}"
        self.written[who].append(text)
        if who == "ben":
            self.look()
            self.timeline.append(text)

    async def pump(self, w: World) -> None:
        """Hand everything to the hub for as long as it lives."""
        posted = {"cleo": 0, "dan": 0}
        while True:
            self.look()
            with suppress(Unavailable):
                await self._post(w, posted)
                while self.pumped < len(self.timeline):
                    await self._show(w, self.timeline[self.pumped])
                    self.pumped += 1
            await asyncio.sleep(0.001)

    async def _post(self, w: World, posted: dict[str, int]) -> None:
        for who, net, chat in (("cleo", "pandalab", "A"), ("dan", "siilo", "")):
            for text in self.written[who][posted[who] :]:
                if net == "siilo" and not self.nets["siilo"].delivered:
                    return
                done = await self.nets[net].write(text, chat or self.chat_of_dan, who, text, TO if chat else [])
                self.conversation = done.conversation
                posted[who] += 1

    async def _show(self, w: World, what: str) -> None:
        if what.startswith("ben"):
            await w.hub.bind(self.conversation, "matrix", "!room")
            await self.nets["matrix"].write(what, "!room", "@ben:chu.example", what)
        else:
            await w.hub.sequenced(what)

    def complete(self) -> bool:
        """Whether everybody has everything."""
        total = sum(len(texts) for texts in self.written.values())
        mine = {"pandalab": "cleo", "siilo": "dan", "matrix": "ben"}
        return all(len(self.nets[n].delivered) >= total - len(self.written[who]) for n, who in mine.items())

    def check(self) -> None:
        """Each once, each sender's in order, one order on the legs: the room's."""
        self.look()
        texts = {name: [d.body.text for d in net.delivered] for name, net in self.nets.items()}
        for name, mine in (("pandalab", "cleo"), ("siilo", "dan"), ("matrix", "ben")):
            wanted = [t for who, some in self.written.items() if who != mine for t in some]
            assert sorted(texts[name]) == sorted(wanted), name
            for who in self.written:
                assert [t for t in texts[name] if t.startswith(who)] == (self.written[who] if who != mine else [])
        said = {d.message: d.body.text for d in self.nets["matrix"].delivered}
        room = [said.get(what, what) for what in self.timeline]
        for name, mine in (("pandalab", "cleo"), ("siilo", "dan")):
            assert texts[name] == [t for t in room if not t.startswith(mine)], name


STEPS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(["cleo", "cleo", "dan", "ben"])),
    st.tuples(st.sampled_from(["away", "lost"]), st.sampled_from(["matrix", "pandalab", "siilo"])),
    st.tuples(st.just("disk"), st.integers(1, 3)),
    st.tuples(st.just("pause"), st.integers(0, 12)),
    st.tuples(st.just("crash"), st.just(0)),
)


@asynccontextmanager
async def life(storm: Storm, url: str) -> AsyncIterator[World]:
    """One life of the hub, and the pump beside it."""
    async with running(url, dict(storm.nets), QUICK, order_wait=60) as w:
        pump = asyncio.create_task(storm.pump(w))
        try:
            yield w
        finally:
            pump.cancel()
            with suppress(asyncio.CancelledError):
                await pump


async def weather(steps: list[tuple[str, str | int]], url: str) -> None:
    """Play the steps, then good weather, then look."""
    storm = Storm()
    storm.say("cleo")
    rest = list(steps)
    while rest:
        async with life(storm, url) as w:
            assert isinstance(w.db, Sqlite)
            disk = watch(w.db)
            while rest and (step := rest.pop(0))[0] != "crash":
                what, value = step
                if what == "say":
                    storm.say(str(value))
                elif what == "disk":
                    disk.fail = int(value)
                elif what == "pause":
                    await asyncio.sleep(int(value) / 1000)
                else:
                    setattr(storm.nets[str(value)], what, 2)
    async with life(storm, url) as w:
        await w.until(storm.complete)
        await w.until(lambda: storm.pumped == len(storm.timeline))
        await asyncio.sleep(0.02)
    storm.check()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=40))
def test_nothing_is_lost_twice_or_out_of_order_in_any_weather(steps: list[tuple[str, str | int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(weather(steps, f"sqlite:///{folder}/hub.db"))
