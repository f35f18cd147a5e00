"""Three clients unlike each other in one room with a product's clinician: what each of them shows is true.

rosa's is matrix-js-sdk on Rust, ben's mautrix on libolm, nina's matrix-nio: nobody has signed her device. The people
talk with unsigned devices, and the hub does not. Nothing is looked at through a filter of ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.errors import Refused, Unavailable
from bridge.hub.hub import now_ms
from bridge.model import Address, Delivery, Ref
from deploy.world.client import RustClient
from deploy.world.waiting import PATIENCE, until, wait_for
from tests.matrix.make import CLEO, Node, hub
from tests.matrix.servers import Servers
from tests.peers.mautrix_client import MautrixClient
from tests.peers.nio_client import NioClient
from tests.peers.timeline import STATUS, Shown
from tests.peers.world import PASSWORD, NewClient, new_user

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]
CHAT = "chat-three"


@dataclass
class Three:
    """The room, and the clients in it."""

    servers: Servers
    node: Node
    rosa: RustClient
    ben: MautrixClient
    nina: NioClient
    room: str = ""

    @property
    def cleo(self) -> str:
        """The clinician's Matrix user."""
        return self.servers.ghost(CLEO)

    async def states(self, ref: str) -> dict[str, tuple[str, str | None]]:
        """What the product was told of a message of cleo: Matrix user -> state and reason."""
        status = await self.node.hub.facts.status(Ref("pandalab", ref))
        states = status.states if status else ()
        return {s.person.id.removeprefix("matrix:"): (s.state.value, s.reason) for s in states}

    async def until_states(self, ref: str, expected: dict[str, tuple[str, str | None]]) -> None:
        """Wait until the product knows this of a message."""

        async def known() -> bool:
            return await self.states(ref) == expected

        await wait_for(known, f"{ref} to be known as {expected}")

    async def everybody_reads(self, event_id: str, text: str, sender: str) -> None:
        """Each of the three clients shows this message, as this sender's."""
        shown = await self.rosa.wait_event(
            self.room, lambda e: bool(e["event_id"] == event_id and not e["decryption_failure"])
        )
        assert (shown["content"]["body"], shown["sender"]) == (text, sender)
        for client in (self.ben, self.nina):
            seen = await client.timeline.event(self.room, event_id, lambda s: not s.failure)
            assert (seen.body, seen.sender) == (text, sender)

    async def hub_says(self, words: str) -> None:
        """Each of the three can read this notice, in the hub's own voice, and no client that can warn of it does."""
        said = await self.nina.timeline.wait(self.room, lambda s: words in s.body)
        assert said.sender == self.servers.voice
        shown = await self.rosa.wait_text(self.room, said.body)
        assert (shown["sender"], shown["shield_colour"]) == (self.servers.voice, 0)
        heard = await self.ben.timeline.text(self.room, said.body)
        assert heard.sender == self.servers.voice
        await self.ben.signed(heard)

    async def unread(self, *events: str) -> None:
        """No client shows any of these as read by the clinician, nor that the hub's voice reads at all."""
        for event in events:
            assert not await self.rosa.has_read(self.room, self.cleo, event)
        for client in (self.ben, self.nina):
            assert client.timeline.receipts[self.room].get(self.cleo) not in events
            assert self.servers.voice not in client.timeline.receipts[self.room]

    async def read_by_cleo(self, event: str) -> None:
        """Each client shows that she has read up to this event."""

        async def shown() -> bool:
            return await self.rosa.has_read(self.room, self.cleo, event)

        await wait_for(shown, "rosa to see that cleo has read")
        for client in (self.ben, self.nina):
            receipts = client.timeline.receipts[self.room]
            await client.timeline.until(partial(_is, receipts, self.cleo, event), "cleo's read mark")


@pytest_asyncio.fixture(loop_scope="session")
async def node(servers: Servers, tmp_path: Path) -> AsyncIterator[Node]:
    """A hub that says nothing before everybody has come in: a server shows nobody what was said before they came."""
    settings = servers.settings(join_wait_s=PATIENCE)
    async with hub(f"sqlite:///{tmp_path}/hub.db", settings, servers.trusted, servers.port) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def three(servers: Servers, node: Node, new_client: NewClient, tmp_path: Path) -> AsyncIterator[Three]:
    """rosa is on the hub's homeserver, ben and nina on another."""
    away = servers.away
    async with AsyncExitStack() as stack:
        rosa = await new_client(servers.home, "rosa", isolation="all", auto_join=True)
        (tmp_path / "ben").mkdir()
        (tmp_path / "nina").mkdir()
        ben = await MautrixClient.start(
            away.url, await new_user(away, "ben"), PASSWORD, tmp_path / "ben", to_unsigned=True
        )
        await stack.enter_async_context(ben)
        nina = await NioClient.start(away.url, await new_user(away, "nina"), PASSWORD, tmp_path / "nina")
        await stack.enter_async_context(nina)
        yield Three(servers, node, rosa, ben, nina)


