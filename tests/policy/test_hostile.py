"""A homeserver of the list turns hostile: what it tries at the homeserver and the hub, and what becomes of each."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from deploy.world.waiting import until, wait_for
from tests.e2ee.peer import Owner, Peer
from tests.e2ee.stub import Stub, StubDevice
from tests.matrix.make import ANNA, Node, entry, hub
from tests.policy.far_world import PolicyWorld, Someone
from tests.policy.hostile import Hostile, Json, event_id

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]


@dataclass
class Attack:
    """mallory of the hostile server is in a room with ben and Anna's ghost; Anna reads in her product."""

    world: PolicyWorld
    node: Node
    evil: Hostile
    ben: Someone
    ghost: str
    room: str
    phone: Peer  # mallory's, which her identity has signed
    owner: Owner

    @property
    def mallory(self) -> str:
        return self.phone.user

    async def learn(self) -> tuple[str, Json]:
        """The ghost's device with a key for one Olm session, by federation."""
        _, found = await self.evil.call("POST", "v1/user/keys/query", {"device_keys": {self.ghost: []}})
        ((device, keys),) = found["device_keys"][self.ghost].items()
        asked = {self.ghost: {device: "signed_curve25519"}}
        _, claimed = await self.evil.call("POST", "v1/user/keys/claim", {"one_time_keys": asked})
        one_time = claimed["one_time_keys"][self.ghost][device]
        self.phone.stub.devices[self.ghost] = {device: StubDevice(keys=keys, one_time=dict(one_time))}
        return device, keys

    async def give(self, peer: Peer, kind: str, content: Json, *, by: str = "", told: bool = True) -> None:
        """An Olm message to the ghost, sent ``by`` somebody."""
        device, _ = await self.learn()
        wrapped = peer.wrap(self.ghost, kind, content, device_keys=told)
        await self.evil.to_device(by or self.mallory, self.ghost, device, "m.room.encrypted", wrapped)

    async def say(self, peer: Peer, text: str, room: str = "", at: int | None = None) -> Json:
        """An encrypted event by mallory; gives what the homeserver says of it (nothing: it was taken)."""
        content = peer.say(room or self.room, text) | {"sender_key": peer.curve, "device_id": peer.name}
        event = self.evil.event(room or self.room, self.mallory, "m.room.encrypted", content, at)
        answer = (await self.evil.send([event]))[event_id(event)]
        if not answer:
            self.evil.said(room or self.room, event)
        found: Json = answer
        return found

    async def shown(self, event: Json) -> int:
        """Whether ben can see an event (HTTP status)."""
        found = await self.ben.call("GET", f"/rooms/{quote(event['room_id'])}/event/{quote(event_id(event))}")
        return found.status

    async def honest(self, text: str) -> None:
        """Said as it should be; whatever came before it has been worked on, too."""
        await self.give(self.phone, "m.room_key", self.phone.room_key(self.room))
        assert await self.say(self.phone, text) == {}
        await self.node.got(text)


def published(evil: Hostile, owner: Owner, *peers: Peer) -> None:
    """What the hostile server says of its user."""
    stub = Stub()
    owner.publish(stub)
    one_time: Json = {}
    for peer in peers:
        peer.account.generate_one_time_keys(5)
        keys = {
            f"signed_curve25519:{i}": peer.sign({"key": k.to_base64()}) for i, k in peer.account.one_time_keys.items()
        }
        one_time[peer.name] = keys
        peer.account.mark_keys_as_published()
    devices = {peer.name: peer.keys() for peer in peers}
    evil.keys[owner.user] = {"devices": devices, "one_time": one_time, **stub.cross[owner.user]}


