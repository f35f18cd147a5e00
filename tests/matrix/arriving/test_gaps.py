"""Events that the homeserver took and never pushed, as Synapse does when it is restarted at the wrong moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from appservice.arriving import gaps
from appservice.arriving.gaps import Gaps
from appservice.rooms.membership import Membership
from bridge.hub.hub import now_ms
from bridge.model import Address, Body, Kind, Message, Ref
from deploy.world.stub.human import Human
from deploy.world.stub.world import Json
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, Chat, Node, World, entry, ghost, meet

VIOLETTE = "10000000005"


class _Calm:
    """Inboxes about which nobody worries."""

    def doubt(self) -> None:
        pass

    def calm(self) -> None:
        pass

    def anchor(self, ghost: str) -> None:
        return None


@contextmanager
def lost(world: World) -> Iterator[None]:
    """What happens inside is never pushed."""
    interest = world.stub.interest
    world.stub.interest = lambda event: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        world.stub.interest = interest  # type: ignore[method-assign]


async def among_three(world: World, node: Node, founder: Human, other: Human) -> str:
    """A room of two humans and a ghost in which something was said."""
    await node.warm(ANNA)
    room = await founder.create_room(other.mxid, ghost(ANNA))
    await other.member(room, "join")
    await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
    await founder.say(room, "à trois")
    await node.got("à trois")
    return room


async def test_what_was_never_pushed_comes_in_its_place(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
    with lost(world):
        await chat.ben.say(chat.room, "perdu 1")
        await chat.ben.say(chat.room, "perdu 2")
    async with world.node() as node:
        await chat.ben.say(chat.room, "poussé")
        await node.got("poussé")
        assert node.texts() == ["perdu 1", "perdu 2", "poussé"]
        await chat.ben.say(chat.room, "encore")
        await node.got("encore")
        assert node.texts() == ["perdu 1", "perdu 2", "poussé", "encore"]


async def test_holes_between_events_that_wait_are_filled(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
    expected = []
    for n in range(4):
        with lost(world):
            await chat.ben.say(chat.room, f"perdu {n}")
        await chat.ben.say(chat.room, f"poussé {n}")
        expected += [f"perdu {n}", f"poussé {n}"]
    async with world.node() as node:
        await node.got("poussé 3")
        assert node.texts() == expected


async def test_a_room_that_stays_silent_is_compared_too(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
    with lost(world):
        await chat.ben.say(chat.room, "et puis plus rien")
    async with world.node() as node:
        await node.got("et puis plus rien")
        assert node.texts() == ["et puis plus rien"]


async def test_an_echo_that_was_never_pushed_gives_the_order_all_the_same(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        with lost(world):
            events = world.stub.world.rooms[chat.room].events
            before = len(events)
            await node.write(chat.chat, "notre écho", by="anna")
            await until(lambda: any(e["type"] == "m.room.encrypted" for e in events[before:]))
    async with world.node() as node:
        await chat.ben.say(chat.room, "après")
        await node.got("après")
        await until(lambda: node.matrix.idle)
        assert node.texts() == ["après"]  # our own words do not come back to their writer


async def test_nothing_is_taken_from_before_our_time(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA)
        room = await ben.create_room(eve.mxid)
        await eve.member(room, "join")
        await ben.say(room, "entre nous")
        await ben.call("POST", f"/_matrix/client/v3/rooms/{room}/invite", {"user_id": ghost(ANNA)})
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
        await ben.say(room, "à trois")
        await node.got("à trois")
        assert node.texts() == ["à trois"]


async def test_an_invitation_that_was_never_pushed_undoes_no_join(world: World) -> None:
    eve = await world.human("eve", "chu.example")
    async with world.node() as node:
        chat = await meet(world, node)
        with lost(world):
            await chat.ben.member(chat.room, "invite", eve.mxid)
        await eve.member(chat.room, "join")
        await chat.ben.say(chat.room, "un")
        await node.got("un")
    async with world.node() as node:
        await chat.ben.say(chat.room, "deux")
        await node.got("deux")
        room = await node.matrix.store.get(chat.room)
        assert room.membership(eve.mxid) == "join"
        assert not room.waits(eve.mxid)


async def test_who_was_sent_out_and_invited_again_comes_back(world: World) -> None:
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA, CLEO)
        room = await ben.create_room(ghost(ANNA), ghost(CLEO))
        membership = world.stub.world.rooms[room].membership
        await until(lambda: membership(ghost(ANNA)) == membership(ghost(CLEO)) == "join")
        await ben.say(room, "un")
        await node.got("un")
    with lost(world):
        await ben.member(room, "kick", ghost(CLEO))
        await ben.member(room, "invite", ghost(CLEO))
    async with world.node() as node:
        await ben.say(room, "deux")
        await node.got("deux")
        await until(lambda: membership(ghost(CLEO)) == "join")


async def test_who_invited_is_known_although_nothing_of_it_was_pushed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben, zed, eve = [await world.human(name, "chu.example") for name in ("ben", "zed", "eve")]
    changes, change = list[tuple[str, str]](), Membership._change

    async def noted(self: Membership, room: Any, event: Json, user: str, done: Any, **more: Any) -> None:
        changes.append((user, more["by"].id))
        await change(self, room, event, user, done, **more)

    monkeypatch.setattr(Membership, "_change", noted)
    async with world.node() as node:
        room = await among_three(world, node, zed, ben)
    with lost(world):
        await zed.member(room, "invite", eve.mxid)
        await eve.member(room, "join")
    async with world.node() as node:
        await zed.say(room, "deux")
        await node.got("deux")
        await until(lambda: (eve.mxid, zed.mxid) in changes)


async def test_a_ban_below_a_change_of_name_counts(world: World) -> None:
    """Written side by side on two homeservers; the ban wins, although its depth is lower."""
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        room = await among_three(world, node, ben, eve)
        there = world.stub.world.rooms[room]
        at = len(there.events)
        content = {"membership": "join", "displayname": "Ève"}
        world.stub.interest(world.stub.world.append(there, eve.mxid, "m.room.member", content, eve.mxid))
        await ben.say(room, "deux")
        await node.got("deux")
        await until(lambda: node.matrix.idle)
    with lost(world):
        await ben.member(room, "ban", eve.mxid)
    ban = there.state["m.room.member", eve.mxid]
    there.events.remove(ban)
    there.events.insert(at, ban)
    async with world.node() as node:
        await ben.say(room, "trois")
        await node.got("trois")
        assert (await node.matrix.store.get(room)).membership(eve.mxid) == "ban"


async def test_a_transaction_whose_number_is_missing_is_looked_for(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        await chat.ben.say(chat.room, "un")
        await node.got("un")
        with lost(world):
            await chat.ben.say(chat.room, "coincé")
        world.stub._counter += 1  # the number of the transaction that got stuck
        await chat.ben.say(chat.room, "trois")
        await node.got("trois")
        assert node.texts()[-3:] == ["un", "coincé", "trois"]


async def backlog(world: World, chat: Chat, count: int) -> list[str]:
    """What is written while the hub is away, pushed later one by one and slowly, as Synapse does."""
    texts = [f"retard {n}" for n in range(count)]
    for text in texts:
        await chat.ben.say(chat.room, text)
    put = world.stub._put

    async def slowly(number: int, body: Json) -> bool:
        await asyncio.sleep(0.05)
        return await put(number, body)

    world.stub._put = slowly  # type: ignore[method-assign]
    world.stub.most = 1
    return texts


async def test_what_is_only_late_is_not_overtaken(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
    texts = await backlog(world, chat, 30)
    arrived: list[str] = []
    async with world.node() as node:
        await node.got(texts[5])
    arrived += node.texts()  # with what was delivered while it stopped
    async with world.node() as node:
        await chat.ben.say(chat.room, "fin")
        await node.got("fin")
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        arrived += node.texts()
    assert list(dict.fromkeys(arrived)) == [*texts, "fin"]


async def test_what_is_pushed_while_a_room_is_compared_keeps_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison is slow, so that late pushes come in before and after the homeserver has read its history."""
    async with world.node() as node:
        chat = await meet(world, node)
    texts = await backlog(world, chat, 12)
    page = Gaps._page

    async def slow(*args: Any) -> Any:
        await asyncio.sleep(0.2)
        found = await page(*args)
        await asyncio.sleep(0.2)
        return found

    monkeypatch.setattr(Gaps, "_page", slow)
    async with world.node() as node:
        await node.got(texts[-1])
        await chat.ben.say(chat.room, "fin")
        await node.got("fin")
        assert node.texts() == [*texts, "fin"]


