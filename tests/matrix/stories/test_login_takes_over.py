"""A professional who is reached in a product logs in to our homeserver: the account that this opens takes over."""

from __future__ import annotations

from bridge.model import MATRIX, Address
from deploy.world.waiting import until
from tests.matrix.make import ANNA, World, ghost, meet


async def test_the_account_of_a_login_is_asked_in_and_goes_on(world: World) -> None:
    anna = await world.human(f"ps_8{ANNA}", None)
    async with world.node() as node:
        account = Address(MATRIX, node.matrix.names.account(ANNA))
        assert anna.mxid == account.id
        chat = await meet(world, node)
        assert await node.people.who(account) != await node.people.get(f"rpps:{ANNA}"), "nothing is proven yet"
        await node.hub.following.logged_in(account, ANNA)
        assert await anna.invited() == chat.room
        await anna.member(chat.room, "join")
        await until(lambda: world.stub.world.rooms[chat.room].membership(ghost(ANNA)) == "leave")
        await chat.ben.say(chat.room, "tu es là ?")
        await anna.heard("tu es là ?")
        found = await node.hub.facts.chat(MATRIX, chat.room)
        assert found is not None
        assert {m.person.id: str(m.address) for m in found.members}[f"rpps:{ANNA}"] == f"matrix:{account.id}"
        await node.write("neu", "du produit", by="cleo", to=(f"rpps:{ANNA}",))
        await anna.invited()
