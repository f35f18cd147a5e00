"""`liaison status`, `queue`, `trace` and the metrics of a whole hub whose homeserver and products are away."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from appservice.operating.asking import lasting
from appservice.operating.status import CHAPTER, LONG, concerns, lines
from appservice.process.app import Parts, running
from appservice.process.command import main
from bridge.config import read_config
from bridge.model import Address, Body, Kind, Message, Ref
from deploy.world.ports import free_port
from deploy.world.waiting import until
from tests.matrix.operating.rules import ROOT
from tests.matrix.operating.test_why import CLEO, DAN
from tests.matrix.process.test_start import TOKEN, written

SECRET = "le patient du lit 12"


def site(folder: Path, metrics: int) -> str:
    """A hub of two products, neither of which answers."""
    hook = {"webhook_url": "http://127.0.0.1:1/", "webhook_secrets": [f"file:{folder}/hook"]}
    products = {name: hook | {"tokens": [TOKEN[:-1] + n]} for n, name in (("1", "pandalab"), ("2", "siilo"))}
    path = written(
        folder, networks={"connect": {"products": products}}, matrix_listen={"port": free_port()},
        metrics_listen={"port": metrics}, delivery={"order_wait": "10ms", "late": "1ms"},
    )  # fmt: skip
    (folder / "people.csv").write_text(
        f"rpps,name,products\n{CLEO},Cléo Petit,pandalab:cleo\n{DAN},Dan Moreau,siilo:dan\n"
    )
    return path


async def say(parts: Parts, ref: str) -> str:
    """Cléo writes to Dan; gives the message's id."""
    said = Message(
        Ref("pandalab", ref), "A", Address("pandalab", "cleo"), Kind.TEXT, Body(SECRET), 1_700_000_000_000,
        to=(f"rpps:{DAN}",),
    )  # fmt: skip
    return (await parts.hub.accept(said)).message


