"""What changes in the directory while the hub runs: names, who is struck off, who is back. On both databases."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bridge.errors import Refused, Unavailable
from bridge.model import Address, Delivery, Ref, State
from bridge.networks.loopback import Loopback
from bridge.parts.tasks import Tasks
from bridge.people.directories.watched import WatchedFile
from tests.core.make import World, networks, running

HEAD = "rpps,name,profession,place,mail,matrix,products,closed\n"
BEN = "10000000002,Ben Durand,Médecin,Lyon,,@ben:chu.example,,\n"
CLEO = "10000000003,Cléo Petit,Pharmacienne,Annecy,cleo@mss.example,,pandalab:cleo,\n"
DAN = "10000000004,Dan Moreau,Cardiologue,Die,,,siilo:dan,\n"
INACTIVE = (State.REFUSED, "recipient_inactive")


class Place:
    """A hub whose directory is a file that is edited."""

    def __init__(self, world: World, path: Path, directory: WatchedFile) -> None:
        self.world, self.path, self.directory = world, path, directory

    async def edit(self, *lines: str) -> None:
        """Write the file anew, as an operator who means it, and wait until everybody was looked at."""
        changes = list[object]()

        def changed(people: Collection[str] | None) -> None:
            self.world.hub.following.changed(people)
            changes.append(people)

        self.directory.follow(changed)
        self.path.write_text(HEAD + "".join(lines), "utf-8")
        self.directory.reload()
        await self.world.until(lambda: changes and self.world.hub.following.idle)


@asynccontextmanager
async def place(url: str, path: Path, *lines: str, nets: dict[str, Loopback] | None = None) -> AsyncIterator[Place]:
    if lines:
        path.write_text(HEAD + "".join(lines), "utf-8")
    directory, tasks = WatchedFile(path, look=0.01), Tasks("test")
    async with running(url, nets, directory=directory) as w:
        tasks.start(directory.run())
        await w.until(lambda: w.hub.following.idle)
        try:
            yield Place(w, path, directory)
        finally:
            await w.hub.following.stop()
            await tasks.stop()


async def states(w: World, ref: Ref) -> dict[str, tuple[State, str | None]]:
    status = await w.hub.facts.status(ref)
    assert status is not None
    return {s.person.name: (s.state, s.reason) for s in status.states}


async def refusal(what: object) -> str:
    with pytest.raises(Refused) as refused:
        await what  # type: ignore[misc]
    return refused.value.code


def away(delivery: Delivery) -> None:
    raise Unavailable("away")


async def test_a_new_name_is_said_with_the_next_message(url: str, tmp_path: Path) -> None:
    async with place(url, tmp_path / "people.csv", BEN, CLEO, DAN) as p:
        w = p.world
        await w.pandalab.write("p1", "A", "cleo", "Bonjour", ["rpps:10000000004"])
        await w.until(lambda: w.siilo.delivered)
        await p.edit(BEN, CLEO.replace("Cléo Petit", "Cléo Grand").replace("Annecy", "Nice"), DAN)
        await w.pandalab.write("p2", "A", "cleo", "again")
        await w.until(lambda: len(w.siilo.delivered) == 2)
        assert [(d.sender.name, d.sender.place) for d in w.siilo.delivered] == [
            ("Cléo Petit", "Annecy"), ("Cléo Grand", "Nice"),
        ]  # fmt: skip
        assert {m.person.name for m in w.siilo.delivered[1].members} == {"Cléo Grand", "Dan Moreau"}


@pytest.mark.parametrize("how", ["gone", "closed"])
async def test_whoever_is_struck_off_neither_writes_nor_is_written_to(url: str, tmp_path: Path, how: str) -> None:
    async with place(url, tmp_path / "people.csv", BEN, CLEO, DAN) as p:
        w = p.world
        await w.matrix.write("$1", "!a", "@ben:chu.example", "to both", ["rpps:10000000003", "rpps:10000000004"])
        await w.until(lambda: w.pandalab.delivered and w.siilo.delivered)
        chat = w.pandalab.delivered[0].chat
        assert chat is not None
        await p.edit(BEN, DAN, *([CLEO.strip() + "2026-11-29\n"] if how == "closed" else []))
        assert await refusal(w.pandalab.write("p1", chat, "cleo", "I am still here")) == "sender_inactive"
        assert await w.hub.facts.who(Address("pandalab", "cleo")) is None
        assert await w.hub.facts.who(Address("mail", "cleo@mss.example")) is None
        for handle in ("rpps:10000000003", "pandalab:cleo"):
            assert await refusal(w.siilo.write(f"s{handle}", "new", "dan", "x", [handle])) == "recipient_inactive"
        assert await refusal(w.hub.declare(Address("pandalab", "other"), "10000000003")) == "person_inactive"
        assert await w.hub.facts.find("petit", 5, Address("siilo", "dan")) == []
        await w.matrix.write("$2", "!a", "@ben:chu.example", "to whoever is left")
        await w.until(lambda: len(w.siilo.delivered) == 2)
        assert len(w.pandalab.delivered) == 1
        assert (await states(w, Ref("matrix", "$2")))["Cléo Petit"] == INACTIVE
        [cleo] = [m.person for m in w.siilo.delivered[1].members if m.person.rpps == "10000000003"]
        assert (cleo.name, cleo.profession, cleo.active) == ("Cléo Petit", "Pharmacienne", False)
        assert await w.hub.facts.chat("pandalab", chat) is not None  # what was said stays readable


async def test_the_only_other_one_is_struck_off(url: str, tmp_path: Path) -> None:
    async with place(url, tmp_path / "people.csv", BEN, CLEO, DAN) as p:
        w = p.world
        await w.siilo.write("s1", "A", "dan", "Bonjour", ["rpps:10000000003"])
        await p.edit(BEN, DAN)
        assert await refusal(w.siilo.write("s2", "A", "dan", "Bonjour ?")) == "recipient_inactive"


async def test_what_waits_is_refused_in_words_and_what_they_said_goes_on(url: str, tmp_path: Path) -> None:
    async with place(url, tmp_path / "people.csv", BEN, CLEO, DAN) as p:
        w = p.world
        w.pandalab.before = w.siilo.before = away
        await w.siilo.write("s1", "A", "dan", "for Cléo", ["rpps:10000000003"])
        await w.pandalab.write("p1", "B", "cleo", "for Dan", ["rpps:10000000004"])
        await w.until(lambda: w.pandalab.calls and w.siilo.calls)
        await p.edit(BEN, DAN)
        await w.until(lambda: w.siilo.told)
        assert await states(w, Ref("siilo", "s1")) == {"Cléo Petit": INACTIVE}
        w.pandalab.before = w.siilo.before = lambda delivery: None
        await w.until(lambda: w.siilo.delivered)
        assert w.siilo.delivered[0].sender.name == "Cléo Petit"
        await w.until(lambda: w.pandalab.told)
        assert await w.waiting() == 0
        assert w.pandalab.delivered == []


async def test_whoever_left_while_the_hub_was_down_is_locked_at_the_start_and_comes_back(
    url: str, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    async with place(url, path, BEN, CLEO, DAN) as p:
        await p.world.siilo.write("s1", "A", "dan", "Bonjour", ["rpps:10000000003"])
        await p.world.until(lambda: p.world.pandalab.delivered)
    async with place(url, path, BEN, DAN) as p:
        assert (await p.world.store.conversation(await conversation(p.world))).members[0].person.name == "Cléo Petit"
        assert await refusal(p.world.siilo.write("s2", "A", "dan", "x")) == "recipient_inactive"
    async with place(url, path) as p:  # and stays so
        w = p.world
        assert await refusal(w.siilo.write("s3", "A", "dan", "x")) == "recipient_inactive"
        await p.edit(BEN, CLEO, DAN)
        await w.siilo.write("s4", "A", "dan", "back")
        await w.until(lambda: w.pandalab.delivered)
        assert await w.db.all("following.gone", "", 9) == []


async def conversation(w: World) -> str:
    found = await w.hub.facts.chat("siilo", "A")
    assert found is not None
    return found.conversation


async def test_a_bad_file_is_an_alarm_and_the_last_good_one_stays(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    many = [f"100000001{n:02},P {n},Médecin,Lyon,,,siilo:p{n},\n" for n in range(30)]
    async with place(url, tmp_path / "people.csv", BEN, CLEO, *many) as p:

        def alarms() -> list[str]:
            return [r.getMessage() for r in caplog.records if r.getMessage().startswith("ALARM")]

        p.path.write_text(f"{HEAD}{BEN}12,Too Short,,,,,,\n", "utf-8")
        await p.world.until(alarms)
        assert alarms()[0].endswith("people.csv, line 3: rpps must be 11 digits")
        p.path.write_text(HEAD + BEN + CLEO, "utf-8")  # as an editor that has not written everything yet
        await p.world.until(lambda: len(alarms()) == 2)
        assert "leaves out 30 of 32 people" in alarms()[1]
        assert await p.world.hub.facts.who(Address("siilo", "p7")) is not None
        with caplog.at_level(logging.INFO):
            await p.edit(BEN, CLEO)  # meant
        assert await p.world.hub.facts.who(Address("siilo", "p7")) is None
        with suppress(FileNotFoundError):
            p.path.unlink()
        await p.world.until(lambda: len(alarms()) == 3)
        assert await p.world.hub.facts.who(Address("pandalab", "cleo")) is not None


async def test_who_comes_into_the_directory_is_shown_and_nobody_else_is_looked_at(url: str, tmp_path: Path) -> None:
    nets = networks()
    async with place(url, tmp_path / "people.csv", BEN, CLEO, nets=nets) as p:
        await p.edit(BEN, CLEO, DAN)
        assert [one.id for one in nets["siilo"].people_shown] == ["rpps:10000000004"]


async def test_a_directory_that_is_not_there_yet_locks_nobody(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    many = [f"100000001{n:02},P {n},Médecin,Lyon,,,siilo:p{n},\n" for n in range(20)]
    path = tmp_path / "people.csv"
    async with place(url, path, BEN, CLEO, *many) as p:
        await p.world.pandalab.write("p1", "A", "cleo", "à tous", [f"siilo:p{n}" for n in range(20)])
        await p.world.until(lambda: p.world.siilo.delivered)
    async with place(url, path, BEN, CLEO) as p:
        assert [r for r in caplog.records if r.getMessage().startswith("ALARM the directory has lost 20 of the 21")]
        assert await p.world.db.all("following.gone", "", 9) == []
