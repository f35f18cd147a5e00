"""Each call reaches a process that serves it; one that dies loses nothing, doubles nothing, reorders nothing."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
import pytest

from deploy.world.client import ClientError, Event, RustClient
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, Node
from tests.peers.world import NewClient
from tests.scaled.conftest import Scaled

pytestmark = [pytest.mark.peers, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]

V3, V1 = "/_matrix/client/v3", "/_matrix/client/v1"
HUB = (
    f"GET {V3}/account/whoami", f"POST {V3}/register", f"PUT {V3}/devices/DEV", f"DELETE {V3}/devices/DEV",
    f"POST {V3}/keys/upload", f"POST {V3}/keys/query", f"POST {V3}/keys/claim",
    f"POST {V3}/keys/device_signing/upload", f"POST {V3}/keys/signatures/upload", f"GET {V3}/sync?timeout=0",
    f"PUT {V3}/sendToDevice/m.dummy/t1", f"GET {V3}/joined_rooms", f"POST {V3}/createRoom", f"GET {V3}/capabilities",
    f"POST {V3}/join/ROOM", f"POST {V3}/rooms/ROOM/invite", f"POST {V3}/rooms/ROOM/leave", f"POST {V3}/rooms/ROOM/kick",
    f"POST {V3}/rooms/ROOM/forget", f"GET {V3}/rooms/ROOM/state", f"PUT {V3}/rooms/ROOM/state/m.room.name/",
    f"PUT {V3}/rooms/ROOM/send/m.room.message/t2", f"PUT {V3}/rooms/ROOM/redact/$event/t3",
    f"GET {V3}/rooms/ROOM/messages?dir=b", f"GET {V3}/rooms/ROOM/context/$event", f"GET {V1}/rooms/ROOM/threads",
    f"GET {V1}/rooms/ROOM/relations/$event", f"GET {V3}/rooms/ROOM/members",
    f"POST {V3}/rooms/ROOM/receipt/m.read/$event", f"PUT {V3}/rooms/ROOM/typing/USER", f"GET {V3}/profile/USER",
    f"PUT {V3}/profile/USER/displayname", f"PUT {V3}/user/USER/account_data/fr.liaison.test",
    f"GET {V3}/user/USER/account_data/fr.liaison.test", f"GET {V1}/media/config", "POST /_matrix/media/v3/upload",
    f"POST {V1}/appservice/liaison/ping", "GET /_matrix/federation/v1/openid/userinfo?access_token=x",
)  # fmt: skip
PEOPLE = (
    f"POST {V3}/rooms/ROOM/upgrade", f"POST {V3}/rooms/ROOM/report", f"POST {V3}/rooms/ROOM/report/$event",
    f"POST {V3}/user/USER/openid/request_token", f"GET {V3}/pushrules/", f"PUT {V3}/presence/USER/status",
    f"GET {V3}/login", f"POST {V3}/logout", f"GET {V3}/notifications", f"GET {V3}/voip/turnServer",
    f"GET {V3}/room_keys/version", f"GET {V3}/directory/list/room/ROOM", f"POST {V3}/user_directory/search",
    "GET /_matrix/key/v2/server", "GET /_matrix/federation/v1/version",
)  # fmt: skip
BODY = {"typing": False, "timeout": 1000}  # what a typing sign needs; the others take it, or refuse it
DYING = ("hub-1", "event-persister-1")  # the others by `make faults`


async def odd(base: str, calls: tuple[str, ...], scaled: Scaled) -> list[str]:
    """The calls that no process at the other end serves, or that one fails at."""
    user, room = quote(scaled.ghost(ANNA), safe=""), quote("!room:x", safe="")  # a ghost: the sender has no /sync
    found = []
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer as-real"}) as session:
        for call in calls:
            method, path = call.replace("USER", user).replace("ROOM", room).split(" ", 1)
            asked = f"{base}{path}{'&' if '?' in path else '?'}user_id={user}"
            async with session.request(method, asked, json=BODY if method != "GET" else None) as answer:
                text = await answer.text()
            if answer.status >= 500 or "M_UNRECOGNIZED" in text or "nginx" in text:
                found.append(f"{call}: {answer.status} {text[:100]}")
    return found


async def test_each_call_reaches_a_process_that_serves_it(scaled: Scaled, node: Node) -> None:
    await node.warm(ANNA)
    assert await odd(scaled.home.hub_url, HUB, scaled) == []
    assert await odd(scaled.home.url, (*HUB, *PEOPLE), scaled) == []


@dataclass
class Talk:
    """A conversation of cleo, in her product, with ben of this homeserver and kim of the other one."""

    node: Node
    ben: RustClient
    kim: RustClient
    chat: str
    room: str = ""
    said: dict[str, list[str]] = field(default_factory=lambda: {"cleo": [], "ben": [], "kim": []})

    async def begin(self, *, trusting: str) -> None:
        """All are in, and read each other."""
        await self.node.write(self.chat, "début", to=(f"matrix:{self.ben.user_id}", f"matrix:{self.kim.user_id}"))
        self.said["cleo"].append("début")
        for who in (self.ben, self.kim):
            self.room = await who.wait_room(lambda r: bool(r["membership"] == "invite"))
            await who.join(self.room)
            await who.wait_text(self.room, "début")
            await who.wait_devices(trusting)

    async def say(self, who: str, text: str) -> None:
        """By one of the three; returns when the homeserver, or the hub, has it.

        What the homeserver fails at (500) may have been taken all the same: it is said again, in other words.
        """
        self.said[who].append(text)
        if who == "cleo":
            await self.node.write(self.chat, text)
            return
        while True:
            try:
                await getattr(self, who).send(self.room, text)
            except ClientError as failed:
                if (failed.status or 0) < 500:
                    raise
                self.said[who].remove(text)
                text += " bis"
                self.said[who].append(text)
                await asyncio.sleep(0.5)
            else:
                return

    async def settled(self) -> None:
        """Everybody has what the others said: each once, in the order of its writer, readable and without a warning."""
        written = self.said["ben"] + self.said["kim"]
        await until(lambda: set(written) <= set(self.node.texts()), "the product to have everything")
        for who in ("ben", "kim"):
            assert [t for t in self.node.texts() if t in self.said[who]] == self.said[who]
        for name, client in (("ben", self.ben), ("kim", self.kim)):
            for text in self.said["cleo"]:
                seen = await client.wait_text(self.room, text)
                assert (seen["decryption_failure"], seen["shield_colour"]) == (None, 0), (name, text)
            texts = [_text(event) for event in await client.timeline(self.room)]
            assert [text for text in texts if text in self.said["cleo"]] == self.said["cleo"], name


def _text(event: Event) -> str:
    return str(event["content"].get("body", "")) if event["type"] == "m.room.message" else ""


async def talk(scaled: Scaled, node: Node, new_client: NewClient, chat: str) -> Talk:
    """A conversation that has begun."""
    await node.warm(ANNA, CLEO)
    made = Talk(node, await new_client(scaled.home, "ben"), await new_client(scaled.away, "kim"), chat)
    await made.begin(trusting=scaled.ghost(CLEO))
    return made


async def dies(scaled: Scaled, talked: Talk, name: str, word: str) -> None:
    """A process is killed, everybody writes, and it comes back, as systemd would have it."""
    await talked.say("kim", f"{word} avant, de kim")
    await scaled.home.kill_process(name)
    saying = [asyncio.create_task(talked.say(who, f"{word} sans {name}, de {who}")) for who in ("cleo", "ben", "kim")]
    await asyncio.sleep(0.2)  # most of it is tried in vain
    await scaled.home.start_processes([name])
    await asyncio.gather(*saying)
    await talked.say("ben", f"{word} après, de ben")


async def test_processes_die_while_people_write(scaled: Scaled, node: Node, new_client: NewClient) -> None:
    talked = await talk(scaled, node, new_client, "chat-dying")
    for n, name in enumerate(DYING):
        await dies(scaled, talked, name, f"{n}:")
    await talked.settled()


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_every_process_dies_many_times_in_any_order(scaled: Scaled, node: Node, new_client: NewClient) -> None:
    chance, talked = random.Random(14), await talk(scaled, node, new_client, "chat-storm")
    names = [*scaled.home.names * 2]
    chance.shuffle(names)
    for n, name in enumerate(names):
        await dies(scaled, talked, name, f"{n}:")
        if n % 8 == 3:
            await scaled.home.kill_main()
            saying = asyncio.create_task(talked.say("cleo", f"{n}: sans le principal"))
            await scaled.home.start()
            await saying
        if n % 8 == 7:
            await scaled.home.redis.stop()
            saying = asyncio.create_task(talked.say("ben", f"{n}: sans Redis"))
            await scaled.home.redis.start()
            await saying
    await talked.settled()


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_process_that_hears_of_the_others_late(scaled: Scaled, node: Node, new_client: NewClient) -> None:
    scaled.home.relay.delay = 0.4
    try:
        talked = await talk(scaled, node, new_client, "chat-late")
        for n in range(5):
            await asyncio.gather(*(talked.say(who, f"{n} de {who}") for who in ("cleo", "ben", "kim")))
            await talked.ben.rotate(talked.room)
        await talked.settled()
    finally:
        scaled.home.relay.delay = 0.0
