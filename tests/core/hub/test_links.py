"""A link is taken back: it gives no identity, reaches nobody, and what is meant for the person goes another way."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bridge.connector import Capabilities
from bridge.model import Address, Kind, Ref, Standing, State
from bridge.networks.loopback import Loopback
from bridge.people.revocations import Why
from tests.core.hub.test_following import BEN, CLEO, DAN, away, place, refusal, states
from tests.core.make import World, networks, running

CLEO_ID, DAN_ID, FAY = "rpps:10000000003", "rpps:10000000004", "10000000005"
FAYS, HERS = Address("pandalab", "fay"), Address("siilo", "fay")  # both in the directory
OTHER_WAY = (State.REFUSED, "other_way")


def texts(net: Loopback) -> list[str]:
    return [d.body.text for d in net.delivered if d.kind is Kind.TEXT]


async def test_what_comes_next_and_what_waits_goes_the_next_way(url: str) -> None:
    async with running(url) as w:
        await w.matrix.write("$1", "!a", "@ben:chu.example", "first", [f"rpps:{FAY}", DAN_ID])
        await w.until(lambda: texts(w.pandalab) and texts(w.siilo))
        chat = w.pandalab.delivered[0].chat
        assert chat is not None
        w.pandalab.before = away
        await w.matrix.write("$2", "!a", "@ben:chu.example", "waits")
        await w.until(lambda: len(w.pandalab.calls) > 1)
        await w.hub.links.revoke(FAYS, "operator lea")
        await w.until(lambda: not w.siilo.delivered or texts(w.siilo).count("waits") == 1)
        assert await refusal(w.pandalab.write("p1", chat, "fay", "it is me")) == "account_revoked"
        assert await w.hub.facts.who(FAYS) is None
        await w.matrix.write("$3", "!a", "@ben:chu.example", "after")
        await w.until(lambda: "after" in texts(w.siilo))
        assert texts(w.pandalab) == ["first"]
        after = w.siilo.delivered[-1]
        assert {(m.person.rpps, str(m.address)) for m in after.recipients} == {
            (FAY, "siilo:fay"), ("10000000004", "siilo:dan"),
        }  # fmt: skip
        answer = await w.siilo.write("s1", after.chat or "", "fay", "here I am")
        assert answer.conversation == after.conversation
        [news] = w.pandalab.news
        assert (news.event.value, news.account, news.standing) == ("revoked", FAYS, Standing.REVOKED)
        assert [(str(one.address), one.proof, one.standing, one.by) for one in await w.hub.links.of(f"rpps:{FAY}")] == [
            ("pandalab:fay", "directory", Standing.REVOKED, "operator operator lea"),
            ("siilo:fay", "directory", Standing.ACTIVE, ""),
        ]


async def test_what_waits_for_one_product_alone_goes_to_the_other(url: str) -> None:
    nets = networks() | {"arcad": Loopback("arcad")}
    async with running(url, nets) as w:
        await w.hub.declare(Address("arcad", "dan"), "10000000001")
        await w.nets["arcad"].write("a1", "A", "dan", "first", [f"rpps:{FAY}"])
        await w.until(lambda: texts(w.pandalab))
        w.pandalab.before = away
        await w.nets["arcad"].write("a2", "A", "dan", "waits")
        await w.until(lambda: len(w.pandalab.calls) > 1)
        await w.hub.links.revoke(FAYS, "operator")
        await w.until(lambda: texts(w.siilo) == ["waits"])
        await w.until(
            lambda: any(r.states[0].state is State.DELIVERED for r in w.nets["arcad"].told if r.ref.id == "a2")
        )
        assert await states(w, Ref("arcad", "a2")) == {"Fay Roux": (State.DELIVERED, None)}
        assert await w.db.all("store.lanes_of", "pandalab", 0, 10) == []


async def test_what_is_tried_while_the_other_way_is_looked_for_waits_for_it(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nets = networks() | {"arcad": Loopback("arcad")}
    caplog.set_level(logging.INFO)
    async with running(url, nets) as w:
        await w.hub.declare(Address("arcad", "dan"), "10000000001")
        await w.nets["arcad"].write("a1", "A", "dan", "first", [f"rpps:{FAY}"])
        await w.until(lambda: texts(w.pandalab))
        w.pandalab.before = away
        await w.nets["arcad"].write("a2", "A", "dan", "waits")
        await w.until(lambda: len(w.pandalab.calls) > 1)
        really = w.hub.moving.away

        async def slowly(conversation: str, person: str, old: Address) -> None:
            await w.until(lambda: "another_way" in caplog.text)  # a try while nothing has been moved yet
            await really(conversation, person, old)

        monkeypatch.setattr(w.hub.moving, "away", slowly)
        await w.hub.links.revoke(FAYS, "operator")
        await w.until(lambda: texts(w.siilo) == ["waits"])
        told = w.nets["arcad"].told
        await w.until(lambda: any(r.states[0].state is State.DELIVERED for r in told if r.ref.id == "a2"))
        assert not w.courier.moving


async def test_without_another_way_it_is_said_and_the_account_comes_back(url: str) -> None:
    async with running(url) as w:
        await w.siilo.write("s1", "A", "dan", "first", [CLEO_ID])
        await w.until(lambda: texts(w.pandalab))
        w.pandalab.before = away
        await w.siilo.write("s2", "A", "dan", "waits")
        await w.until(lambda: len(w.pandalab.calls) > 1)
        cleo = Address("pandalab", "cleo")
        await w.hub.links.revoke(cleo, "operator")
        await w.until(lambda: any(r.ref.id == "s2" for r in w.siilo.told))
        assert await states(w, Ref("siilo", "s2")) == {"Cléo Petit": (State.REFUSED, "not_reachable")}
        assert await refusal(w.hub.declare(cleo, "10000000003")) == "account_revoked"
        w.pandalab.before = lambda delivery: None
    async with running(url) as w:  # it is on disk
        assert await refusal(w.pandalab.write("p1", "B", "cleo", "x", [DAN_ID])) == "account_revoked"
        await w.hub.links.restore(Address("pandalab", "cleo"), "operator")
        await w.siilo.write("s3", "A", "dan", "again")
        await w.until(lambda: texts(w.pandalab) == ["again"])


async def test_a_product_gives_up_its_user_and_vouches_again(url: str) -> None:
    async with running(url) as w:
        mine = Address("siilo", "z")
        await w.hub.declare(mine, "10000000001")
        await w.hub.links.revoke(mine, "siilo", Why.PRODUCT)
        assert await refusal(w.siilo.write("s1", "A", "z", "x", [CLEO_ID])) == "account_revoked"
        assert (await w.hub.declare(mine, "10000000001")).standing is Standing.ACTIVE
        await w.siilo.write("s2", "A", "z", "x", [CLEO_ID])
        assert await refusal(w.hub.links.revoke(Address("siilo", "nobody"), "operator")) == "not_linked"


async def test_who_comes_back_proves_a_declared_account_anew(url: str, tmp_path: Path) -> None:
    async with place(url, tmp_path / "people.csv", BEN, CLEO, DAN) as p:
        w, extra = p.world, Address("siilo", "dan2")
        await w.hub.declare(extra, "10000000004")
        await w.siilo.write("s1", "A", "dan2", "Bonjour", [CLEO_ID])
        await p.edit(BEN, CLEO)
        await p.edit(BEN, CLEO, DAN)
        assert await refusal(w.siilo.write("s2", "A", "dan2", "back")) == "account_revoked"
        assert await w.hub.facts.who(Address("siilo", "dan")) is not None  # by the directory itself
        await w.hub.declare(extra, "10000000004")
        assert await w.hub.facts.who(extra) is not None


async def test_another_mailbox_in_the_directory_takes_over_and_one_that_vanishes_stays(
    url: str, tmp_path: Path
) -> None:
    nets = networks() | {"mail": Loopback("mail", Capabilities(own_states=True))}
    line = "10000000006,Guy Roy,Médecin,Lyon,guy@a.example,,,\n"
    async with place(url, tmp_path / "people.csv", BEN, CLEO, line, nets=nets) as p:
        w = p.world
        await w.pandalab.write("p1", "A", "cleo", "first", ["rpps:10000000006"])
        await w.until(lambda: texts(nets["mail"]))
        await p.edit(BEN, CLEO, line.replace("guy@a", "guy@b"))
        await w.pandalab.write("p2", "A", "cleo", "second")
        await w.until(lambda: len(texts(nets["mail"])) == 2)
        await p.edit(BEN, CLEO, line.replace("guy@a.example", ""))  # the red list
        await w.pandalab.write("p3", "A", "cleo", "third")
        await w.until(lambda: len(texts(nets["mail"])) == 3)
        said = [d.recipients[0].address.id for d in nets["mail"].delivered if d.kind is Kind.TEXT]
        assert said == ["guy@a.example", "guy@b.example", "guy@b.example"]
        assert await _who(w, "guy@a.example") is None


async def _who(w: World, box: str) -> object:
    return await w.hub.facts.who(Address("mail", box))
