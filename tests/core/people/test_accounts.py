"""By which of several accounts a person is reached: the same for ever, whatever is declared again and restarted."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.db import open_database
from bridge.errors import Refused
from bridge.hub.hub import Hub
from bridge.model import Address, Standing
from bridge.people.accounts import Accounts
from bridge.people.revocations import TakenBack, Why
from bridge.store.store import COMPONENT
from bridge.vouching import Proof
from tests.core.make import World, running

ANNA, CLEO, FAY = "10000000001", "10000000003", "10000000005"
A, B = Address("pandalab", "a"), Address("siilo", "b")


async def reached(w: World, rpps: str) -> str:
    """Where a person is reached from Matrix."""
    return str((await w.store._people.find(f"rpps:{rpps}", "matrix", "to.0")).address)


async def vouched(hub: Hub, *declared: tuple[Address, str]) -> None:
    for address, rpps in declared:
        await hub.declare(address, rpps)


async def test_the_first_account_counts_however_often_others_are_declared(url: str) -> None:
    async with running(url) as w:
        await vouched(w.hub, (A, ANNA), (B, ANNA))
        await w.hub.decide("siilo", f"rpps:{ANNA}", Standing.ACTIVE, "test")
        await vouched(w.hub, (A, ANNA), (B, ANNA))
        assert await reached(w, ANNA) == str(A)
        before = [row["declared_at"] for row in await w.db.all("claims.accounts", "", "", 99)]
        await vouched(w.hub, (A, ANNA))
        assert [row["declared_at"] for row in await w.db.all("claims.accounts", "", "", 99)] == before
    for _ in range(2):
        async with running(url) as w:
            assert await reached(w, ANNA) == str(A)
            await vouched(w.hub, (A, ANNA))
            assert await reached(w, ANNA) == str(A)


async def test_what_the_directory_lists_comes_before_what_is_declared(url: str) -> None:
    async with running(url) as w:
        await vouched(w.hub, (Address("pandalab", "fay-2"), FAY), (Address("siilo", "fay-2"), FAY))
        assert await reached(w, FAY) == "pandalab:fay"


async def test_a_message_goes_where_the_first_one_went(url: str) -> None:
    async with running(url) as w:
        await vouched(w.hub, (A, ANNA), (B, ANNA))
        await w.hub.decide("siilo", f"rpps:{ANNA}", Standing.ACTIVE, "test")
        await w.matrix.write("$1", "!a", "@ben:chu.example", "one", [f"rpps:{ANNA}"])
        await w.until(lambda: w.pandalab.delivered)
        await vouched(w.hub, (A, ANNA))
        await w.matrix.write("$2", "!b", "@ben:chu.example", "two", [f"rpps:{ANNA}"])
        await w.until(lambda: len(w.pandalab.delivered) == 2)
        assert w.siilo.delivered == []


def test_the_order_is_that_of_the_declarations_whatever_the_order_of_the_rows() -> None:
    rows = [(A, 2), (B, 1), (Address("pandalab", "c"), 1)]
    for start in range(3):
        known = Accounts()
        for address, at in rows[start:] + rows[:start]:
            known.remember(address, "p", at)
        assert [str(a) for a in known.of("p")] == ["pandalab:c", "siilo:b", "pandalab:a"]


def test_an_account_that_is_not_active_is_nobodys_way() -> None:
    known = Accounts()
    known.remember(A, "p", 1)
    known.remember(B, "p", 2, Standing.HELD)
    assert (known.of("p"), known.at("siilo", "p"), known.standing(B)) == ([A], [B], Standing.HELD)
    known.settle(A, Standing.REFUSED)
    assert (known.of("p"), list(known.people())) == ([], [])
    known.settle(B, Standing.ACTIVE)
    assert (known.of("p"), list(known.people())) == ([B], ["p"])
    known.remember(B, "q", 3)
    assert (known.of("p"), known.of("q"), known.at("siilo", "p")) == ([], [B], [])
    assert (known.person(B), known.since(B), known.since(Address("siilo", "x"))) == ("q", 3, None)


Step = tuple[str, str, str]
products, people = st.sampled_from(["pandalab", "siilo"]), st.sampled_from([ANNA, CLEO, FAY])
steps = st.lists(
    st.one_of(
        st.just(None),  # the hub is started again
        st.tuples(products, st.sampled_from(["a", "b", "c"]), people),
        st.tuples(st.sampled_from(["accept", "refuse"]), products, people),
    ),
    max_size=12,
)


async def _step(w: World, step: Step, known: dict[str, str]) -> None:
    """One declaration or decision, and whether it leaves the ways alone that it has to leave alone."""
    if step[0] in ("accept", "refuse"):
        verdict, network, rpps = step
        with suppress(Refused):
            standing = Standing.ACTIVE if verdict == "accept" else Standing.REFUSED
            await w.hub.decide(network, f"rpps:{rpps}", standing, "test")
        if verdict == "accept" or not known.get(rpps, "").startswith(network):
            assert (await ways(w)).get(rpps) == known.get(rpps) or rpps not in known
        return
    network, ident, rpps = step
    account = Address(network, ident)
    before = w.store._people.accounts.person(account)
    declared = await w.hub.declare(account, rpps)
    now = await ways(w)
    if before == f"rpps:{rpps}":
        assert now == known or (now | {rpps: str(account)}, rpps in known) == (now, False)
    elif rpps in known:
        assert now[rpps] == known[rpps]
    if declared.standing is Standing.HELD:
        assert known[rpps].partition(":")[0] != network
        assert await w.hub.facts.who(account) is None


async def _story(url: str, story: list[Step | None]) -> None:
    """What was declared first is the way, as long as it is declared; a restart and a repetition move nothing."""
    runs: list[list[Step]] = [[]]
    for step in story:
        if step is None:
            runs.append([])
        else:
            runs[-1].append(step)
    known: dict[str, str] | None = None
    for run in runs:
        async with running(url) as w:
            assert known is None or await ways(w) == known
            for step in run:
                await _step(w, step, await ways(w))
            known = await ways(w)


async def ways(w: World) -> dict[str, str]:
    found = {rpps: (await w.store._people.get(f"rpps:{rpps}")).addresses for rpps in (ANNA, CLEO, FAY)}
    return {rpps: str(addresses[0]) for rpps, addresses in found.items() if addresses}


@settings(max_examples=25, deadline=None)
@given(story=steps)
@example([("refuse", "pandalab", ANNA), ("siilo", "a", ANNA), ("accept", "pandalab", ANNA)])
def test_no_declaration_and_no_restart_changes_a_way_that_is_there(story: list[Step | None]) -> None:
    with TemporaryDirectory() as folder:
        first: list[Step | None] = [(A.network, A.id, ANNA)]
        asyncio.run(_story(f"sqlite:///{folder}/hub.db", [*first, None, *story]))


async def test_a_hundred_thousand_accounts(tmp_path: Path) -> None:
    """One look at start; afterwards nothing depends on how many there are."""
    url = f"sqlite:///{tmp_path}/hub.db"
    db = await open_database(url, [COMPONENT])
    async with db.transaction("test") as tx:
        rows = [("pandalab", f"u{n}", f"rpps:{20000000000 + n}", n) for n in range(100_000)]
        await tx.many("store.declare", rows)
    await db.close()
    async with running(url) as w:
        assert w.store._people.accounts.of("rpps:20000099999") == [Address("pandalab", "u99999")]
        await vouched(w.hub, (B, ANNA))
        assert await reached(w, ANNA) == str(B)


def test_two_things_in_one_millisecond_have_an_order() -> None:
    known = Accounts()
    assert known.place("p", 7) == 7
    known.remember(B, "p", 7)
    known.remember(A, "p", known.place("p", 7))
    assert known.of("p") == [B, A]
    assert known.place("p", 100) == 100


@given(
    st.sampled_from([None, ANNA, CLEO]), st.sampled_from(list(Standing)), st.booleans(), st.booleans(),
    st.sampled_from([None, *Proof]),
)  # fmt: skip
def test_an_address_is_hers_if_nobody_says_otherwise(
    declared: str | None, standing: Standing, hers_revoked: bool, others_revoked: bool, demanded: Proof | None
) -> None:
    accounts = Accounts()
    accounts.demanded = lambda network: demanded
    if declared is not None:
        accounts.remember(A, declared, 1, standing)
    for person, revoked in ((ANNA, hers_revoked), (CLEO, others_revoked)):
        if revoked:
            accounts.revoked.add(TakenBack(A, person, Why.OPERATOR, 1, "operator"))
    believed = declared is None or (standing is Standing.ACTIVE and demanded is Proof.WORD)
    assert accounts.holds(ANNA, A) is (not hers_revoked and declared in (None, ANNA) and believed)
    assert accounts.holds(ANNA, B)