async def test_what_was_written_elsewhere_meanwhile_lies_below_what_was_seen(world: World) -> None:
    """Depth is not the order of pushes: an event of another homeserver may lie far below ours and be the newest."""
    async with world.node() as node:
        chat = await meet(world, node)
        events = world.stub.world.rooms[chat.room].events
        at = len(events)
        await chat.ben.say(chat.room, "vu")
        await node.got("vu")
    with lost(world):
        written = [await chat.ben.say(chat.room, f"ailleurs {n}") for n in (1, 2)]
    elsewhere = [event for event in events if event["event_id"] in written]
    events[:] = [event for event in events if event not in elsewhere]
    events[at:at] = elsewhere
    async with world.node() as node:
        await chat.ben.say(chat.room, "poussé")
        await node.got("poussé")
        assert node.texts() == ["ailleurs 1", "ailleurs 2", "poussé"]


def below(world: World, room: str, ident: str, other: str) -> None:
    """By depth an event lies below another one that the homeserver took before it: they were written at once."""
    events = world.stub.world.rooms[room].events
    one = next(event for event in events if event["event_id"] == ident)
    events.remove(one)
    events.insert(next(n for n, event in enumerate(events) if event["event_id"] == other), one)


async def unpushed(world: World, node: Node, room: str, chat: str) -> str:
    """Violette writes, and nobody is told of the event, whose id this gives."""
    events = world.stub.world.rooms[room].events
    before = len(events)
    with lost(world):
        said = Message(Ref("siilo", "v1"), chat, Address("siilo", "violette"), Kind.TEXT, Body("de violette"), now_ms())
        await node.hub.accept(said)
        await until(lambda: any(event["type"] == "m.room.encrypted" for event in events[before:]))
    return str(next(event["event_id"] for event in events[before:] if event["type"] == "m.room.encrypted"))