async def test_what_three_unlike_clients_show_is_true(three: Three) -> None:
    node, rosa, ben, nina, cleo = three.node, three.rosa, three.ben, three.nina, three.cleo
    question = await _she_writes(three)
    mine = await _her_product_takes_it_late(three, question)

    hers = await nina.send(three.room, "Que dites-vous ?")  # nobody has signed this device
    assert await nina.timeline.status(three.room, hers) == "FAIL_PERMANENT"
    await three.hub_says("n'est pas vérifié")
    await three.everybody_reads(hers, "Que dites-vous ?", nina.user_id)
    assert (await rosa.wait_id(three.room, hers))["shield_colour"] == 2  # rosa's client warns of nina's, rightly

    node.product.before = _refuses
    refused = await rosa.send(three.room, "Vous m'entendez ?")
    await three.hub_says("Petit")
    assert await ben.timeline.status(three.room, refused) == "FAIL_PERMANENT"
    await three.everybody_reads(refused, "Vous m'entendez ?", rosa.user_id)
    assert node.texts() == ["Oui, tout de suite"]
    await three.unread(mine, hers, refused)

    heard = node.product._refs[node.product.delivered[-1].id]
    assert await node.hub.signs.read(heard, Address("pandalab", "cleo"), now_ms())
    await three.read_by_cleo(mine)
    await three.unread(hers, refused)

    await node.write(CHAT, "Merci !", ref="thanks", reply_to=heard)
    thanks = await ben.timeline.text(three.room, "Merci !")
    assert (thanks.sender, thanks.cites) == (cleo, mine)
    await _people_read(three, thanks)
    await _nobody_was_made_to_speak(three)


async def _she_writes(three: Three) -> str:
    """Whoever may read it does, and she knows who does not."""
    people = [three.rosa.user_id, three.ben.user_id, three.nina.user_id]
    await three.node.write(CHAT, "Un avis ?", to=tuple(f"matrix:{user}" for user in people), ref="question")
    three.room = await three.ben.join()
    assert await three.nina.join() == three.room
    shown = await three.rosa.wait_text(three.room, "Un avis ?")
    assert (shown["sender"], shown["shield_colour"]) == (three.cleo, 0)
    question = await three.ben.timeline.text(three.room, "Un avis ?")
    assert question.sender == three.cleo
    await three.ben.signed(question)
    delivered: dict[str, tuple[str, str | None]] = dict.fromkeys(people[:2], ("delivered", None))
    await three.until_states("question", delivered | {three.nina.user_id: ("sent", "recipient_unsigned")})
    assert [s.failure for s in three.nina.timeline.rooms[three.room] if s.sender == three.cleo] in ([], ["MegolmEvent"])
    return question.event_id


async def _her_product_takes_it_late(three: Three, question: str) -> str:
    """While it waits nobody is told that it has arrived; once it has, nobody that she has read it."""
    product = three.node.product
    product.before = _away
    mine = await three.ben.send(three.room, "Oui, tout de suite", reply_to=question)
    await three.everybody_reads(mine, "Oui, tout de suite", three.ben.user_id)
    await until(lambda: len(product.calls) > 2, "the product to be tried again")
    assert mine not in three.ben.timeline.statuses[three.room]
    await three.unread(mine)
    product.before = lambda _: None
    assert (await three.node.got("Oui, tout de suite")).reply_to == Ref("pandalab", "question")
    for client in (three.ben, three.nina):
        assert await client.timeline.status(three.room, mine) == "SUCCESS"
    await three.unread(mine)
    return mine


async def _people_read(three: Three, thanks: Shown) -> None:
    """She is told who has read her, each for themselves."""
    await three.ben.read(three.room, thanks.event_id)
    await three.rosa.wait_text(three.room, "Merci !")
    became: dict[str, tuple[str, str | None]] = {
        three.ben.user_id: ("read", None),
        three.rosa.user_id: ("delivered", None),
        three.nina.user_id: ("sent", "recipient_unsigned"),
    }
    await three.until_states("thanks", became)
    await three.rosa.read_receipt(three.room, thanks.event_id)
    await three.until_states("thanks", became | {three.rosa.user_id: ("read", None)})


async def _nobody_was_made_to_speak(three: Three) -> None:
    """She has said what she wrote, the hub's voice the rest, and no message of either bears a warning."""
    voice, cleo = three.servers.voice, three.cleo
    events = await three.rosa.timeline(three.room)
    said = [e for e in events if e["type"] == "m.room.message" and e["sender"] in (cleo, voice)]
    assert [e["content"]["body"] for e in said if e["sender"] == cleo] == ["Un avis ?", "Merci !"]
    assert not any(e["shield_colour"] or e["decryption_failure"] for e in said)
    assert {e["sender"] for e in events if e["type"] == STATUS} == {voice}
    assert three.ben.timeline.bodies(three.room, cleo) == ["Un avis ?", "Merci !"]
    assert three.nina.timeline.bodies(three.room, cleo) == []
    notices = {e["content"]["body"] for e in said if e["sender"] == voice}
    assert len(notices) == 2  # one for what the hub refused, one for what her product refused
    for client in (three.ben, three.nina):
        assert set(client.timeline.bodies(three.room, voice)) == notices
        assert client.timeline.tellers[three.room] == {voice}
        assert client.timeline.receipts[three.room].keys().isdisjoint({voice})


def _away(_: Delivery) -> None:
    raise Unavailable("product_away")


def _refuses(_: Delivery) -> None:
    raise Refused("product_refused")


def _is(receipts: dict[str, str], user: str, event: str) -> bool:
    return receipts.get(user) == event
