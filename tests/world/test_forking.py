"""A forked process is as good as one that was started."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.world import process
from deploy.world.forking.forked import Forked, Program, Start, Template
from deploy.world.synapse import ROOT
from deploy.world.waiting import until

pytestmark = pytest.mark.real_time


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


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
