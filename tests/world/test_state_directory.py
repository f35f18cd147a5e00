"""What outlives a run, and the process that is started again."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from deploy.world import ports, process
from deploy.world.state_directory import InUse, Kept, StateDirectory
from deploy.world.supervised import Supervised
from deploy.world.waiting import until, wait_for


def test_what_was_chosen_is_kept(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path / "world")
    kept, how = directory.open()
    again, how_again = directory.open()
    assert (how, how_again) == ("new", "as it was left")
    assert again == kept
    assert len(set(kept.all_ports())) == len(kept.all_ports()) == 15
    directory.release()


def test_what_a_stopped_world_keeps_is_given_to_nobody_else(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path)
    kept, _ = directory.open()
    assert set(kept.all_ports()) <= set(ports.KEPT)
    assert not set(ports.KEPT) & set(ports.PASSING)
    assert ports.free_port() in ports.PASSING
    directory.release()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path)
    with pytest.raises(InUse):
        StateDirectory(tmp_path)
    directory.release()
    StateDirectory(tmp_path).release(remove=True)
    assert not tmp_path.exists()


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"format": 0}', '{"format": 1, "home": 7}'])
def test_what_cannot_be_read_is_put_aside(tmp_path: Path, text: str) -> None:
    (tmp_path / "world.json").write_text(text)
    (tmp_path / "hub.db").write_text("precious")
    directory = StateDirectory(tmp_path)
    _, how = directory.open()
    assert how.startswith("new, because world.json is ")
    (aside,) = tmp_path.glob("before-*")
    assert (aside / "hub.db").read_text() == "precious"
    assert not (tmp_path / "hub.db").exists()
    directory.release()


def test_a_port_that_somebody_has_taken_means_a_new_world(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path)
    kept = Kept.new()
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        raw = json.loads(kept.write())
        raw["home"]["client_port"] = somebody.getsockname()[1]
        directory.write("world.json", json.dumps(raw))
        new, how = directory.open()
    assert "is in use" in how
    assert new.home != kept.home
    directory.release()


def test_secrets_are_not_shown() -> None:
    kept = Kept.new()
    assert kept.secrets.as_token not in repr(kept)
    assert kept.products["siilo"].token not in repr(kept)


async def test_who_is_killed_is_back_at_once(tmp_path: Path) -> None:
    started: list[int | None] = []
    sleeper = Supervised("sleeper", ["sleep", "60"], process.Launch())
    sleeper.on_start = lambda: started.append(sleeper.pid)
    sleeper.start()
    for lives in range(2, 5):
        assert sleeper.pid
        os.kill(sleeper.pid, signal.SIGKILL)

        async def back(lives: int = lives) -> bool:
            return sleeper.starts == lives and sleeper.running

        await wait_for(back, "another life")
    await sleeper.stop()
    await asyncio.sleep(0.2)
    assert (sleeper.running, sleeper.starts) == (False, 4)
    assert len(set(started)) == 4


async def test_who_crashes_at_start_is_slowed_down(tmp_path: Path) -> None:
    log = tmp_path / "log"
    crashing = Supervised("crashing", [sys.executable, "-c", "raise SystemExit('no')"], process.Launch(log=log))
    began = asyncio.get_running_loop().time()
    crashing.start()
    await until(lambda: crashing.starts == 4)
    await crashing.stop()
    assert asyncio.get_running_loop().time() - began > 0.1 + 0.2 + 0.4
    assert "no" in crashing.log