async def test_what_was_written_at_once_on_two_homeservers_has_one_order_on_every_leg(world: World) -> None:
    """A product's message went into the room, then the hub was killed; meanwhile ben wrote on a homeserver that had not
    got it yet. By depth his comes first; the room shows it second, as the homeserver has taken it."""
    world.people = [*world.people, entry(VIOLETTE, "Dr Violette Blanc", "siilo:violette")]
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA, VIOLETTE)
        room = await ben.create_room(ghost(ANNA), ghost(VIOLETTE))
        await until(lambda: len(world.stub.world.rooms[room].members("join")) == 3)
        await ben.say(room, "à tous")
        chat = (await node.got("à tous")).chat
        await until(lambda: node.matrix.idle)
        ours = await unpushed(world, node, room, chat)
    theirs = await ben.say(room, "de ben")
    below(world, room, theirs, ours)
    async with world.node() as node:
        await ben.say(room, "encore")
        await node.got("encore")
        assert node.texts() == ["de violette", "de ben", "encore"]


async def test_the_order_is_asked_for_as_who_was_there_before(world: World) -> None:
    """To whoever has just come Synapse gives the newest events by depth, too. Anna has, and comes first by name."""
    world.people = [*world.people, entry(VIOLETTE, "Dr Violette Blanc", "siilo:violette")]
    ben = await world.human("ben", "chu.example")
    async with world.node() as node:
        await node.warm(ANNA, CLEO, VIOLETTE)
        room = await ben.create_room(ghost(CLEO), ghost(VIOLETTE))
        await until(lambda: len(world.stub.world.rooms[room].members("join")) == 3)
        await ben.say(room, "à tous")
        chat = (await node.got("à tous")).chat
        await ben.member(room, "invite", ghost(ANNA))
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
        await until(lambda: node.matrix.idle)
        ours = await unpushed(world, node, room, chat)
    theirs = await ben.say(room, "de ben")
    below(world, room, theirs, ours)
    async with world.node() as node:
        await ben.say(room, "encore")
        await node.got("encore")
        assert node.texts() == ["de violette", "de ben", "encore"]


async def test_more_than_a_page_is_found(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
    texts = [f"perdu {n}" for n in range(230)]
    with lost(world):
        for text in texts:
            await chat.ben.say(chat.room, text)
    async with world.node() as node:
        await chat.ben.say(chat.room, "poussé")
        await node.got("poussé")
        assert node.texts() == [*texts, "poussé"]


async def test_what_was_said_before_a_ghost_came_back_is_not_taken(world: World) -> None:
    ben, eve = await world.human("ben", "chu.example"), await world.human("eve", "chu.example")
    async with world.node() as node:
        room = await among_three(world, node, ben, eve)
    await ben.member(room, "kick", ghost(ANNA))
    await ben.say(room, "entre nous")
    await ben.member(room, "invite", ghost(ANNA))
    async with world.node() as node:
        await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
        await ben.say(room, "de nouveau à trois")
        await node.got("de nouveau à trois")
        assert node.texts() == ["de nouveau à trois"]
        assert not await node.db.all("matrix.inbox", 0, 1000)


async def test_numbers_that_others_use_are_believed_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "_DOUBT", 0.1)
    one = Gaps(None, None, None, lambda _: False, lambda _: False, _Calm())  # type: ignore[arg-type]
    start = one._epoch
    for _ in range(3):
        one.skipped()
    assert one._epoch == start + 1  # at once, and once
    await until(lambda: one._epoch == start + 2)  # the others after a while
    assert one._doubt == 0.2
    await asyncio.sleep(0.3)
    assert one._epoch == start + 2  # and no more of that
    one.found()
    one.skipped()
    assert one._epoch == start + 3  # whoever was right once is believed again
