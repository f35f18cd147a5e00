"""Each fact that an auditor asks for has its row, with ids and codes only."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bridge.errors import Refused
from bridge.hub.hub import now_ms
from bridge.model import Address, Standing
from bridge.trail.chaining import Chainer
from bridge.trail.rules import TrailRules
from tests.core.make import PEOPLE, SEAL, World, running
from tests.core.trail.make import chain_of

CLEO = "rpps:10000000003"


async def rows(w: World, *kinds: str) -> list[list[Any]]:
    """The chained rows of these kinds, without their times."""
    await Chainer(w.db, SEAL, None, TrailRules(), now_ms).catch_up()
    found = [orjson.loads(row.body)[1:] for row in await chain_of(w.db)]
    return [row for row in found if row[0] in kinds]


async def test_links_conflicts_and_their_ends_have_rows(url: str) -> None:
    async with running(url) as w:
        person = PEOPLE[0]
        await w.hub.claims.declare(Address("pandalab", "anna"), person)
        await w.hub.claims.declare(Address("siilo", "a.martin"), person)
        await w.hub.claims.decide("siilo", person.id, Standing.ACTIVE, "operator root")
        await w.hub.links.revoke(Address("pandalab", "anna"), "operator root")
        await w.hub.links.restore(Address("pandalab", "anna"), "operator root")
        found = await rows(w, "link_made", "link_revoked", "identity_conflict")
    assert [(row[0], row[1], row[2], row[4]) for row in found] == [
        ("link_made", "pandalab", person.id, "active"),
        ("link_made", "siilo", person.id, "held"),
        ("identity_conflict", "siilo", person.id, "held"),
        ("identity_conflict", "operator root", person.id, "active"),
        ("link_revoked", "operator root", person.id, "operator"),
        ("link_made", "operator root", person.id, "restored"),
    ]
    assert found[0][3] == found[4][3] == found[5][3]
    assert found[0][3].startswith("pandalab#")


async def test_what_the_trust_space_refuses_has_one_row_a_minute(url: str) -> None:
    now = [1_000_000]
    async with running(url, clock=lambda: now[0]) as w:

        async def refused(who: str) -> None:
            with pytest.raises(Refused):
                await w.matrix.write("x", "chat", who, "Bonjour", to=(CLEO,))

        for _ in range(3):
            await refused("@eve:evil.example")
        await refused("@mallory:bad.example")
        now[0] += 61_000
        await refused("@other:evil.example")
        found = await rows(w, "policy_refused")
    assert [(row[4], row[5]) for row in found] == [
        ("unknown_sender", {"from": "matrix:evil.example"}),
        ("unknown_sender", {"from": "matrix:bad.example"}),
        ("unknown_sender", {"from": "matrix:evil.example", "more": 2}),
    ]
    assert "eve" not in str(found[0][1])