@pytest_asyncio.fixture(loop_scope="session")
async def attack(policy: PolicyWorld, tmp_path: Path) -> AsyncIterator[Attack]:
    w = policy
    people = [entry(ANNA, "Dr Anna Martin", "pandalab:anna")]
    async with Hostile(tmp_path / "hostile", w.authority, w.home) as evil:
        await w.issue(w.home, w.away, more=[evil.name])
        trusts = (w.home.name, evil.name).__contains__
        async with hub(f"sqlite:///{tmp_path}/hub.db", w.hub_settings(), trusts, w.hub_port, people) as node:
            await node.warm(ANNA)
            ben, ghost = await w.someone(w.home, "ben"), f"@rpps_{ANNA}:{w.home.name}"
            mallory = f"@mallory:{evil.name}"
            owner = Owner(mallory)
            phone = Peer(Stub(), mallory, "PHONE", owner)
            published(evil, owner, phone)
            room = await ben.room(room_version="11", invite=[ghost, mallory])
            await evil.join(room, mallory)

            async def there() -> bool:
                found = await ben.call("GET", f"/rooms/{quote(room)}/joined_members")
                return {ghost, mallory} <= set(found.body["joined"])

            await wait_for(there, "the ghost and mallory")
            yield Attack(w, node, evil, ben, ghost, room, phone, owner)
        await w.issue(w.home, w.away)


async def test_what_a_hostile_homeserver_of_the_list_tries(attack: Attack, caplog: pytest.LogCaptureFixture) -> None:
    """One world, one attack after the other; an honest message between them shows that what came before is done."""
    a = attack
    await a.honest("bonjour")
    await _harvesting(a)
    await _forged_senders(a)
    await _unknown_device(a)
    await _rooms_that_it_is_not_in(a)
    await _forwarded_keys(a, caplog)
    await _claims_to_be_a_ghost(a)
    await _backdated(a)
    await _changed_identity(a)
    assert not [text for text in a.node.texts() if "attaque" in text]


async def _harvesting(a: Attack) -> None:
    """It learns that a ghost is there, its name and its device, as any colleague does; no ghost is made."""
    nobody = f"@rpps_10009999999:{a.world.home.name}"
    status, profile = await a.evil.call("GET", f"v1/query/profile?user_id={quote(a.ghost)}")
    assert (status, profile["displayname"].startswith("Dr Anna Martin")) == (200, True)
    assert "10000000001" not in str({k: v for k, v in profile.items() if not k.startswith(("fr.", "displayname"))})
    assert (await a.evil.call("GET", f"v1/query/profile?user_id={quote(nobody)}"))[0] == 404
    asked: Json = {f"@rpps_{10_000_000_000 + n}:{a.world.home.name}": [] for n in range(20, 70)}
    _, found = await a.evil.call("POST", "v1/user/keys/query", {"device_keys": asked})
    assert not any(found["device_keys"].values())
    status, _ = await a.evil.call("GET", f"v1/user/devices/{quote(nobody)}")
    assert status in (200, 404)
    assert (await a.evil.call("POST", "v1/publicRooms", {"filter": {"generic_search_term": "a"}}))[0] == 403
    async with a.evil.session.post(f"{a.world.home.url}/_matrix/client/v3/user_directory/search", json={}) as search:
        assert search.status == 401, "the directory is searched with a token of this server only"
    assert not a.node.matrix.ghosts.is_ready(nobody)


async def _forged_senders(a: Attack) -> None:
    """A message for a device by somebody of another server is dropped by the homeserver, and never reaches the hub."""
    thief = Peer(a.phone.stub, a.ben.mxid, "THIEF")
    await a.give(thief, "m.room_key", thief.room_key(a.room), by=a.ben.mxid)
    await until(lambda: "with spoofed sender" in a.world.home.log.read_text(), "the homeserver's word")
    # in the envelope mallory, in the letter ben: the hub compares both
    await a.give(thief, "m.room_key", thief.room_key(a.room))
    assert await a.say(thief, "attaque par un autre expéditeur") == {}
    await a.honest("après les faux expéditeurs")


async def _unknown_device(a: Attack) -> None:
    """A device that mallory's server does not list, or that her identity has not signed, is not heard."""
    for name, told in (("GHOSTLY", False), ("UNSIGNED", True)):
        device = Peer(a.phone.stub, a.mallory, name)
        await a.give(device, "m.room_key", device.room_key(a.room), told=told)
        assert await a.say(device, f"attaque de {name}") == {}
        await a.honest(f"après {name}")


async def _rooms_that_it_is_not_in(a: Attack) -> None:
    """It gives a key for another room and an event there: the homeserver takes none of somebody who is not in it."""
    other = await a.ben.room(room_version="11", invite=[a.ghost])
    a.evil.borrow(a.room, other)
    await a.give(a.phone, "m.room_key", a.phone.room_key(other))
    content = a.phone.say(other, "attaque dans un autre salon")
    event = a.evil.event(other, a.mallory, "m.room.encrypted", content)
    await a.evil.send([event])
    assert await a.shown(event) == 404
    # the key of that room opens nothing in this one
    thief = Peer(a.phone.stub, a.mallory, "PHONE", a.owner, a.phone.account)
    await a.give(thief, "m.room_key", thief.room_key(other))
    assert await a.say(thief, "attaque avec la clé d’un autre salon") == {}
    await a.honest("après les autres salons")


