"""A product is not believed about a professional whom another product has, until she or the operator says so."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bridge.errors import Refused, Unavailable
from bridge.model import Account, AccountEvent, AccountNews, Address, Claim, Kind, Ref, Standing, State
from bridge.networks.loopback import Loopback
from tests.core.make import World, networks, running

ANNA, BEN, CLEO, DAN, FAY = (f"1000000000{n}" for n in range(1, 6))
OWN, EVIL = Address("pandalab", "cleo"), Address("siilo", "evil")  # Cléo is pandalab:cleo in the directory
BEN_HANDLE = "matrix:@ben:chu.example"


def told(net: Loopback) -> list[tuple[str, str, str, str]]:
    """The news of a product: what, about which user, whose word, how it stands."""
    return [(n.event.value, n.account.id, n.claimant, n.standing.value) for n in net.news]


async def declared(w: World, address: Address = EVIL, rpps: str = CLEO) -> Standing:
    return (await w.hub.declare(address, rpps)).standing


async def accept(w: World, network: str = "siilo", rpps: str = CLEO) -> Claim:
    return await w.hub.decide(network, f"rpps:{rpps}", Standing.ACTIVE, "operator")


async def refuse(w: World, network: str = "siilo", rpps: str = CLEO) -> Claim:
    return await w.hub.decide(network, f"rpps:{rpps}", Standing.REFUSED, "operator")


async def refusal(w: World, what: object) -> str:
    with pytest.raises(Refused) as refused:
        await what  # type: ignore[misc]
    return refused.value.code


async def test_a_second_products_word_is_held_and_everybody_is_told(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running(url) as w:
        account = await w.hub.declare(EVIL, CLEO)
        assert (account.standing, account.person.name, account.contested) == (Standing.HELD, "Cléo Petit", ())
        await w.until(lambda: w.siilo.news and w.pandalab.news)
        assert told(w.siilo) == [("held", "evil", "siilo", "held")]
        assert told(w.pandalab) == [("contested", "cleo", "siilo", "held")]
        [alarm] = [r.getMessage() for r in caplog.records if "ALARM" in r.getMessage()]
        assert alarm.startswith("ALARM siilo:evil is declared as rpps:10000000003, whom pandalab:cleo has: held")
        assert "Petit" not in alarm
        own = await w.hub.facts.account(OWN)
        assert own is not None
        assert [(c.network, c.standing) for c in own.contested] == [("siilo", Standing.HELD)]


async def test_again_and_again_is_said_once(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running(url) as w:
        for address in (EVIL, EVIL, Address("siilo", "evil-2")):
            assert await declared(w, address) is Standing.HELD
        await declared(w, EVIL, ANNA)  # away, and back
        assert await declared(w) is Standing.HELD
        await w.until(lambda: w.siilo.news and w.pandalab.news)
        assert len([r for r in caplog.records if "ALARM" in r.getMessage()]) == 1
    async with running(url) as w:
        assert await declared(w) is Standing.HELD
        await asyncio.sleep(0.05)
        assert (w.siilo.news, w.pandalab.news) == ([], [])


async def test_an_account_that_is_held_is_nobody(url: str) -> None:
    async with running(url) as w:
        done = await w.pandalab.write("p1", "A", "cleo", "Bonjour", ["siilo:dan"])
        await w.until(lambda: w.siilo.delivered)
        await declared(w)
        assert await w.hub.facts.who(EVIL) is None
        assert await refusal(w, w.siilo.write("s1", "new", "evil", "I am Cléo", ["pandalab:fay"])) == "account_held"
        assert await refusal(w, w.siilo.write("s2", done.conversation, "evil", "I am Cléo")) == "account_held"
        change = w.hub.change_members(Ref("siilo", "s3"), done.conversation, "siilo", EVIL, [BEN_HANDLE], [])
        assert await refusal(w, change) == "account_held"
        [first] = w.siilo.delivered
        await w.siilo.write("s4", done.conversation, "dan", "for Cléo")
        await w.until(lambda: w.siilo.told)
        for act in (w.hub.signs.read, w.hub.signs.received, w.hub.signs.seen):
            await act(Ref("pandalab", "pandalab-1"), EVIL, 1)
        await w.hub.signs.typing("siilo", done.conversation, EVIL, True)
        status = await w.hub.facts.status(Ref("siilo", "s4"))
        assert status is not None
        assert [s.state for s in status.states] == [State.DELIVERED]
        assert w.pandalab.signs == []
        assert first.sender.name == "Cléo Petit"


async def test_an_account_that_is_held_receives_nothing_and_is_shown_nowhere(url: str) -> None:
    async with running(url) as w:
        await declared(w)
        assert await refusal(w, w.pandalab.write("p1", "A", "fay", "x", [f"rpps:{CLEO}"])) == "same_network"
        assert await refusal(w, w.pandalab.write("p2", "B", "fay", "x", ["siilo:evil"])) == "unknown_recipient"
        await w.matrix.write("$1", "!a", "@ben:chu.example", "for Cléo", [f"rpps:{CLEO}"])
        await w.until(lambda: w.pandalab.delivered)
        assert w.siilo.delivered == []
        [found] = await w.hub.facts.find("petit", 5, Address("pandalab", "cleo"))
        assert [str(a) for a in found.addresses] == ["pandalab:cleo"]


async def test_she_says_yes_in_her_own_product(url: str) -> None:
    async with running(url) as w:
        await declared(w)
        claim = await w.hub.confirm(OWN, "siilo", True)
        assert (claim.standing, claim.decided_by) == (Standing.ACTIVE, "pandalab:cleo")
        assert claim.decided_at is not None
        assert await w.hub.confirm(OWN, "siilo", True) == claim
        await w.until(lambda: len(w.siilo.news) == len(w.pandalab.news) == 2)
        assert told(w.siilo)[1] == ("accepted", "evil", "siilo", "active")
        assert told(w.pandalab)[1] == ("settled", "cleo", "siilo", "active")
        await w.siilo.write("s1", "new", "evil", "Bonjour", ["pandalab:fay"])
        await w.until(lambda: w.pandalab.delivered)
        assert w.pandalab.delivered[0].sender.name == "Cléo Petit"
        assert await declared(w, Address("siilo", "evil-2")) is Standing.ACTIVE  # its own affair from now on
    async with running(url) as w:
        assert (await w.hub.facts.identify(EVIL, "sender")).name == "Cléo Petit"
        assert str((await w.hub.facts.identify(EVIL, "x")).addresses[0]) == "pandalab:cleo"
        assert await refusal(w, w.hub.confirm(OWN, "siilo", False)) == "decided"


async def test_she_says_no(url: str) -> None:
    async with running(url) as w:
        await declared(w)
        assert (await w.hub.confirm(OWN, "siilo", False)).standing is Standing.REFUSED
        await w.until(lambda: len(w.siilo.news) == len(w.pandalab.news) == 2)
        assert told(w.siilo)[1] == ("refused", "evil", "siilo", "refused")
        assert told(w.pandalab)[1] == ("settled", "cleo", "siilo", "refused")
        assert await declared(w) is await declared(w, Address("siilo", "evil-2")) is Standing.REFUSED
        assert await refusal(w, w.siilo.write("s1", "new", "evil", "x", ["pandalab:fay"])) == "account_refused"
    async with running(url) as w:
        assert await declared(w) is Standing.REFUSED
        assert (await w.hub.confirm(OWN, "siilo", True)).standing is Standing.ACTIVE  # it was she, after all
        assert await declared(w) is Standing.ACTIVE


async def test_who_may_say_so(url: str) -> None:
    async with running(url) as w:
        assert await refusal(w, w.hub.confirm(OWN, "siilo", True)) == "not_contested"
        await declared(w)
        assert await refusal(w, w.hub.confirm(EVIL, "siilo", True)) == "account_held"
        assert await refusal(w, w.hub.confirm(Address("pandalab", "fay"), "siilo", True)) == "not_contested"
        assert await refusal(w, w.hub.confirm(Address("pandalab", "x"), "siilo", True)) == "unknown_sender"
        assert await refusal(w, w.hub.confirm(OWN, "pandalab", True)) == "not_contested"
        assert await w.hub.facts.who(EVIL) is None


async def test_the_operator_decides_either_way(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running(url) as w:
        await declared(w)
        assert [c.person for c in await w.hub.claims.page(Standing.HELD, 10)] == [f"rpps:{CLEO}"]
        claim = await accept(w)
        assert (claim.decided_by, await w.hub.claims.page(Standing.HELD, 10)) == ("operator", [])
        done = await w.siilo.write("s1", "new", "evil", "one", [BEN_HANDLE, "pandalab:fay"])
        await w.until(lambda: w.matrix.delivered)
        await refuse(w)
        assert await w.hub.facts.who(EVIL) is None
        chat = await w.hub.facts.leg(done.conversation, "matrix")
        assert chat is not None
        assert {m.person.name for m in chat.members} == {"Ben Durand", "Fay Roux"}
        await w.until(lambda: any(d.kind is Kind.MEMBERS for d in w.matrix.delivered))
        await w.until(lambda: len(w.siilo.news) == 3)
        assert [n.event for n in w.siilo.news] == [AccountEvent.HELD, AccountEvent.ACCEPTED, AccountEvent.REFUSED]
        assert "siilo for rpps:10000000003: refused, by operator" in caplog.text
        assert await refusal(w, refuse(w, "arcad")) == "not_contested"


async def test_what_waits_for_a_refused_account_is_refused(url: str) -> None:
    async with running(url) as w:
        await declared(w)
        await accept(w)

        def away(_: object) -> None:
            raise Unavailable("away")

        w.siilo.before = away
        await w.pandalab.write("p1", "A", "fay", "for Cléo in Siilo", ["siilo:evil"])
        await refuse(w)
        status = await w.hub.facts.status(Ref("pandalab", "p1"))
        assert status is not None
        assert [(s.state, s.reason) for s in status.states] == [(State.REFUSED, "not_reachable")]
        await w.until(lambda: w.pandalab.told)
        assert await w.db.all("store.lanes_of", "siilo", 0, 10) == []


async def test_what_the_directory_lists_is_proven(url: str) -> None:
    async with running(url) as w:
        assert await declared(w, Address("siilo", "fay"), FAY) is Standing.ACTIVE
        assert await declared(w, Address("siilo", "fay-2"), FAY) is Standing.ACTIVE  # the product's own affair
        assert await declared(w, Address("pandalab", "fay"), FAY) is Standing.ACTIVE
        assert await refusal(w, refuse(w, "siilo", FAY)) == "account_listed"
        await w.hub.declare(Address("siilo", "dan"), ANNA)  # whatever the directory says of it
        await w.hub.declare(Address("siilo", "dan"), CLEO)
        assert await w.hub.facts.who(Address("siilo", "dan")) is None
        assert await declared(w, Address("siilo", "dan"), DAN) is Standing.ACTIVE
        assert (await w.hub.facts.identify(Address("siilo", "dan"), "x")).name == "Dan Moreau"
        await asyncio.sleep(0.02)
        assert [n.event for n in w.siilo.news] == [AccountEvent.HELD]


async def test_an_account_that_goes_to_somebody_of_another_product_leaves_and_is_held(url: str) -> None:
    async with running(url) as w:
        await w.hub.declare(EVIL, ANNA)
        done = await w.pandalab.write("p1", "A", "fay", "for Anna", ["siilo:evil", BEN_HANDLE])
        await w.until(lambda: w.siilo.delivered)
        assert await declared(w) is Standing.HELD
        chat = await w.hub.facts.leg(done.conversation, "pandalab")
        assert chat is not None
        assert {m.person.name for m in chat.members} == {"Fay Roux", "Ben Durand"}
        assert await refusal(w, w.pandalab.write("p2", "B", "fay", "x", [f"rpps:{ANNA}"])) == "not_reachable"


async def test_who_was_given_up_by_the_other_product_is_free(url: str) -> None:
    first, second = Address("pandalab", "a"), Address("siilo", "a")
    async with running(url) as w:
        await w.hub.declare(first, ANNA)
        assert await declared(w, second, ANNA) is await declared(w, Address("siilo", "b"), ANNA) is Standing.HELD
        await w.hub.declare(first, FAY)
        assert await declared(w, second, ANNA) is Standing.ACTIVE
        assert (await w.hub.facts.identify(Address("siilo", "b"), "x")).name == "Anna Martin"
        assert await declared(w, first, ANNA) is Standing.HELD
        await w.until(lambda: len(w.siilo.news) == 5)
        assert [n.event.value for n in w.siilo.news] == ["held", "accepted", "accepted", "contested", "contested"]
    async with running(url) as w:
        assert (await w.hub.facts.identify(second, "x")).name == "Anna Martin"
        assert await w.hub.facts.who(first) is None


async def test_a_refusal_outlives_the_other_product(url: str) -> None:
    first, second = Address("pandalab", "a"), Address("siilo", "a")
    async with running(url) as w:
        await w.hub.declare(first, ANNA)
        await declared(w, second, ANNA)
        await refuse(w, "siilo", ANNA)
        await w.hub.declare(first, FAY)
        assert await declared(w, second, ANNA) is Standing.REFUSED


async def test_two_at_once_are_one_and_one_that_waits(url: str) -> None:
    async with running(url) as w:
        accounts = [Address(network, f"{n}") for n in range(4) for network in ("pandalab", "siilo")]
        found: list[Account] = await asyncio.gather(*(w.hub.declare(a, ANNA) for a in accounts))
        active = {a.address.network for a in found if a.standing is Standing.ACTIVE}
        held = {a.address.network for a in found if a.standing is Standing.HELD}
        assert (active, held) == ({"pandalab"}, {"siilo"})


async def test_news_wait_for_a_product_that_is_away(url: str) -> None:
    nets = networks()
    async with running(url, nets) as w:
        taken: list[AccountNews] = []

        async def away(news: AccountNews) -> None:
            taken.append(news)
            raise Unavailable("away")

        w.pandalab.tell_account = away  # type: ignore[method-assign]
        await declared(w)
        await refuse(w)
        await w.until(lambda: len(taken) > 2 and w.siilo.news)
        assert {n.id for n in taken} == {taken[0].id}
    async with running(url) as w:
        await w.until(lambda: len(w.pandalab.news) == 2)
        assert told(w.pandalab) == [("contested", "cleo", "siilo", "held"), ("settled", "cleo", "siilo", "refused")]
        assert w.pandalab.news[0].id == taken[0].id
        while await w.db.one("claims.next_news", "pandalab") is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    async with running(url) as w:
        await asyncio.sleep(0.05)
        assert w.pandalab.news == []


async def test_news_that_nobody_takes_make_room(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running(url) as w:
        seen: list[AccountNews] = []

        async def broken(news: AccountNews) -> None:
            seen.append(news)
            if news.event is AccountEvent.HELD:
                raise ZeroDivisionError
            raise Refused("product_refused")

        w.siilo.tell_account = broken  # type: ignore[method-assign]
        await declared(w)
        await accept(w)
        await w.until(lambda: seen and seen[-1].event is AccountEvent.ACCEPTED)
        await w.until(lambda: "does not take what became of evil" in caplog.text)
        assert len([n for n in seen if n.event is AccountEvent.HELD]) == 9
        assert "ZeroDivisionError" in caplog.text


async def test_who_is_in_two_products_already_stays_and_is_named(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running(url) as w, w.db.transaction("test") as tx:
        await tx.run("store.declare", "siilo", "evil", f"rpps:{CLEO}", 1)
        await tx.run("store.declare", "siilo", "a", f"rpps:{ANNA}", 1)
        await tx.run("store.declare", "pandalab", "a", f"rpps:{ANNA}", 2)
        await tx.run("store.declare", "siilo", "fay", f"rpps:{FAY}", 2)
    with caplog.at_level(logging.WARNING):
        async with running(url) as w:
            lines = [r.getMessage() for r in caplog.records if "declared for one person" in r.getMessage()]
            assert sorted(line.partition(" are ")[0] for line in lines) == [
                "pandalab:cleo, siilo:evil", "siilo:a, pandalab:a",
            ]  # fmt: skip
            assert (await w.hub.facts.identify(EVIL, "x")).name == "Cléo Petit"
            assert await declared(w) is Standing.ACTIVE
            assert len(await w.hub.claims.all_rivals()) == 2
            await accept(w)
            await refuse(w, "siilo", ANNA)
            assert await w.hub.claims.all_rivals() == {}
            assert await w.hub.facts.who(Address("siilo", "a")) is None
    caplog.clear()
    async with running(url):
        assert "declared for one person" not in caplog.text
