"""A person whose client is matrix-nio, without cross-signing, beside one whose client is matrix-js-sdk, on Rust."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.hub.hub import now_ms
from bridge.model import Address, Ref
from deploy.world.client import RustClient
from deploy.world.waiting import PATIENCE, wait_for
from tests.matrix.make import CLEO, Node, hub
from tests.matrix.servers import Servers
from tests.peers.nio_client import NioClient
from tests.peers.world import PASSWORD, NewClient, new_user

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def nina(servers: Servers, tmp_path: Path) -> AsyncIterator[NioClient]:
    """She is on the other homeserver; nobody has signed her device."""
    async with await NioClient.start(
        servers.away.url, await new_user(servers.away, "nina"), PASSWORD, tmp_path
    ) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def rosa(servers: Servers, new_client: NewClient) -> RustClient:
    """She is on the hub's homeserver, and shows messages of unsigned devices with a warning."""
    return await new_client(servers.home, "rosa", isolation="all", auto_join=True)


async def test_a_hub_that_allows_unsigned_devices_is_read_and_heard(
    servers: Servers, tmp_path: Path, nina: NioClient, rosa: RustClient
) -> None:
    settings = servers.settings(receive_unsigned=True, send_unsigned=True)
    async with hub(f"sqlite:///{tmp_path}/hub.db", settings, servers.trusted, servers.port) as node:
        cleo, to = servers.ghost(CLEO), (f"matrix:{nina.user_id}", f"matrix:{rosa.user_id}")
        await node.write("chat-nio", "Un avis ?", to=to, ref="question")
        room = await nina.join()
        question = await nina.timeline.text(room, "Un avis ?")
        assert (question.sender, question.trust) == (cleo, "unverified")
        assert (await rosa.wait_text(room, "Un avis ?"))["shield_colour"] == 0

        mine = await nina.send(room, "Oui, tout de suite", reply_to=question.event_id)
        heard = await node.got("Oui, tout de suite")
        assert heard.reply_to == Ref("pandalab", "question")
        answer = await node.product.deliver(heard)  # once more, for its name there
        assert await nina.timeline.status(room, mine) == "SUCCESS"
        assert (await rosa.wait_text(room, "Oui, tout de suite"))["shield_colour"] == 2

        await node.write("chat-nio", "Merci !", ref="thanks", reply_to=answer)
        thanks = await nina.timeline.text(room, "Merci !")
        assert thanks.cites == mine
        await nina.read(room, thanks.event_id)
        await _read_by(node, "thanks", nina.user_id)
        assert await node.hub.signs.read(answer, Address("pandalab", "cleo"), now_ms())
        await nina.timeline.until(lambda: nina.timeline.receipts[room].get(cleo) == mine, "cleo's read mark")
        assert nina.timeline.bodies(room) == ["Un avis ?", "Oui, tout de suite", "Merci !"]


async def _read_by(node: Node, ref: str, user: str) -> None:
    """Wait until the hub knows that a person has read a message of cleo."""
    async with asyncio.timeout(PATIENCE):
        while True:
            status = await node.hub.facts.status(Ref("pandalab", ref))
            if status and {str(r.state) for r in status.states if r.person.id == f"matrix:{user}"} == {"read"}:
                return
            await asyncio.sleep(0.1)


async def test_a_hub_that_does_not_is_neither_read_nor_heard(
    node: Node, servers: Servers, nina: NioClient, rosa: RustClient
) -> None:
    to = (f"matrix:{nina.user_id}", f"matrix:{rosa.user_id}")
    await node.write("chat-nio-strict", "Un avis ?", to=to)
    room = await nina.join()
    shown = await rosa.wait_text(room, "Un avis ?")
    assert (await nina.timeline.event(room, shown["event_id"])).failure

    mine = await nina.send(room, "Que dites-vous ?")
    assert await nina.timeline.status(room, mine) == "FAIL_PERMANENT"
    assert (await rosa.wait_text(room, "Que dites-vous ?"))["shield_colour"] == 2
    assert "Que dites-vous ?" not in node.texts()


async def test_a_device_that_is_refused_reads_why(
    servers: Servers, node: Node, nina: NioClient, rosa: RustClient
) -> None:
    """Nobody has signed her device: she is neither heard nor given colleagues' words, but she can read the reason."""
    to = (f"matrix:{nina.user_id}", f"matrix:{rosa.user_id}")
    await node.write("chat-refused", "Confidentiel", to=to, ref="secret")
    room = await nina.join()
    await rosa.wait_text(room, "Confidentiel")
    mine = await nina.send(room, "De mon nouveau téléphone")
    assert await nina.timeline.status(room, mine) == "FAIL_PERMANENT"
    said = await nina.timeline.wait(room, lambda shown: "n'est pas vérifié" in shown.body)
    assert said.sender == servers.voice
    assert "Confidentiel" not in nina.timeline.bodies(room)

    async def known() -> bool:
        status = await node.hub.facts.status(Ref("pandalab", "secret"))
        found = (
            {s.person.id.removeprefix("matrix:"): (s.state.value, s.reason) for s in status.states} if status else {}
        )
        return found == {nina.user_id: ("sent", "recipient_unsigned"), rosa.user_id: ("delivered", None)}

    await wait_for(known, "cleo to know who can read it")
    assert node.texts() == []
    assert (await rosa.wait_text(room, said.body))["shield_colour"] == 0
    assert not await rosa.has_read(room, servers.ghost(CLEO), mine)
