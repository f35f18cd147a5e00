"""Ben cherche un confrère: in a stock client's search, by a mail address, by asking Liaison from another site."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.model import Address, Person
from deploy.world.client import Event, RustClient
from deploy.world.proxy import Proxy
from tests.matrix.make import Node, hub
from tests.matrix.servers import Servers
from tests.peers.world import PASSWORD, NewClient, new_user

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]
CLEO, BRUNO, NINA = "10000000003", "10000000051", "10000000052"
BOX = "bruno.vidal@hopital.example"
PEOPLE = [
    Person(f"rpps:{CLEO}", "Dr Cléo Petit", "Cardiologue", "Bordeaux", (Address("pandalab", "cleo"),)),
    Person(f"rpps:{BRUNO}", "Dr Bruno Vidal", "Pneumologue", "Pessac", (Address("mail", BOX),)),
    Person(f"rpps:{NINA}", "Nina Petit", "Infirmière", "Bordeaux"),
]


def unwarned(event: Event) -> bool:
    """Whether the client shows a message without any warning."""
    return event["decryption_failure"] is None and event["first_failure"] is None and event["shield_colour"] == 0


async def begin(ben: RustClient, user: str) -> str:
    """A direct room; clients let nobody write before they see who is invited, since they give keys to members."""
    room = await ben.create_room(invite=[user], is_direct=True)

    async def seen() -> bool:
        return (await ben.members(room)).get(user, {}).get("membership") in ("invite", "join")

    await ben.wait_for(seen, what=f"the invitation of {user}")
    return room


async def in_the_search_field(node: Node, servers: Servers, ben: RustClient) -> None:
    """Nobody has a user before; the first message leaves at once and can be read."""
    assert servers.ghost(CLEO) not in node.matrix.ghosts.all()
    found = await ben.search("petit cardiologue")
    assert [(one["user_id"], one["display_name"]) for one in found] == [
        (servers.ghost(CLEO), "Dr Cléo Petit — Cardiologue (Bordeaux) · application")
    ]
    [_, nina] = await ben.search("petit bordeaux")
    assert nina["display_name"] == "Nina Petit — Infirmière (Bordeaux) · pas encore joignable"
    room = await begin(ben, servers.ghost(CLEO))
    await ben.send(room, "Bonjour Cléo")
    delivery = await node.got("Bonjour Cléo")
    await node.write(delivery.chat, "Bonjour Ben")
    answer = await ben.wait_text(room, "Bonjour Ben")
    assert answer["sender"] == servers.ghost(CLEO)
    assert unwarned(answer)


async def by_a_mail_address(node: Node, servers: Servers, ben: RustClient) -> None:
    """The right person is invited, who has only a mailbox, and answers by mail."""
    assert await ben.lookup("nobody@hopital.example") is None
    user = await ben.lookup(BOX)
    assert user == servers.ghost(BRUNO)
    assert (await ben.profile(user))["displayname"] == "Dr Bruno Vidal — Pneumologue (Pessac)"
    room = await begin(ben, user)
    await ben.send(room, "Un avis, s'il vous plaît")
    mailed = await node.mailed(lambda delivery: delivery.body.text == "Un avis, s'il vous plaît")
    await node.post(BOX, "Bien reçu", chat=mailed.chat)
    answer = await ben.wait_text(room, "Bien reçu")
    assert answer["sender"] == user
    assert unwarned(answer)


async def by_asking_liaison(node: Node, servers: Servers, marie: RustClient) -> None:
    """Marie's homeserver sends no search to any hub: she asks in a direct room, by federation."""
    desk = await begin(marie, servers.voice)
    await marie.wait_event(desk, lambda event: str(event["content"].get("body")).startswith("Bonjour. Écrivez un nom"))
    await marie.send(desk, "petit cardio")
    shown = await marie.wait_event(desk, lambda event: str(event["content"].get("body")).startswith("1. Dr Cléo Petit"))
    assert unwarned(shown)
    await marie.send(desk, "1")
    room = await marie.wait_room(lambda one: bool(one["membership"] == "invite"))
    await marie.join(room)
    await marie.send(room, "Bonjour de loin")
    delivery = await node.got("Bonjour de loin")
    await node.write(delivery.chat, "Bonjour Marie")
    assert unwarned(await marie.wait_text(room, "Bonjour Marie"))


async def test_ben_looks_for_a_colleague(servers: Servers, tmp_path: Path, new_client: NewClient) -> None:
    url, settings = f"sqlite:///{tmp_path}/hub.db", servers.settings()
    async with (
        hub(url, settings, servers.trusted, servers.port, PEOPLE) as node,
        Proxy(tmp_path / "nginx", servers.home.url, node.clients) as proxy,
        await RustClient.start(proxy.url, await new_user(servers.home, "ben"), PASSWORD) as ben,
    ):
        await node.matrix.ready_to_answer()
        await in_the_search_field(node, servers, ben)
        await by_a_mail_address(node, servers, ben)
        await by_asking_liaison(node, servers, await new_client(servers.away, "marie"))
