"""A removal or correction in a room while the product is away: the product never shows the wrong text."""

from __future__ import annotations

from bridge.errors import Unavailable
from bridge.model import Delivery
from deploy.world.waiting import until
from tests.matrix.make import World, meet, statuses


def away(_: Delivery) -> None:
    """Play a product that does not answer."""
    raise Unavailable("away")


async def test_what_is_removed_or_corrected_in_time_is_shown_by_nobody(world: World) -> None:
    async with world.node() as node:
        chat = await meet(world, node)
        node.product.before = away
        wrong = await chat.ben.say(chat.room, "pour un autre patient")
        dose = await chat.ben.say(chat.room, "500 mg")
        await until(lambda: node.product.calls)
        await world.stub.idle()
        await until(lambda: node.matrix.idle)
        await chat.ben.raw(chat.room, "m.room.redaction", {"redacts": wrong})
        new = {"msgtype": "m.text", "body": "50 mg"}
        relation = {"rel_type": "m.replace", "event_id": dose}
        edit = await chat.ben.send(
            chat.room, {"msgtype": "m.text", "body": "* 50 mg", "m.new_content": new, "m.relates_to": relation}
        )
        await chat.ben.heard("Retiré")
        await chat.ben.heard("Corrigé")
        node.product.before = lambda _: None
        await node.got("50 mg")
        assert [text for text in node.texts() if "mg" in text or "patient" in text] == ["50 mg"]
        await until(lambda: statuses(chat.ben, dose))
        assert "FAIL_PERMANENT" not in [
            *statuses(chat.ben, wrong),
            *statuses(chat.ben, edit),
            *statuses(chat.ben, dose),
        ]
        assert not any("n'a pas été transmise" in (seen.text or "") for seen in chat.ben.seen)
