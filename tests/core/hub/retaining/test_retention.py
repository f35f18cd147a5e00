"""Conversations end after the time that was set: told before, kept by one message, and gone but from the trail."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.errors import Refused, Unavailable
from bridge.hub import retaining
from bridge.hub.retaining.purging import Purging
from bridge.hub.retaining.retention import Retention, RetentionRules
from bridge.model import Delivery
from bridge.trail.chaining import Chainer
from bridge.trail.rules import TrailRules
from tests.core.make import SEAL, World, running
from tests.core.store.test_erasure import schema
from tests.core.store.test_reading import rows
from tests.core.trail.make import chain_of

DAY = 86_400_000
SQL = "trail/sql/retention.sql"
BEN, CLEO = "matrix:@ben:chu.example", "rpps:10000000003"
LEFT = ("message", "recipient", "ref", "member", "leg", "conversation", "looked_at", "retention", "retention_told")


@dataclass
class Old:
    """A hub with a clock that a test moves, and a conversation between Ben and Cléo."""

    w: World
    retention: Retention
    purging: Purging
    now: list[int]
    conversation: str

    async def after(self, days: float) -> None:
        """So many days later the hub looks."""
        self.now[0] += int(days * DAY)
        await self.retention.look()

    async def settled(self) -> None:
        """Everything was delivered and told."""
        while await self.w.waiting():
            await self.w.echo()

    def told(self) -> list[str]:
        """What was said of the end, anywhere."""
        nets = self.w.nets.values()
        return [d.body.text for n in nets for d in n.delivered if d.body.system and "effacera" in d.body.text]

    async def left(self) -> dict[str, int]:
        """How many rows of the conversation's tables there are."""
        return {t: next(iter(await rows(self.w.db, f"SELECT COUNT(*) FROM {t}")))[0] for t in LEFT}


@asynccontextmanager
async def old(url: str, clock: Callable[[], int] | None = None) -> AsyncIterator[Old]:
    now = [1_800_000_000_000]
    async with running(url, clock=clock or (lambda: now[0])) as w:
        await w.matrix.write("1", "!room", "@ben:chu.example", "Bonjour", to=(CLEO,))
        await w.until(lambda: w.pandalab.delivered)
        purging = Purging(w.hub, w.store, w.hub._connectors, lambda: now[0])
        rules = RetentionRules(conversations=180 * 86_400.0)
        made = Old(w, Retention(w.hub, w.store, purging, rules, lambda: now[0]), purging, now, "")
        made.conversation = w.pandalab.delivered[0].conversation
        yield made


async def test_its_people_are_told_a_week_before_and_one_message_keeps_it(url: str) -> None:
    async with old(url) as o:
        await o.after(172)
        assert o.told() == []
        await o.after(1.5)
        await o.w.until(lambda: len(o.told()) == 2)  # on both legs
        assert "7 jour(s)" in o.told()[0]
        await o.after(1)
        await o.w.pandalab.write("2", o.conversation, "cleo", "Je suis là")
        await o.after(7)
        assert (await o.left())["conversation"] == 1
        assert (await o.left())["retention_told"] == 0
        await o.after(170)
        await o.w.until(lambda: len(o.told()) == 4)


async def test_what_has_ended_is_gone_and_whoever_writes_begins_anew(url: str) -> None:
    async with old(url) as o:
        await o.after(173.5)
        await o.w.until(lambda: len(o.told()) == 2)
        await o.after(6)
        assert (await o.left())["message"] > 0
        await o.settled()
        await o.after(1.5)
        assert set((await o.left()).values()) == {0}
        with pytest.raises(Refused, match="unknown_conversation"):
            await o.w.pandalab.write("3", o.conversation, "cleo", "Encore là ?")
        await o.w.matrix.write("4", "!room", "@ben:chu.example", "De nouveau", to=(CLEO,))
        await o.w.until(lambda: o.w.pandalab.delivered[-1].body.text == "De nouveau")
        await Chainer(o.w.db, SEAL, None, TrailRules(), lambda: o.now[0]).catch_up()
        said = [row.body for row in await chain_of(o.w.db)]
        assert any('"retention","hub"' in row and o.conversation in row and '"purged"' in row for row in said)
        assert any('"message"' in row and CLEO in row and '"delivered"' in row for row in said)  # the trace stays


async def test_an_operator_keeps_one_and_ends_one(url: str) -> None:
    async with old(url) as o:
        await o.retention.keep(o.conversation, None, "operator root")
        await o.after(400)
        assert (o.told(), (await o.left())["retention"]) == ([], 1)
        await o.retention.keep(o.conversation, None, "operator root", as_others=True)
        await o.retention.keep(o.conversation, 500 * 86_400, "operator root")
        await o.after(1)
        assert o.told() == []
        with pytest.raises(Refused, match="unknown_conversation"):
            await o.retention.keep("c_none", None, "operator root")
        assert await o.purging.purge(o.conversation, "operator root")
        assert set((await o.left()).values()) == {0}


def _away(_: Delivery) -> None:
    raise Unavailable("away")


async def test_nothing_ends_while_something_waits(url: str) -> None:
    async with old(url) as o:
        o.w.pandalab.before = _away
        await o.w.matrix.write("2", "!room", "@ben:chu.example", "Attends")
        assert not await o.purging.purge(o.conversation, "operator root")
        assert (await o.left())["message"] == 2


def test_every_table_of_a_conversation_ends_with_it() -> None:
    """Or it is named here, with the reason."""
    ended = set(re.findall(r"DELETE FROM (\w+)", (Path(retaining.__file__).parents[2] / SQL).read_text()))
    elsewhere = {
        "delivery": "nothing ends while anything waits", "early": "waits for minutes only",
        "matrix_room": "Matrix unbinds it", "matrix_intent": "gone once the room is made",
        "mail_ref": "mail forgets it", "mail_thread": "mail forgets it", "mail_draft": "waits for minutes only",
        "connect_event": "the log ends it", "connect_file": "the shelf ends it", "matrix_outbox": "emptied once sent",
    }  # fmt: skip
    named = {t for t, columns in schema().items() if {"conversation", "message", "chat"} & set(columns)}
    assert named - ended - set(elsewhere) == set()