async def _forwarded_keys(a: Attack, caplog: pytest.LogCaptureFixture) -> None:
    """A key that nobody has asked for is not taken from whoever forwards it."""
    thief = Peer(a.phone.stub, a.mallory, "PHONE", a.owner, a.phone.account)
    key = thief.room_key(a.room)
    assert thief.group is not None
    claimed = {
        "sender_key": a.phone.curve,
        "sender_claimed_ed25519_key": a.phone.ed,
        "forwarding_curve25519_key_chain": [],
    }
    caplog.clear()
    await a.give(a.phone, "m.forwarded_room_key", key | claimed)
    assert await a.say(thief, "attaque par une clé transmise") == {}
    await a.honest("après les clés transmises")
    assert "was forwarded that nobody asked for" in caplog.text


async def _claims_to_be_a_ghost(a: Attack) -> None:
    """Events of ghosts, of the hub's voice and of ben need their own server's signature."""
    for sender in (a.ghost, f"@rpps_liaison:{a.world.home.name}", a.ben.mxid):
        event = a.evil.event(a.room, sender, "m.room.message", {"msgtype": "m.text", "body": "attaque"})
        assert "error" in (await a.evil.send([event]))[event_id(event)]
        assert await a.shown(event) == 404
    name = {"name": "attaque"}
    event = a.evil.event(a.room, a.ghost, "m.room.name", name, state_key="")
    assert "error" in (await a.evil.send([event]))[event_id(event)]
    assert "attaque" not in str(await a.ben.content(a.room, "m.room.name"))
    await a.honest("après les faux fantômes")


async def _backdated(a: Attack) -> None:
    """Whatever time an event names, nobody is shown 1970 or next year: what is not credible is now."""
    began = time.time() * 1000
    late = await a.say(a.phone, "attaque de l’an prochain", at=int(began) + 365 * 86_400_000)
    assert "error" in late, "the homeserver takes no event dated after the end of its server's keys"
    for text, at in (("de 1970", 1000), ("de ce soir", int(began) + 12 * 3_600_000)):
        await a.give(a.phone, "m.room_key", a.phone.room_key(a.room))
        assert await a.say(a.phone, text, at=at) == {}
        told = (await a.node.got(text)).sent_at
        assert began - 60_000 <= told <= time.time() * 1000 + 300_000


async def _changed_identity(a: Attack) -> None:
    """Her server gives mallory another identity: it is not heard, and gets nothing of what Anna says."""
    known = await a.node.matrix.engine.identity(a.mallory)
    assert known.pinned is not None
    assert not known.changed
    chat = (await a.node.got("bonjour")).chat
    other = Owner(a.mallory)
    spy = Peer(a.phone.stub, a.mallory, "SPY", other)
    published(a.evil, other, spy)
    a.evil.edus.clear()
    await a.evil.devices_changed(a.mallory)

    async def changed() -> bool:
        return (await a.node.matrix.engine.identity(a.mallory)).changed

    await wait_for(changed, "the changed identity")
    await a.give(spy, "m.room_key", spy.room_key(a.room))
    assert await a.say(spy, "attaque d’une autre identité") == {}
    a.evil.pdus.clear()
    await a.node.write(chat, "résultat confidentiel", by="anna")

    def said() -> bool:
        return any((one["sender"], one["type"]) == (a.ghost, "m.room.encrypted") for one in a.evil.pdus)

    await until(said, "what Anna says, which it cannot read")
    got = [one["content"] for one in a.evil.edus if one["edu_type"] == "m.direct_to_device"]
    letters = [
        {"sender": one["sender"], "content": one["messages"][a.mallory][spy.name]}
        for one in got
        if one["type"] == "m.room.encrypted" and spy.name in one["messages"].get(a.mallory, {})
        if one["sender"] == a.ghost  # the hub's voice holds no content: its notices are for every device
    ]
    assert [spy._open(letter)["type"] for letter in letters] == []
