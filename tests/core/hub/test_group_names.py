"""What people call a conversation: given on any leg, told to every other one, the same for all in the end."""

from __future__ import annotations

import pytest

from bridge.errors import Refused
from bridge.model import Address, Body, Delivery, GroupName, Kind, Message, Ref
from bridge.networks.loopback import Loopback
from bridge.seal import Seal
from bridge.store.group_names import opened, sealed
from deploy.world.waiting import wait_for
from tests.core.make import World, running

BEN, CLEO, DAN = Address("matrix", "@ben:chu.example"), Address("pandalab", "cleo"), Address("siilo", "dan")
TO = ("rpps:10000000002", "siilo:dan")


async def begun(w: World, name: GroupName | None = None) -> str:
    """Cléo opens a conversation with Ben (Matrix) and Dan (another product), who have its first message."""
    message = Message(Ref("pandalab", "p1"), "A", CLEO, Kind.TEXT, Body("Bonjour"), 0, TO, name=name)
    conversation = (await w.hub.accept(message)).conversation
    await w.until(lambda: w.matrix.delivered)
    await w.hub.bind(conversation, "matrix", "!r")
    await w.echo()
    await w.until(lambda: w.siilo.delivered)
    return conversation


def names(net: Loopback) -> list[str | None]:
    """What a network was told that the conversation is called, in order."""
    return [called(one) for one in net.delivered if one.kind is Kind.NAME]


def called(delivery: Delivery) -> str | None:
    """The name with which something was handed out."""
    return delivery.name.text if delivery.name else None


async def done(w: World) -> bool | None:
    """Whether nothing waits for any network."""
    return True if not await w.waiting() else None


async def test_a_name_given_at_opening_goes_with_the_first_message(url: str) -> None:
    async with running(url) as w:
        conversation = await begun(w, GroupName("RCP thorax"))
        assert called(w.matrix.delivered[0]) == called(w.siilo.delivered[0]) == "RCP thorax"
        assert names(w.siilo) == names(w.matrix) == []
        chat = await w.hub.facts.chat("pandalab", "A")
        assert chat is not None
        assert chat.name == GroupName("RCP thorax")
        assert chat.named == w.siilo.delivered[0].message
        later = Message(Ref("pandalab", "p2"), "A", CLEO, Kind.TEXT, Body("encore"), 0, name=GroupName("autre"))
        assert (await w.hub.accept(later)).conversation == conversation
        found = await w.hub.facts.leg(conversation, "siilo")
        assert found is not None
        assert found.name == GroupName("RCP thorax")  # only whoever opens it names it with a message


async def test_a_name_from_matrix_and_one_from_a_product_reach_every_other_leg(url: str) -> None:
    async with running(url) as w:
        conversation = await begun(w)
        assert called(w.siilo.delivered[0]) is None
        given = await w.hub.rename(Ref("matrix", "$n1"), "!r", BEN, GroupName("Équipe de nuit"))
        assert given == conversation
        await w.until(lambda: names(w.siilo) == names(w.pandalab) == ["Équipe de nuit"])
        assert names(w.matrix) == []
        assert await w.hub.rename(Ref("matrix", "$n1"), "!r", BEN, GroupName("Équipe de nuit")) == conversation  # again
        await w.hub.rename(Ref("siilo", "s1"), conversation, DAN, GroupName("Mme Perrot", about_patient=True))
        await w.until(lambda: names(w.matrix) == ["Mme Perrot"])
        assert w.matrix.delivered[-1].name == GroupName("Mme Perrot", about_patient=True)
        await w.echo()
        await w.until(lambda: names(w.pandalab) == ["Équipe de nuit", "Mme Perrot"])
        await w.hub.rename(Ref("pandalab", "p9"), "A", CLEO, GroupName(""))
        await w.until(lambda: names(w.matrix)[1:] == [None])
        await w.echo()
        await w.until(lambda: names(w.siilo)[1:] == [None])
        chat = await w.hub.facts.chat("matrix", "!r")
        assert chat is not None
        assert chat.name is None
        assert chat.named == w.matrix.delivered[-1].message
        await wait_for(lambda: done(w), "an end of all deliveries")
        assert not [told for net in w.nets.values() for told in net.told if told.ref.id in ("$n1", "s1", "p9")]


async def test_two_at_once_end_with_one_name_everywhere(url: str) -> None:
    async with running(url) as w:
        conversation = await begun(w)
        await w.hub.rename(Ref("pandalab", "p2"), "A", CLEO, GroupName("le sien"))
        await w.hub.rename(Ref("siilo", "s2"), conversation, DAN, GroupName("le leur"))
        await w.until(lambda: len(names(w.matrix)) == 2)
        await w.echo()
        await w.until(lambda: names(w.siilo) and names(w.pandalab))
        assert {names(net)[-1] for net in w.nets.values()} == {"le leur"}


async def test_only_members_name_and_the_name_outlives_the_hub(url: str) -> None:
    async with running(url) as w:
        conversation = await begun(w, GroupName("Mme Perrot", about_patient=True))
        for ref, chat, by, code in (
            (Ref("pandalab", "x1"), "A", Address("pandalab", "fay"), "not_a_member"),
            (Ref("pandalab", "x2"), "B", CLEO, "unknown_conversation"),
            (Ref("pandalab", "x3"), "A", Address("pandalab", "nobody"), "unknown_sender"),
        ):
            with pytest.raises(Refused, match=code):
                await w.hub.rename(ref, chat, by, GroupName("non"))
        row = await w.db.one("store.legs", conversation)
        assert row is not None
        assert b"Perrot" not in bytes(row["name"])
    async with running(url) as w:
        found = await w.hub.facts.chat("pandalab", "A")
        assert found is not None
        assert found.name == GroupName("Mme Perrot", about_patient=True)
        assert "Perrot" not in repr(found)


def test_a_name_is_kept_sealed_and_a_lost_key_hides_it_only() -> None:
    seal, other = Seal({"k1": bytes(32)}, "k1"), Seal({"k2": bytes(32)}, "k2")
    kept = sealed(seal, "c_1", GroupName("Mme Perrot", about_patient=True))
    assert kept is not None
    assert sealed(seal, "c_1", GroupName("")) is None
    rows = [{"name": kept, "named": "m_1"}]
    assert opened(seal, "c_1", rows) == GroupName("Mme Perrot", about_patient=True)
    assert opened(other, "c_1", rows) is None
    assert opened(seal, "c_2", rows) is None
    assert opened(seal, "c_1", []) is None
    assert GroupName("Mme Perrot", about_patient=True).in_clear == ""
