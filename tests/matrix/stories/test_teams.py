"""Groups and encryption tools as a strict client shows them: matrix-js-sdk's Rust crypto on real Synapse servers."""

from __future__ import annotations

import pytest

from bridge.model import Address, Ref
from deploy.world.client import Event
from deploy.world.waiting import wait_for
from tests.matrix.make import ANNA, CLEO, SPACE, Node
from tests.matrix.servers import Servers
from tests.peers.world import NewClient

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]
_OPEN = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "shared"}}


async def test_who_is_added_by_a_product_reads_the_history(servers: Servers, node: Node, new_client: NewClient) -> None:
    await node.warm(ANNA)
    ben, eve = await new_client(servers.home, "ben"), await new_client(servers.away, "eve", isolation="all")
    room = await ben.create_room(invite=[servers.ghost(ANNA)], state=[_OPEN])
    await ben.wait_member(room, servers.ghost(ANNA))
    await ben.wait_devices(servers.ghost(ANNA))
    await ben.send(room, "avant Ève")
    chat = (await node.got("avant Ève")).chat
    await node.write(chat, "moi aussi", by="anna")
    await ben.wait_text(room, "moi aussi")
    by = Address("pandalab", "anna")
    await node.hub.change_members(Ref("pandalab", "eve"), chat, "pandalab", by, [f"matrix:{eve.user_id}"], [])
    await eve.wait_room(lambda r: bool(r["membership"] == "invite"))
    await eve.join(room)
    for text in ("avant Ève", "moi aussi"):
        seen = await eve.wait_text(room, text)
        assert seen["decryption_failure"] is None

    # Nobody is there to compare keys with: each way of asking ends at once, with a word.
    ghost = servers.ghost(ANNA)
    asked = await ben.do("verify", user=ghost, room=room)
    assert (asked["done"], asked["code"], asked["by"]) == (False, "m.user", ghost)
    await ben.devices(ghost)
    device = node.matrix.engine.device_of(ghost)  # the ghost's of this hub: others have been here before
    asked = await ben.do("verify", user=ghost, device=device)
    assert (asked["done"], asked["code"], asked["by"]) == (False, "m.user", ghost)
    words = await ben.wait_event(room, lambda e: e["content"].get("fr.liaison.code") == "nothing_to_verify")
    assert words["sender"] == servers.voice
    assert not [e for e in await ben.timeline(room) if _refused(e)]


async def test_a_client_sees_the_networks_and_a_colleague_who_leaves_hands_the_room_over(
    servers: Servers, node: Node, new_client: NewClient
) -> None:
    ben = await new_client(servers.away, "ben")
    await node.write("teams", "bonjour", to=(f"matrix:{ben.user_id}",))
    room = await ben.wait_room(lambda r: bool(r["membership"] == "invite"))
    await ben.join(room)
    await ben.wait_text(room, "bonjour")

    async def networks() -> set[str]:
        return {e["content"].get("protocol", {}).get("displayname") for e in await ben.state(room, "m.bridge")}

    assert await networks() == {"pandalab"}
    cleo = Address("pandalab", "cleo")
    box = Address("mail", f"sec@{SPACE}")
    await node.hub.change_members(Ref("pandalab", "box"), "teams", "pandalab", cleo, [f"mailto:{box.id}"], [])

    async def both() -> bool:
        return await networks() == {"pandalab", "mail"}

    await wait_for(both, "the second network")
    assert not await ben.has_read(room, servers.ghost(CLEO), await ben.send(room, "lu ?"))
    await node.hub.change_members(Ref("pandalab", "leave"), "teams", "pandalab", cleo, [], [cleo])
    await ben.wait_member(room, servers.ghost(CLEO), "leave")
    (levels,) = await ben.state(room, "m.room.power_levels")
    assert levels["content"]["users"][ben.user_id] == 100


def _refused(event: Event) -> bool:
    return event["content"].get("fr.liaison.code") == "not_encrypted"
