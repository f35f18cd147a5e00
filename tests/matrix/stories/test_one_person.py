"""A doctor with a mailbox, two products and later a Matrix account of her own is one person in every transcript."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import Refused
from bridge.model import MATRIX, Address, Delivery
from bridge.networks.loopback import Loopback
from bridge.parts.tasks import Tasks
from bridge.people.directories.watched import WatchedFile
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, SPACE, Node, World, ghost

HEAD = "rpps,name,profession,place,mail,matrix,products\n"
BOX, OWN = f"anna@{SPACE}", "@anna:chu.example"
SHE = f"rpps:{ANNA}"
OTHERS = f"{CLEO},Cléo Petit,Pharmacienne,Annecy,,,pandalab:cleo\n10000000004,Dan Moreau,Cardiologue,Die,,,siilo:dan\n"


def her(matrix: str = "") -> str:
    return f"{ANNA},Anna Martin,Médecin,Lyon,{BOX},{matrix},pandalab:anna siilo:anna\n"


def edit(directory: WatchedFile, path: Path, *lines: str) -> None:
    path.write_text(HEAD + OTHERS + "".join(lines), "utf-8")
    directory.reload()


async def said_in(net: Loopback, text: str) -> Delivery:
    await until(lambda: any(d.body.text == text for d in net.delivered), text)
    return next(d for d in net.delivered if d.body.text == text)


def writers(net: Loopback, *texts: str) -> set[str]:
    return {d.sender.id for d in net.delivered if d.body.text in texts}


async def members(node: Node, room: str) -> dict[str, str]:
    chat = await node.hub.facts.chat(MATRIX, room)
    assert chat is not None
    return {m.person.id: str(m.address) for m in chat.members}


async def test_one_person_in_every_transcript(world: World, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(HEAD + OTHERS + her(), "utf-8")
    directory, tasks = WatchedFile(path, look=0.02), Tasks("directory")
    world.directory = directory
    ben, anna = await world.human("ben", "chu.example"), await world.human("anna", "chu.example")
    async with world.node() as node:
        tasks.start(directory.run())
        try:
            await in_three_networks(node)
            room = await in_a_room(world, node)
            edit(directory, path, her(OWN))
            await she_takes_over(world, node, room)
            await nobody_impersonates_her(world, node, room)
            await node.hub.links.restore(Address("pandalab", "anna"), "operator")
            edit(directory, path)
            await she_is_struck_off(world, node, room)
        finally:
            await tasks.stop()
    assert ben.mxid != anna.mxid


async def in_three_networks(node: Node) -> None:
    """By mail to the one, from either product to others: always the same professional."""
    await node.product.write("m1", "M", "cleo", "par mail ?", [f"mailto:{BOX}"])
    mail = await node.mailed(lambda d: d.body.text == "par mail ?")
    await node.post(BOX, "oui, par mail", chat=mail.chat)
    await node.siilo.write("s1", "S", "anna", "de Siilo", ["pandalab:cleo"])
    await node.product.write("p1", "P", "anna", "de PandaLab", ["siilo:dan"])
    for net, text in ((node.product, "oui, par mail"), (node.product, "de Siilo"), (node.siilo, "de PandaLab")):
        assert (await said_in(net, text)).sender.name == "Anna Martin"
    assert writers(node.product, "oui, par mail", "de Siilo") | writers(node.siilo, "de PandaLab") == {SHE}


async def in_a_room(world: World, node: Node) -> str:
    """Ben has her and Cléo in one room: she is in PandaLab."""
    ben = world.humans["ben"]
    await node.warm(ANNA, CLEO)
    room = await ben.create_room(ghost(ANNA), ghost(CLEO))
    await until(lambda: all(world.stub.world.rooms[room].membership(ghost(one)) == "join" for one in (ANNA, CLEO)))
    await ben.say(room, "bonjour à deux")
    first = await said_in(node.product, "bonjour à deux")
    await node.product.write("p2", first.chat or "", "anna", "de PandaLab, au salon")
    assert (await ben.heard("de PandaLab, au salon")).sender == ghost(ANNA)
    assert (await members(node, room))[SHE] == "pandalab:anna"
    return room


async def she_takes_over(world: World, node: Node, room: str) -> None:
    """Her own account is asked in by her ghost; once it has come the ghost leaves, and the thread goes on."""
    ben, anna = world.humans["ben"], world.humans["anna"]
    before = await node.hub.facts.chat(MATRIX, room)
    assert await anna.invited() == room
    assert (await members(node, room))[SHE] == "pandalab:anna"  # she has not said yes
    await anna.member(room, "join")
    await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "leave")
    left = next(e for e in reversed(world.stub.world.rooms[room].events) if e.get("state_key") == ghost(ANNA))
    assert "propre compte" in left["content"]["reason"]
    assert (await members(node, room))[SHE] == f"matrix:{OWN}"
    after = await node.hub.facts.chat(MATRIX, room)
    assert before is not None
    assert after is not None
    assert after.conversation == before.conversation
    await anna.say(room, "c'est bien moi")
    heard = await said_in(node.product, "c'est bien moi")
    assert (heard.sender.id, heard.conversation) == (SHE, before.conversation)
    await node.product.write("p3", heard.chat or "", "cleo", "bienvenue")
    assert (await anna.heard("bienvenue")).sender == ghost(CLEO)
    await ben.heard("bienvenue")
    with pytest.raises(Refused, match="other_account"):
        await node.product.write("p4", heard.chat or "", "anna", "encore d'ici")
    assert writers(node.product, "oui, par mail", "de Siilo", "c'est bien moi") == {SHE}


async def nobody_impersonates_her(world: World, node: Node, room: str) -> None:
    """Her Matrix account is stolen: it is out of the room, and she is back by her product, in the same conversation."""
    ben = world.humans["ben"]
    chat = await node.hub.facts.chat(MATRIX, room)
    assert chat is not None
    await node.hub.links.revoke(Address(MATRIX, OWN), "operator")
    await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
    assert await node.hub.facts.who(Address(MATRIX, OWN)) is None
    assert (await members(node, room))[SHE] == "pandalab:anna"
    await ben.say(room, "qui est là ?")
    assert SHE in {m.person.id for m in (await said_in(node.product, "qui est là ?")).recipients}
    await node.product.write("p5", chat.conversation, "anna", "moi, de PandaLab")
    assert (await ben.heard("moi, de PandaLab")).sender == ghost(ANNA)
    assert all(seen.text != "moi, de PandaLab" for seen in world.humans["anna"].seen)
    notice = "reste dans ce salon"  # the room is Ben's: he alone can take the account out of it
    assert notice in ((await ben.heard(notice)).text or "")
    await node.hub.links.revoke(Address("pandalab", "anna"), "operator")
    await until(lambda: world.stub.world.rooms[room].membership(ghost(ANNA)) == "join")
    with pytest.raises(Refused, match="account_revoked"):
        await node.product.write("p6", chat.conversation, "anna", "un imposteur")
    assert (await members(node, room))[SHE] == "siilo:anna"


async def she_is_struck_off(world: World, node: Node, room: str) -> None:
    """She is locked on every leg, and shown as such; what was said can be read."""
    ben, chat = world.humans["ben"], await node.hub.facts.chat(MATRIX, room)
    assert chat is not None
    profile = world.stub.world.users[ghost(ANNA)].profile
    await until(lambda: "(inactif" in profile["displayname"])
    for net, user in ((node.product, "anna"), (node.siilo, "anna")):
        with pytest.raises(Refused, match=r"sender_inactive|account_revoked"):
            await net.write(f"x{net.network}", chat.conversation, user, "x")
    with pytest.raises(Refused, match="sender_inactive"):
        await node.post(BOX, "x", chat="M")
    with pytest.raises(Refused, match="recipient_inactive"):
        await node.product.write("p7", "N", "cleo", "x", [SHE])
    await ben.say(room, "à qui reste")
    assert SHE in {m.person.id for m in (await said_in(node.product, "à qui reste")).members}
    assert all(d.body.text != "à qui reste" for d in node.siilo.delivered)
