"""What people write while the hub is being killed, and what must then be true at every far end."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from deploy.world.simulator import Faults
from deploy.world.stub.human import Human, Seen
from deploy.world.waiting import PATIENCE, until
from tests.faults.rig import BEN, SERVER, Rig, spare


@dataclass(frozen=True, slots=True)
class Said:
    """One message: where, by whom (``ben`` or a product's user), what; ``to`` are the others who must get it."""

    chat: str
    by: str
    text: str
    to: tuple[str, ...]


CLEO, DAN = ("pandalab", "cleo"), ("siilo", "dan")
GHOST_CLEO = f"@rpps_10000000003:{SERVER}"
_STRANGER = "stranger"
TWO, THREE = "two-legs", "three-legs"


def _everybody(said: Said) -> bool:
    """Whether all to whom it was said come in: not every stranger does."""
    return bool(said.to) and not said.chat.startswith(_STRANGER)


class Traffic:
    """Everything that was said. Conversations: two legs (cleo, ben), three legs (cleo, dan, ben), and new ones."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.said: list[Said] = []
        self._numbers = itertools.count()
        self._spare = itertools.count()
        self._newcomers = 0
        self.pause = 0.02  # s until it may be looked again
        self._strangers = itertools.count()
        self._outside: list[tuple[str, str, str]] = []  # strangers who have not come in

    async def begin(self) -> None:
        """Make the lasting conversations, with a hub that lives."""
        self._cleo(TWO, ("ben",), to=[BEN])
        self._cleo(THREE, ("ben", "dan"), to=[BEN, "siilo:dan"])
        for chat in (TWO, THREE):
            text = next(said.text for said in self.said if said.chat == chat)
            await until(lambda text=text: self._room(text), "ben is written to")  # type: ignore[misc]
            self.rig.rooms[chat] = room = self._room(text) or ""
            await until(lambda room=room: self._is_in(room), "ben joins")  # type: ignore[misc]
        await until(lambda: self.rig.arrived(*DAN), "dan hears")
        for sim in self.rig.sims.values():
            sim.set_faults(Faults(status_5xx=0.05, lose_answer=0.05))

    def _room(self, text: str) -> str | None:
        rooms = self.rig.stub.world.rooms
        return next((room for room in rooms if any(s.text == text for s in self.rig.timeline(room))), None)

    def _is_in(self, room: str) -> bool:
        return self.rig.stub.world.rooms[room].membership(self.rig.ben.mxid) == "join"

    async def burst(self, n: int) -> None:
        """Something of everything, as many people would do it at once; far ends fail at times."""
        if n % 2:
            self.rig.stub.fault("PUT .*/send/m.room.encrypted/.*user_id=", status=503)
        self._cleo(TWO, ("ben",))
        self._dan(THREE)
        self._cleo(THREE, ("ben", "dan"))
        await self._ben(TWO, ("cleo",))
        await self._ben(THREE, ("cleo", "dan"))
        self._newcomer()
        await self._comes_in()
        self._stranger()
        if n % 3 == 0:
            await self._room_of_ben()
        if n % 2 == 0:
            self.rig.ben.rotate(self.rig.rooms[TWO])
        if n % 4 == 1:
            await self._late_key()
        await self._read()
        self._cleo(TWO, ("ben",))
        self._cleo(THREE, ("ben", "dan"))
        self._dan(THREE)
        await self._ben(THREE, ("cleo", "dan"))

    def one(self, n: int) -> None:
        """One message of a product's user, in turn of each."""
        (lambda: self._cleo(TWO, ("ben",)), lambda: self._dan(THREE), lambda: self._cleo(THREE, ("ben", "dan")))[
            n % 3
        ]()

    def _next(self, chat: str, by: str, to: tuple[str, ...]) -> str:
        text = f"{next(self._numbers)} {by} in {chat}"
        self.said.append(Said(chat, by, text, to))
        return text

    def _cleo(self, chat: str, others: tuple[str, ...], to: Iterable[str] = ()) -> None:
        self._write("pandalab", "cleo", chat, others, to)

    def _write(self, product: str, user: str, chat: str, others: tuple[str, ...], to: Iterable[str]) -> None:
        given = {"text": self._next(chat, user, others), "conversation": chat} | ({"to": [*to]} if to else {})
        self.rig.sims[product].write(user, given)

    def _dan(self, chat: str) -> None:
        name = self.rig.arrived(*DAN)[0]["conversation"]
        self.rig.sims["siilo"].write("dan", {"text": self._next(chat, "dan", ("ben", "cleo")), "conversation": name})

    async def _ben(self, chat: str, others: tuple[str, ...]) -> None:
        await self.rig.ben.say(self.rig.rooms[chat], self._next(chat, "ben", others))

    def _newcomer(self) -> None:
        """Somebody new is declared and begins a conversation: a ghost, a device, a room. Dan is taken in after that."""
        number = next(self._spare)
        self._newcomers += 1
        user = f"new{number}"
        self.rig.sims["pandalab"].add_user(user, spare(number))
        chat = f"chat-of-{user}"
        self._write("pandalab", user, chat, ("ben",), [BEN])
        self._write("pandalab", user, chat, ("ben",), ())
        self.rig.sims["pandalab"].change_members(chat, {"by": user, "add": ["siilo:dan"]})

    def _stranger(self) -> None:
        """Cleo writes to ben and to somebody whose devices nobody has asked for yet: for them the keys are kept."""
        account = self.rig.stub.human(f"{_STRANGER}{next(self._strangers)}")
        mxid, _, _ = account
        self._outside.append(account)
        self._cleo(mxid.strip("@"), ("ben",), [BEN, f"matrix:{mxid}"])
        self._cleo(mxid.strip("@"), ("ben",))

    async def _comes_in(self) -> None:
        """A stranger who has been invited publishes the keys of a first device, and joins: what was kept is given."""
        rooms = self.rig.stub.world.rooms
        for account in self._outside:
            room = next((room for room in rooms.values() if room.membership(account[0]) == "invite"), None)
            if room is not None:
                self._outside.remove(account)
                async with Human(self.rig.stub.url, *account) as stranger:
                    await stranger.member(room.room_id, "join")
                return

    async def _room_of_ben(self) -> None:
        """Ben makes a room with cleo and talks before she is in it; eve comes and goes, and the keys change."""
        chat, eve = f"room {next(self._numbers)}", self.rig.eve
        self.rig.rooms[chat] = room = await self.rig.ben.create_room(GHOST_CLEO, eve.mxid)
        await self._ben(chat, ("cleo",))
        await eve.member(room, "join")
        await eve.member(room, "leave")

    async def _late_key(self) -> None:
        """Ben says something whose key comes after it."""
        room = self.rig.rooms[TWO]
        self.rig.ben.rotate(room)
        await self.rig.ben.say(room, self._next(TWO, "ben", ("cleo",)), share=False)
        await asyncio.sleep(0.1)
        await self.rig.ben.share(room)

    async def _read(self) -> None:
        seen = self.rig.timeline(self.rig.rooms[TWO])
        await self.rig.ben.receipt(self.rig.rooms[TWO], seen[-1].event["event_id"])
        arrived = [m for m in self.rig.arrived(*CLEO) if m["kind"] == "text"]
        if arrived:
            self.rig.sims["pandalab"].read("cleo", arrived[-1]["id"])

    # ---- what must be true in the end

    async def settle(self) -> None:
        """Give a hub that lives the time to bring everything to its end; :meth:`check` says whether it did.

        The time is over when nothing has come for :data:`PATIENCE`, not sooner: a long backlog takes as long as it
        takes. The looks are as rare as they are dear, for the far ends answer in this process, too.
        """
        loop = asyncio.get_running_loop()
        least, since = self.left() + 1, loop.time()
        while left := self.left():
            looked = loop.time()
            if left < least:
                least, since = left, looked
            elif looked - since > PATIENCE:
                return
            await asyncio.sleep(self.pause)

    def left(self) -> int:
        """How much the hub still has to bring or to tell."""
        began = time.monotonic()
        left = len(self.missing()) + len(self.untold()) + self.unknown()
        self.pause = max(0.02, 4 * (time.monotonic() - began))
        return left

    def missing(self) -> list[tuple[str, Said]]:
        """Who lacks what."""
        heard = {who: Counter(texts) for who, texts in self.heard().items()}
        return [(who, said) for said in self.said for who in said.to if not heard[who][said.text]]

    def unknown(self) -> int:
        """How many conversations dan has been taken into, and his product does not know of them."""
        return self._newcomers + 1 - len(self.rig.sims["siilo"].state.conversations())

    def untold(self) -> list[str]:
        """What has arrived, but its sender does not know."""
        told = {**self.rig.statuses("pandalab"), **self.rig.statuses("siilo")}
        fine = {True: ("delivered", "read"), False: ("accepted", "sent", "delivered", "read")}
        products = [s.text for s in self.said if s.by != "ben" and told.get(s.text) not in fine[_everybody(s)]]
        known = self._successes()
        events = [
            s.event["event_id"] for room in self.rig.rooms.values() for s in self.rig.timeline(room) if self._own(s)
        ]
        return products + [event for event in events if event not in known]

    def _own(self, seen: Seen) -> bool:
        return seen.sender == self.rig.ben.mxid

    def _successes(self) -> set[str]:
        found: set[str] = set()
        for room in self.rig.rooms.values():
            for event in self.rig.stub.world.rooms[room].events:
                if event["type"] == "com.beeper.message_send_status" and event["content"]["status"] == "SUCCESS":
                    found.add(event["content"]["m.relates_to"]["event_id"])
        return found

    def heard(self) -> dict[str, list[str]]:
        """What each far end got from others, in its order."""
        rooms = [r.room_id for r in self.rig.stub.world.rooms.values()]
        rooms = [room for room in rooms if self._is_in(room)]
        ben = [s.text or "?" for room in rooms for s in self.rig.timeline(room) if not self._own(s)]
        return {"ben": ben, "cleo": self._texts(*CLEO), "dan": self._texts(*DAN)}

    def _texts(self, product: str, user: str) -> list[str]:
        return [m["text"] for m in self.rig.arrived(product, user)]

    def check(self) -> None:
        """Nothing lost, nothing twice, nothing out of order, everything readable, every sender told."""
        assert (lost := self.missing()) == [], f"lost: {lost[:10]}"
        assert (silent := self.untold()) == [], f"not told: {silent[:10]}"
        assert self.unknown() == 0
        places = {said.text: n for n, said in enumerate(self.said)}
        chats = {said.text: (said.chat, said.by) for said in self.said}
        for who, texts in self.heard().items():
            assert [t for t, n in Counter(texts).items() if n > 1] == [], f"{who} got something twice"
            assert [t for t in texts if t not in places] == [], f"{who} got something that nobody wrote"
            for chat in set(chats.values()):
                mine = [places[t] for t in texts if chats[t] == chat]
                assert mine == sorted(mine), f"{who} got {chat} out of order"
        self._same_order()
        assert not any(post["differing"] for sim in self.rig.sims.values() for post in sim.state.posts())

    def _same_order(self) -> None:
        """On every leg of the three-legged conversation: the order of the room."""
        room = self.rig.timeline(self.rig.rooms[THREE])
        mine = iter([said.text for said in self.said if said.chat == THREE and said.by == "ben"])
        order = {next(mine) if self._own(s) else s.text: n for n, s in enumerate(room)}
        for who in (CLEO, DAN):
            places = [order[t] for t in self._texts(*who) if t in order]
            assert places == sorted(places), f"{who} saw another order than the room"
