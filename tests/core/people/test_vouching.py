"""What the federation's list asks of a product's users, and who a listed server's users are."""

from __future__ import annotations

import pytest

from bridge.db import open_database
from bridge.errors import Refused
from bridge.model import Address, Standing, State
from bridge.store.store import COMPONENT
from bridge.trail.entry import COMPONENT as TRAIL
from bridge.vouching import AccountRule, Proof
from tests.core.hub.test_late import last
from tests.core.make import World, running

ANNA, BEN, CLEO, DAN, FAY = (f"1000000000{n}" for n in range(1, 6))
OWN, EVIL, MINE = Address("pandalab", "cleo"), Address("siilo", "evil"), Address("arcad", "dan")
DAN_HANDLE = "siilo:dan"


def demand(w: World, proof: Proof | None, network: str = "pandalab") -> None:
    """Another list counts."""
    accounts = w.store._people.accounts
    accounts.demanded = lambda name: proof if name == network else Proof.WORD
    accounts.judged_anew()


async def standing(w: World, address: Address = OWN) -> Standing:
    account = await w.hub.facts.account(address)
    assert account is not None
    return account.standing


async def test_a_weaker_proof_than_the_list_asks_for_says_nothing_and_gets_nothing(url: str) -> None:
    async with running(url) as w:
        await w.hub.declare(OWN, CLEO)
        await w.pandalab.write("p1", "A", "cleo", "un", [DAN_HANDLE])
        await w.until(lambda: w.siilo.delivered)
        demand(w, Proof.SIGNED)
        assert await standing(w) is Standing.UNPROVEN
        with pytest.raises(Refused, match="account_unproven"):
            await w.pandalab.write("p2", "A", "cleo", "deux")
        demand(w, Proof.WORD)
        assert await standing(w) is Standing.ACTIVE
        await w.pandalab.write("p3", "A", "cleo", "trois")
        await w.until(lambda: [d.body.text for d in w.siilo.delivered] == ["un", "trois"])


async def test_a_product_that_leaves_the_list_ends_and_goes_on_when_it_is_back(url: str) -> None:
    async with running(url) as w:
        await w.hub.declare(OWN, CLEO)
        written = await w.pandalab.write("p1", "A", "cleo", "un", [DAN_HANDLE])
        await w.until(lambda: w.siilo.delivered)
        demand(w, None)
        assert await standing(w) is Standing.UNLISTED
        with pytest.raises(Refused, match="product_not_listed"):
            await w.pandalab.write("p2", "A", "cleo", "deux")
        await w.siilo.write("s1", written.conversation, "dan", "réponse")
        await w.until(lambda: [r for r in w.siilo.told if r.ref.id == "s1"])
        told = [r for r in w.siilo.told if r.ref.id == "s1"]
        assert [(s.state, s.reason) for s in told[-1].states] == [(State.REFUSED, "product_not_listed")]
        demand(w, Proof.WORD)
        await w.siilo.write("s2", written.conversation, "dan", "encore")
        await w.until(lambda: [d.body.text for d in w.pandalab.delivered] == ["encore"])
        assert not last(w, "p2")


async def test_a_proof_is_kept_and_never_weakened_but_ends_with_its_person(url: str) -> None:
    async with running(url) as w:
        demand(w, Proof.SIGNED)
        assert (await w.hub.declare(OWN, CLEO)).standing is Standing.UNPROVEN
        assert (await w.hub.declare(OWN, CLEO, Proof.SIGNED)).standing is Standing.ACTIVE
        assert (await w.hub.declare(OWN, CLEO)).standing is Standing.ACTIVE
        row = await w.db.one("claims.accounts", "", "", 10)
        assert row is not None
        assert row["proof"] == Proof.SIGNED
    async with running(url) as w:
        demand(w, Proof.SIGNED)
        assert await standing(w) is Standing.ACTIVE
        assert (await w.hub.declare(OWN, ANNA)).standing is Standing.UNPROVEN  # somebody else now


async def test_a_national_login_is_her_own_word(url: str) -> None:
    async with running(url) as w:
        assert (await w.hub.declare(EVIL, CLEO)).standing is Standing.HELD
        assert (await w.hub.declare(EVIL, CLEO, Proof.SIGNED)).standing is Standing.HELD
        assert (await w.hub.declare(EVIL, CLEO, Proof.NATIONAL)).standing is Standing.ACTIVE
        assert (await w.hub.declare(OWN, CLEO)).standing is Standing.ACTIVE  # nobody is shut out
        assert (await w.hub.declare(Address("siilo", "dan"), DAN)).standing is Standing.ACTIVE


async def test_the_operators_refusal_goes_before_a_national_login(url: str) -> None:
    async with running(url) as w:
        await w.hub.declare(EVIL, CLEO)
        await w.hub.decide("siilo", f"rpps:{CLEO}", Standing.REFUSED, "operator ann")
        assert (await w.hub.declare(EVIL, CLEO, Proof.NATIONAL)).standing is Standing.REFUSED


async def test_the_rule_of_a_server_says_who_its_users_are(url: str) -> None:
    async with running(url) as w:
        people = w.store._people
        rule = AccountRule.parse("dr.{rpps}")
        people.professional = lambda mxid: rule.rpps(mxid[1:].partition(":")[0])
        found = await people.who(Address("matrix", f"@dr.{ANNA}:chu.example"))
        assert found is not None
        assert (found.id, found.name) == (f"rpps:{ANNA}", "Anna Martin")
        assert await people.who(Address("matrix", "@dr.10000000099:chu.example")) is None  # a number that never was
        plain = await people.who(Address("matrix", "@secretary:chu.example"))
        assert plain is not None
        assert (plain.id, plain.listed) == ("matrix:@secretary:chu.example", False)
        assert await people.who(Address("matrix", f"@dr.{ANNA}:evil.example")) is None


async def test_accounts_of_before_are_a_products_word(url: str) -> None:
    async with running(url) as w:
        await w.hub.declare(OWN, CLEO)
    db = await open_database(url, [COMPONENT, TRAIL])
    row = await db.one("claims.accounts", "", "", 10)
    await db.close()
    assert row is not None
    assert row["proof"] == Proof.WORD


@pytest.mark.parametrize(
    ("template", "localpart", "number"),
    [
        ("{rpps}", CLEO, CLEO), ("dr.{rpps}", f"dr.{CLEO}", CLEO), ("{rpps}-med", f"{CLEO}-med", CLEO),
        ("{rpps}", f"{CLEO}1", None), ("{rpps}", CLEO[:-1], None), ("dr.{rpps}", CLEO, None),
        ("dr.{rpps}", f"DR.{CLEO}", None), ("{rpps}-med", CLEO, None), ("{rpps}", "١٠٠٠٠٠٠٠٠٠٣", None),
        ("{rpps}", f"x{CLEO}", None), ("a{rpps}b", f"a{CLEO}bb", None), ("aa{rpps}", "a", None),
    ],
)  # fmt: skip
def test_rules(template: str, localpart: str, number: str | None) -> None:
    assert AccountRule.parse(template).rpps(localpart) == number


@pytest.mark.parametrize("template", ["", "dr", "{rpps}{rpps}", "Dr{rpps}", "{rpps} ", "@{rpps}", "{rpps}:x"])
def test_rules_that_are_none(template: str) -> None:
    with pytest.raises(ValueError, match="localpart"):
        AccountRule.parse(template)


def test_proofs_have_words() -> None:
    assert [Proof.of(one.word) for one in Proof] == list(Proof)
    assert Proof.of("psychic") is None
