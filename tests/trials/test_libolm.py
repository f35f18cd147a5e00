"""A person whose client is mautrix-python, on libolm, beside one whose client is matrix-js-sdk, on Rust."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.world.world import World
from tests.peers.mautrix_client import MautrixClient
from tests.peers.world import PASSWORD, new_user
from tests.trials.make import assert_clean, strict

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.peers]
CLEO = "10001002027"


async def test_a_client_on_libolm_takes_part_beside_a_client_on_rust(world: World, tmp_path: Path) -> None:
    """ben's client is mautrix-python on another homeserver, rosa's is matrix-js-sdk; both refuse unsigned devices."""
    panda, cleo = world.products["pandalab"], world.hub.ghost(CLEO)
    user = await new_user(world.away, "ben")
    async with strict(world.home, "rosa") as rosa:
        async with await MautrixClient.start(world.away.url, user, PASSWORD, tmp_path) as ben:
            asked = await panda.write("cleo", "Un avis ?", to=[f"matrix:{user}", f"matrix:{rosa.user_id}"])
            room = await ben.join()
            assert await rosa.wait_room() == room
            question = await ben.timeline.text(room, "Un avis ?")
            assert question.sender == cleo
            await ben.signed(question)
            await rosa.wait_text(room, "Un avis ?")

            mine = await ben.send(room, "Oui, tout de suite", reply_to=question.event_id)
            heard = await panda.wait_text("cleo", "Oui, tout de suite")
            assert heard["reply_to"] == asked["id"]
            assert_clean([await rosa.wait_text(room, "Oui, tout de suite")])
            assert await ben.timeline.status(room, mine) == "SUCCESS"
            assert ben.timeline.receipts[room].get(cleo) is None  # delivered, and read by nobody
            assert not await rosa.has_read(room, cleo, mine)

            await panda.write("cleo", "Merci !", conversation=asked["conversation"], reply_to=heard["id"])
            thanks = await ben.timeline.text(room, "Merci !")
            assert thanks.cites == mine
            await ben.signed(thanks)

            await panda.read("cleo", heard["id"])
            await ben.timeline.until(lambda: ben.timeline.receipts[room].get(cleo) == mine, "cleo's read mark")
            await ben.read(room, thanks.event_id)
            await rosa.read_receipt(room, thanks.event_id)
            await panda.wait_state(asked["id"], "read")

            await rosa.send(room, "Je vous rejoins")
            assert (await ben.timeline.text(room, "Je vous rejoins")).sender == rosa.user_id
            await panda.wait_text("cleo", "Je vous rejoins")
            assert ben.timeline.bodies(room) == ["Un avis ?", "Oui, tout de suite", "Merci !", "Je vous rejoins"]
        await rosa.rotate(room)
        await panda.write("cleo", "Pendant son absence", conversation=asked["conversation"])
        await rosa.send(room, "Il revient")
        async with await MautrixClient.start(world.away.url, user, PASSWORD, tmp_path) as ben:
            await ben.signed(await ben.timeline.text(room, "Pendant son absence"))
            await ben.timeline.text(room, "Il revient")
            await ben.send(room, "Me revoilà")
            await panda.wait_text("cleo", "Me revoilà")