async def metrics_of(port: int) -> dict[tuple[str, ...], float]:
    """As Prometheus reads them: the name of a sample and its labels' values."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


async def test_an_operator_sees_what_waits_and_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def liaison(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        command, *rest = arguments
        what = rest[:1] if command in ("queue", "conversation") and not rest[0].startswith("-") else []
        status = await asyncio.to_thread(main, [command, "-c", path, *what, *rest[len(what) :]])
        return status, capsys.readouterr().out

    port = free_port()
    path = site(tmp_path, port)
    async with running(read_config(Path(path))) as parts:
        message = await say(parts, "p1")
        await until(
            lambda: parts.core.courier.reasons.peek("x") is None and parts.core.courier.counts.handed["siilo", "later"]
        )
        waits = next(one for one in (await _queue(liaison)) if one[1] == "siilo")[0]
        status, screen = await liaison("status")
        assert (status, "nothing needs you" in screen) == (1, False)
        assert "! messages to siilo are late" in screen or "! siilo does not answer" in screen
        status, shown = await liaison("queue", "show", waits)
        assert (status, "tried " in shown, message in shown) == (0, True, True)
        assert "product_unreachable (nobody answers at the product's address" in shown
        assert "siilo            FAILS" in screen or "siilo            NO" in screen
        status, traced = await liaison("trace", "p1")
        assert (status, "waits for siilo: tried" in traced, "called p1 by pandalab" in traced) == (0, True, True)
        status, whole = await liaison("conversation", "show", "p1")
        assert (status, f"message {message}" in whole, "siilo: 1 accepted" in whole) == (0, True, True)
        assert (await liaison("conversation", "show", "unheard-of"))[0] == 1
        assert (await liaison("queue", "list", "--conversation", "p1"))[1].startswith(f"{waits}  to siilo")
        assert (await liaison("queue", "list", "--conversation", "unheard-of"))[0] == 1
        assert (await liaison("queue", "retry"))[0] == 2
        assert (await liaison("queue", "retry", "--network", "siilo"))[0] == 0
        assert "There are matrix, " in (await liaison("queue", "retry", "--network", "nobody"))[1]
        status, about = await liaison("who", "pandalab:cleo")
        assert (status, f"{CLEO}  Cléo Petit" in about, message in about) == (0, True, True)
        assert (await liaison("who", CLEO))[1] == about
        await what_people_type(liaison, about)
        found = await metrics_of(port)
        assert found["liaison_deliveries_waiting", "siilo"] == 1
        assert found["liaison_messages_accepted_total", "pandalab"] == 1
        assert found["liaison_ready",] in (0, 1)
        assert found["liaison_oldest_waiting_seconds", "siilo"] > 0
        status, dropped = await liaison("queue", "drop", waits, "--by", "ann")
        assert (status, "its writer is told" in dropped) == (0, True)
        assert (await liaison("queue", "show", waits))[0] == 1
        assert "dropped_by_operator" in (await liaison("trace", message))[1]
        said = screen + shown + whole + traced + dropped + json.dumps([list(key) for key in found])
        assert not [word for word in (SECRET, "Cléo", "Dan Moreau") if word in said]


async def what_people_type(liaison: Any, about: str) -> None:
    """``about``: what `liaison who` says of Cléo."""
    for same in ("1 0000 00000 3", "rpps:10000000003", f"@rpps_{CLEO}:a.example", " pandalab:cleo"):
        assert (await liaison("who", same))[1] == about
    assert (await liaison("who", "Petit"))[1].startswith(f"rpps:{CLEO}  Cléo Petit  pandalab:cleo\n")
    assert "`liaison who`" in (await liaison("who", "cléo", "petit"))[1]
    for nobody in ("pandalab:nobody", "Zzz"):
        assert (await liaison("who", nobody))[1].startswith("not_linked: ")
    assert "`liaison trace '$abc'`" in (await liaison("who", "$abc"))[1]
    assert "`liaison who NAME`" in (await liaison("why", "Petit", CLEO))[1]
    assert (await liaison("identity", "ben"))[0] == 2
    for somebody in ("10000000003", "1 0000 00000 3", "@ben:chu.example", "pandalab:cleo", "mailto:anna@mss.example"):
        assert f"`liaison who '{somebody}'`" in (await liaison("trace", somebody))[1]
    assert "why SENDER RECIPIENT" in (await liaison("trace", "unheard-of"))[1]
    assert "single quotes" in (await liaison("trace", ""))[1]


async def _queue(liaison: Any) -> list[tuple[str, str]]:
    """Ids and networks of what waits."""
    status, text = await liaison("queue", "list")
    assert status == 0
    return [(words[0], words[2]) for line in text.splitlines() if (words := line.split())[1:2] == ["to"]]


def stand(**more: Any) -> dict[str, Any]:
    """What a hub without troubles says."""
    network = {"network": "siilo", "up": True, "waiting": 0, "reports": 0, "oldest": None, "late": 0, "failing": ""}
    return {
        "version": "0.1.0", "running": 90.0, "trouble": "", "traffic": [network], "held": 0, "alarms": {},
        "federation": None, "database": True, "known": True, "queues": [], "lists": [], "certificates": {},
        "disks": [], "workers": [], "seal": None, "undecided": 0, "newest_alarm": None, **more,
    }  # fmt: skip


def test_the_screen() -> None:
    now = time.time()
    assert lines(stand(), now, 600.0)[-1] == "nothing needs you"
    since = int((now - 4000) * 1000)
    late = {
        "network": "siilo",
        "up": True,
        "waiting": 10_000,
        "reports": 3,
        "oldest": since,
        "late": 1,
        "failing": "product_timed_out",
    }
    said = lines(stand(traffic=[late], held=2), now, 600.0)
    assert "10000+" in said[3]
    assert "1 h 6 min" in said[3]
    assert said[3].startswith("siilo            FAILS")
    assert said[-1].startswith("! messages to siilo are late, last: product_timed_out (the product's address")
    assert len(concerns(stand(database=False, trouble="the database fails"), now, 600.0)) == 1
    away = concerns(stand(traffic=[late | {"up": False}], trouble="the database fails"), now, 600.0)
    assert away[0] == "the database fails"
    assert away[1].startswith("siilo does not answer, last: product_timed_out (the product's address")
    ends = {"sequence": 3, "domains": 2, "expires": int(now) + 3600}
    assert concerns(stand(federation=ends, alarms={"x": 2}), now, 600.0) == [
        "the federation's list ends soon, and with it all traffic with others: get the new one",
        "2 alarms since the start (`journalctl -u liaison | grep ALARM`) (x)",
    ]
    newest = [0.0, "x", "it is late"]
    assert concerns(stand(alarms={"x": 1}, newest_alarm=newest, undecided=1), now, 600.0) == [
        "1 account waits for your decision, as another product has the same professional: `liaison accounts list`",
        "1 alarm since the start (`journalctl -u liaison | grep ALARM`), the last 1970-01-01 00:00:00Z: it is late",
    ]
    assert not concerns(stand(federation=ends | {"expires": int(now) + 30 * 86_400}), now, 600.0)


def test_what_a_machine_needs_is_on_the_screen() -> None:
    now = time.time()
    hour = int((now - 4000) * 1000)
    mails = {"network": "mail", "name": "out", "part": "b.example", "waiting": 3, "oldest": hour, "why": "450 4.7.5"}
    certificates = {"a": int(now) + 86_400 * 2 + 60, "b": 0, "c": int(now) - 1, "d": int(now) + 86_400 * 100}
    lists = [{"name": "mail_trust", "confirmed": 0.0, "old": True, "trouble": "too_large"}]
    disks = [{"path": "/var/lib/liaison", "free": 5 * 2**20, "size": 2**30}, {"path": "/x", "free": 5, "size": 10}]
    bad = stand(database=False, queues=[mails], certificates=certificates, lists=lists, disks=disks)
    said = concerns(bad, now, 600.0)
    assert [line.split(":")[0] for line in said] == [
        "the database fails", "mail", "the list mail_trust is old (too_large)",
        "the certificate a ends in 2 d 0 h", "the certificate b cannot be read", "the certificate c has ended",
        "the disk of /var/lib/liaison is nearly full (5 MiB left)",
    ]  # fmt: skip
    assert "mail: 3 mails for b.example, the oldest for 1 h 6 min, last: 450 4.7.5" in lines(bad, now, 600.0)
    away = mails | {
        "network": "siilo",
        "name": "unread",
        "part": "",
        "waiting": 7,
        "why": "",
        "read": (now - 90_000) * 1000,
    }
    said = lines(stand(queues=[away, away | {"network": "pandalab", "read": 0}]), now, 600.0)
    line = "siilo: 7 events that it has not taken, the oldest for 1 h 6 min, last read 1 d 1 h ago"
    assert line in said
    assert f"! {line}: see docs/operating.md, A network does not answer" in said
    assert "pandalab: 7 events that it has not taken, the oldest for 1 h 6 min, never read" in said
    events = mails | {"network": "matrix", "name": "events", "part": "", "why": "scan_away in !r:a"}
    assert "last: scan_away (the virus scanner does not answer) in !r:a" in "\n".join(
        lines(stand(queues=[events]), now, 1)
    )
    working = {"name": "a:1", "version": "1.0", "works": True, "since": hour, "differs": ()}
    there = [working, working | {"name": "b:2", "version": "1.1", "works": False}]
    said = lines(stand(workers=there), now, 600.0)
    other = lines(stand(workers=[working, there[1] | {"differs": ("language", "release")}]), now, 600.0)
    assert "worker b:2 stands by, 1.1, for 1 h 6 min; its configuration differs in language, release" in other
    assert "! the worker b:2 is configured otherwise" in other[-1]
    assert "worker a:1 works, 1.0, for 1 h 6 min" in said
    assert "worker b:2 stands by, 1.1, for 1 h 6 min" in said
    assert not concerns(stand(queues=[mails | {"oldest": int(now * 1000)}]), now, 600.0)


def test_what_an_old_seal_key_needs_is_on_the_screen() -> None:
    now = time.time()
    hours = [int((now - n * 3600) * 1000) for n in range(200)]
    done = {
        "active": "k2", "others": ["k1"], "columns": 31, "done": 31, "seen": 9, "changed": 4, "kept": 0,
        "began_at": hours[199], "worked_at": hours[199],
    }  # fmt: skip
    half = done | {"done": 3, "began_at": hours[2], "worked_at": hours[0]}
    assert not concerns(stand(seal=done), now, 600.0)
    assert not concerns(stand(seal=half | {"others": []}), now, 600.0)
    assert not concerns(stand(seal=half), now, 600.0)
    assert "sealing anew: 3 of 31 columns done" in lines(stand(seal=half), now, 600.0)
    troubles = [half | {"worked_at": hours[2]}, half | {"began_at": hours[170]}, done | {"kept": 2}]
    assert [line.partition(": see docs/operating.md, An old seal key is still needed")[0] for one in troubles
            for line in concerns(stand(seal=one), now, 600.0)] == [
        "nothing was sealed anew for 2 h 0 min", "the seal still needs k1, 7 d 2 h after the change",
        "2 rows do not open and keep their old seal", "the seal still needs k1, 8 d 7 h after the change",
    ]  # fmt: skip


def test_the_screen_names_chapters_that_are_there() -> None:
    headings = re.findall(r"^### (.+)$", (ROOT / "docs/operating.md").read_text("utf-8"), re.M)
    assert set(CHAPTER.values()) <= set(headings)
    assert LONG.keys() <= CHAPTER.keys()


def test_lengths_of_time() -> None:
    assert [lasting(s) for s in (0, 59, 60, 3_599, 3_600, 90_061)] == [
        "0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "1 d 1 h",
    ]  # fmt: skip
