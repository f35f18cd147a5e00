"""Who takes part by one account speaks from there: another account of the same person, once accepted, does not."""

from __future__ import annotations

import pytest

from bridge.errors import Refused
from bridge.model import Address, Kind, Ref, Standing, State
from tests.core.make import World, running

CLEO, FAY = "10000000003", "10000000005"
OWN, OTHER = Address("pandalab", "cleo"), Address("siilo", "cleo")
DAN, BEN = Address("siilo", "dan"), Address("matrix", "@ben:chu.example")


async def begin(w: World) -> str:
    """Cléo, who is in both products by now, writes from pandalab to Dan in siilo and to Ben."""
    await w.hub.declare(OTHER, CLEO)
    await w.hub.decide("siilo", f"rpps:{CLEO}", Standing.ACTIVE, "test")
    done = await w.pandalab.write("p1", "A", "cleo", "one", ["siilo:dan", f"matrix:{BEN.id}"])
    await w.until(lambda: w.matrix.delivered)
    await w.hub.bind(done.conversation, "matrix", "!room")
    await w.echo()
    await w.until(lambda: w.siilo.delivered)
    return done.conversation


def arrived(w: World) -> bool:
    """Whether Dan was told that everybody has his message."""
    return bool(w.siilo.told) and {s.state for s in w.siilo.told[-1].states} == {State.DELIVERED}


async def states(w: World, ident: str) -> dict[str, State]:
    status = await w.hub.facts.status(Ref("siilo", ident))
    assert status is not None
    return {s.person.name: s.state for s in status.states}


async def test_what_she_writes_from_her_other_product_is_refused_and_says_where(url: str) -> None:
    async with running(url) as w:
        conversation = await begin(w)
        with pytest.raises(Refused) as refused:
            await w.siilo.write("s1", conversation, "cleo", "from elsewhere")
        assert (refused.value.code, refused.value.field, refused.value.about) == ("other_account", "sender", "pandalab")
        with pytest.raises(Refused, match="other_account"):
            await w.hub.change_members(Ref("siilo", "s2"), conversation, "siilo", OTHER, ["pandalab:fay"], [])
        with pytest.raises(Refused, match="other_account"):
            await w.hub.change_members(Ref("siilo", "s3"), conversation, "siilo", OTHER, [], [BEN])
        await w.siilo.write("s4", "new", "cleo", "a conversation of her own there", ["pandalab:fay"])
        await w.until(lambda: w.pandalab.delivered)
        assert w.pandalab.delivered[0].sender.name == "Cléo Petit"


async def test_what_she_reads_in_her_other_product_is_not_read_in_the_first(url: str) -> None:
    async with running(url) as w:
        conversation = await begin(w)
        await w.siilo.write("s1", conversation, "dan", "for Cléo and Ben")
        await w.until(lambda: len(w.matrix.delivered) == 2)
        await w.echo()
        await w.until(lambda: arrived(w))
        ref, done = Ref("pandalab", "pandalab-1"), {"Cléo Petit": State.DELIVERED, "Ben Durand": State.DELIVERED}
        for act in (w.hub.signs.read, w.hub.signs.seen, w.hub.signs.received):
            assert await act(ref, OTHER, 5)
        for strict in (w.hub.signs.read, w.hub.signs.received):
            with pytest.raises(Refused, match="other_account"):
                await strict(ref, OTHER, 5, strict=True)
        assert await w.hub.signs.failed(ref, OTHER, "gave_up", 5)
        await w.hub.signs.typing("siilo", conversation, OTHER, True)
        assert (await states(w, "s1"), w.matrix.signs) == (done, [])
        assert await w.hub.signs.read(ref, OWN, 5, strict=True)
        await w.hub.signs.typing("pandalab", "A", OWN, True)
        assert (await states(w, "s1"))["Cléo Petit"] is State.READ
        assert [s.person.name for s in w.matrix.signs] == ["Cléo Petit"]


async def test_a_second_account_in_the_same_product_is_no_member_either(url: str) -> None:
    async with running(url) as w:
        conversation = await begin(w)
        second = Address("siilo", "dan-2")
        await w.hub.declare(second, "10000000004")
        with pytest.raises(Refused, match="other_account"):
            await w.siilo.write("s1", conversation, "dan-2", "me, too")
        await w.siilo.write("s2", conversation, "dan", "me")


async def test_who_has_left_may_still_have_read_what_came_to_that_account(url: str) -> None:
    async with running(url) as w:
        conversation = await begin(w)
        await w.siilo.write("s1", conversation, "dan", "for Cléo and Ben")
        await w.until(lambda: len(w.matrix.delivered) == 2)
        await w.echo()
        await w.until(lambda: arrived(w))
        await w.hub.change_members(Ref("siilo", "s2"), conversation, "siilo", DAN, [], [OWN])
        ref = Ref("pandalab", "pandalab-1")
        await w.hub.signs.read(ref, OTHER, 5)
        assert (await states(w, "s1"))["Cléo Petit"] is not State.READ
        await w.hub.signs.read(ref, OWN, 5)
        assert (await states(w, "s1"))["Cléo Petit"] is State.READ


async def test_she_moves_when_a_member_takes_her_out_and_brings_her_in_by_the_other_account(url: str) -> None:
    async with running(url) as w:
        conversation = await begin(w)
        await w.hub.change_members(Ref("siilo", "s1"), conversation, "siilo", DAN, [str(OTHER)], [])  # changes nothing
        with pytest.raises(Refused, match="other_account"):
            await w.siilo.write("s2", conversation, "cleo", "x")
        await w.hub.change_members(Ref("siilo", "s3"), conversation, "siilo", DAN, [], [OWN])
        await w.hub.change_members(Ref("siilo", "s4"), conversation, "siilo", DAN, [str(OTHER)], [])
        await w.siilo.write("s5", conversation, "cleo", "here now")
        with pytest.raises(Refused, match="other_account"):
            await w.pandalab.write("p2", "A", "cleo", "and not there")
        await w.until(lambda: any(d.body.text == "here now" for d in w.matrix.delivered))
        assert [d.kind for d in w.matrix.delivered][-1] is Kind.TEXT


async def test_somebodys_own_matrix_account_beside_a_membership_by_a_product(url: str) -> None:
    async with running(url) as w:
        await w.hub.declare(Address("pandalab", "ben"), "10000000002")
        done = await w.siilo.write(
            "s1", "A", "dan", "for Ben in pandalab, and Eve", ["pandalab:ben", "matrix:@e:chu.example"]
        )
        await w.until(lambda: w.matrix.delivered)
        await w.hub.bind(done.conversation, "matrix", "!room")
        with pytest.raises(Refused) as refused:
            await w.matrix.write("$1", "!room", BEN.id, "from my own client")
        assert (refused.value.code, refused.value.about) == ("other_account", "pandalab")
