"""A forked process is as good as one that was started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.world import process
from deploy.world.forking.forked import Forked, Program, Start, Template
from deploy.world.forking.template import LEAN
from deploy.world.synapse import PYTHON, ROOT
from deploy.world.waiting import until

pytestmark = pytest.mark.real_time
_LEAN = """
import json, sys, threading
sys.argv[0] = "template.py"
from deploy.world.forking import template
ready = template._twisted()
ready()
from prometheus_client import Counter, Gauge
from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet import defer, reactor
def look(connection):
    connection.execute("create table if not exists t (n)")
    connection.execute("insert into t values (1)")
    return threading.current_thread() is threading.main_thread()
def fail(connection):
    connection.execute("insert into t values (2)")
    raise KeyError("what")
async def story():
    said = {}
    pool = ConnectionPool("sqlite3", ":memory:", check_same_thread=False, cp_min=1, cp_max=1)
    pending = pool.runWithConnection(look)
    said["at once"], said["inline"] = pending.called, await pending
    try:
        await pool.runWithConnection(fail)
    except KeyError as error:
        said["failed"] = str(error)
    said["kept"] = await pool.runWithConnection(lambda c: c.execute("select n from t").fetchall())
    other = ConnectionPool("sqlite3.dbapi2", ":memory:", check_same_thread=False, cp_min=1, cp_max=1)
    said["another"] = await other.runWithConnection(look)
    counter, gauge = Counter("c", "c", ["of"]), Gauge("g", "g", ["of"])
    counter.labels(of="x").inc()
    gauge.labels(of="x").set(3)
    said["counted"], said["gauge"] = len(counter._metrics), gauge.labels(of="x")._value.get()
    print(json.dumps(said))
def end(error):
    print(error or "")
    reactor.stop()
reactor.callWhenRunning(lambda: defer.ensureDeferred(story()).addBoth(end))
reactor.run()
"""


@pytest.fixture
def template() -> Iterator[Template]:
    made = Template(Program(sys.executable, "tests.world.program", cwd=ROOT))
    yield made
    made.close()


async def test_it_has_its_arguments_its_place_and_its_output(template: Template, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for status in (0, 3):
        one = Forked(template, Start([str(status), "é"], log, tmp_path, {"WORD": "mot"}))
        assert await process.gone(one, 10)
        assert one.returncode == status
    said = {"cwd": str(tmp_path), "word": "mot"}
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert told == [{"args": ["0", "é"], **said}, {"args": ["3", "é"], **said}]


async def test_it_can_be_killed_alone_and_ends_with_its_template(template: Template, tmp_path: Path) -> None:
    log = tmp_path / "log"
    one, other = (Forked(template, Start([], log, tmp_path)) for _ in range(2))
    await until(lambda: log.exists() and log.read_text().count("\n") == 2)
    await process.end(one, signal.SIGKILL)
    assert one.poll() == -signal.SIGKILL
    one.kill()  # nothing happens
    assert other.poll() is None
    template.close()
    await until(lambda: not Path(f"/proc/{other.pid}").exists() or "Z" in _state(other.pid))
    with pytest.raises((RuntimeError, ValueError)):
        Forked(template, Start([], log, tmp_path))


@pytest.mark.parametrize("lean", [True, False])
def test_a_lean_synapse_has_its_transactions_in_the_event_loop_and_counts_nothing(lean: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != LEAN} | ({LEAN: "1"} if lean else {})
    done = subprocess.run([PYTHON, "-c", _LEAN], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0]) == {
        "at once": False, "inline": lean, "failed": "'what'", "kept": [[1]], "another": False,
        "counted": 0 if lean else 1, "gauge": 3.0,
    }  # fmt: skip


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
