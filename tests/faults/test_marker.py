"""What was written is in no file of the hub in clear, at no time; secrets are in no log, at any level."""

from __future__ import annotations

import asyncio
import sqlite3
from base64 import b64encode
from pathlib import Path

import aiohttp

from deploy.world.simulator import Faults
from deploy.world.waiting import until
from tests.faults.rig import AS_TOKEN, HS_TOKEN, SEAL_KEY, TOKENS, WEBHOOKS, Rig, rig
from tests.faults.traffic import TWO, Traffic

OUT, BACK, WRONG = "Xylophone-Marqueur-7c1f", "Quartz-Marqueur-9e2d", "Zéphyr-Marqueur-55ab"
SECRETS = [AS_TOKEN, HS_TOKEN, SEAL_KEY, *TOKENS.values(), *WEBHOOKS.values()]


def forms(word: str) -> list[bytes]:
    """How a word may lie in a file: as it is, escaped, in UTF-16, in hexadecimal, in base64 wherever it begins."""
    raw = word.encode()
    found = [
        raw,
        word.encode("unicode_escape"),
        word.encode("utf-16-le"),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    ]
    for pad in range(3):  # base64 of any text that holds the word has one of these inside
        whole = b64encode(b"\0" * pad + raw)
        found.append(whole[4 if pad else 0 : len(whole) // 4 * 4 - 4])
    return found


def files(world: Rig) -> list[Path]:
    """Everything that the hub has written: the database with its log and index, its lock, its outputs."""
    return [p for p in world.folder.iterdir() if p.name.startswith("hub.") and p.suffix != ".yaml"]


def places(world: Rig, *words: str) -> list[tuple[str, str]]:
    """The files in which a word is found."""
    wanted = [(word, form) for word in words for form in forms(word)]
    return [(p.name, word) for p in files(world) for word, form in wanted if form in p.read_bytes()]


def waiting(world: Rig) -> list[bytes]:
    """The sealed bodies that wait."""
    with sqlite3.connect(f"file:{world.folder}/hub.db?mode=ro", uri=True) as db:
        return [bytes(body) for (body,) in db.execute("SELECT body FROM delivery")]


async def wrong_requests(world: Rig) -> None:
    """The word comes with everything that is refused."""
    url = f"http://127.0.0.1:{world.ports['connect']}/connect/v1/messages"
    headers = {"Authorization": f"Bearer {TOKENS['pandalab']}", "Content-Type": "application/json"}
    good = {"id": "w", "conversation": TWO, "sender": "cleo", "text": WRONG, "sent_at": "2026-01-01T00:00:00Z"}
    bodies = [
        good | change for change in ({"sender": "nobody"}, {"kind": WRONG}, {"text": WRONG * 9000}, {"to": [WRONG]})
    ]
    async with aiohttp.ClientSession(headers=headers) as session:
        for body in bodies:
            async with session.post(url, json=body) as answer:
                assert 400 <= answer.status < 500
        async with session.post(url, data=f'{{"text": "{WRONG}'.encode()) as answer:
            assert answer.status == 400
        async with session.post(url, json=good, headers={"Authorization": "Bearer " + TOKENS["siilo"][:-1]}) as answer:
            assert answer.status == 401
    room = world.rooms[TWO]
    await world.ben.raw(room, "m.room.message", {"msgtype": "m.text", "body": WRONG})  # not encrypted
    await world.ben.raw(room, "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": WRONG})


async def test_a_marker_is_found_nowhere(tmp_path: Path) -> None:
    async with rig(tmp_path) as world:
        traffic = Traffic(world)
        world.start()
        await traffic.begin()
        await traffic.settle()
        await world.ben.say(world.rooms[TWO], "before")
        await until(lambda: any(m["text"] == "before" for m in world.arrived("pandalab", "cleo")))

        world.stub.fault("PUT .*/send/m.room.encrypted/", 1_000_000, status=503)
        world.sims["pandalab"].write("cleo", {"text": f"{OUT} : résultats", "conversation": TWO})
        await until(lambda: waiting(world))
        assert places(world, OUT) == []
        sealed = waiting(world)
        world.stub._faults.clear()

        world.sims["pandalab"].set_faults(Faults(down=True))
        await world.ben.say(world.rooms[TWO], f"{BACK} : merci")
        await until(lambda: set(waiting(world)) - set(sealed))
        await wrong_requests(world)
        await asyncio.sleep(1.0)
        sealed += waiting(world)
        assert places(world, OUT, BACK, WRONG) == []

        world.sims["pandalab"].set_faults(Faults())
        await until(lambda: any(BACK in m["text"] for m in world.arrived("pandalab", "cleo")))
        await until(lambda: any(OUT in (s.text or "") for s in world.timeline(world.rooms[TWO])))
        await until(lambda: not waiting(world))
        assert places(world, OUT, BACK, WRONG) == []
        world.kill()
        assert places(world, OUT, BACK, WRONG) == []
        assert places(world, *SECRETS) == []

        with sqlite3.connect(world.folder / "hub.db") as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert [body for body in sealed if body in (world.folder / "hub.db").read_bytes()] == []


async def test_what_the_hub_writes_is_its_own_users_only(tmp_path: Path) -> None:
    async with rig(tmp_path) as world:
        world.start()
        await world.ready()
        made = [p for p in files(world) if p.name != "hub.log"]
        assert {p.name for p in made} >= {"hub.db", "hub.db-wal"}
        assert [(p.name, oct(p.stat().st_mode)) for p in made if p.stat().st_mode & 0o077] == []
