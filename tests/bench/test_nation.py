"""The queues are queues, and a nation on paper adds up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from deploy.bench.grow.costs import Costs, as_json, family_ms
from deploy.bench.grow.nation import (
    CASES,
    MIDDLE,
    Nation,
    Needs,
    calm_after,
    carried,
    disks,
    kept_by,
    lines,
    played,
    stations,
)
from deploy.bench.grow.queues import Station, Trouble, arrivals, quantile, through, waits

COSTS = Costs(
    put=0.1, hub=1.0, postgres=0.5, synapse=20.0, wal_bytes=8000, commits=1, kept_bytes=2000,
    hub_full=0.25, postgres_full=0.2,
)  # fmt: skip
SMALL = replace(Nation(), messages=400_000)


@pytest.mark.parametrize(("servers", "share"), [(1, 0.5), (1, 0.8), (4, 0.6)])
def test_a_queue_waits_as_long_as_theory_says(servers: int, share: float) -> None:
    """M/M/1: 1 / (service rate - arrival rate); M/M/4 at 0.6: by Erlang's formula 1.07 times the service."""
    random = Random(3)
    times = arrivals(lambda _: servers * share, servers * share, 20_000, random)
    took = [left - came for came, left in zip(times, through(Station("x", servers, 1.0), times, random), strict=True)]
    wanted = 1 / (1 - share) if servers == 1 else 1.179
    assert sum(took) / len(took) == pytest.approx(wanted, rel=0.12)


def test_a_station_that_stands_still_makes_everybody_wait_until_it_is_back() -> None:
    times = [float(n) for n in range(100)]
    left = through(Station("x", 2, 1e-6, 0.5, Trouble(50.0, 10.0, 1)), times, Random(1))
    took = [after - before for before, after in zip(times, left, strict=True)]
    assert took[49] == pytest.approx(0.5, abs=1e-3)
    assert took[50] == pytest.approx(10.5, abs=1e-3)
    assert took[59] == pytest.approx(1.5, abs=1e-3)
    assert took[99] == pytest.approx(0.5, abs=1e-3)


def test_a_rate_that_changes_is_followed() -> None:
    times = arrivals(lambda at: 10.0 if at < 500 else 2.0, 10.0, 1000, Random(2))
    early = sum(at < 500 for at in times)
    assert early == pytest.approx(5000, rel=0.1)
    assert len(times) - early == pytest.approx(1000, rel=0.2)


def test_a_way_of_several_stations_takes_what_they_take_together() -> None:
    way = [Station("a", 9, 0.1), Station("b", 9, 0.2, 1.0)]
    took = waits(way, [float(n) for n in range(3000)], Random(4))
    assert sum(took) / len(took) == pytest.approx(1.3, rel=0.05)
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_cores_follow_from_costs() -> None:
    nation = Nation(mails=0, homeservers=1)
    needs = Needs.of(nation, COSTS, 100)
    assert (needs.hub, needs.postgres, needs.synapse) == pytest.approx((0.1, 0.05, 2.0))
    assert needs.cores(0.5) == {"hub": 1, "postgres": 1, "synapse": 4}
    assert nation.peak_rate(1.0) == pytest.approx(10_000_000 * 1.4 * 0.14 / 3600)
    assert carried(nation, COSTS.hub) == 1000
    assert disks(nation, COSTS, 1000)["kept_tb"] == pytest.approx(3.65)
    assert {s.name for s in stations(nation, COSTS, needs.cores(0.5), CASES[0])} > {"homeserver", "commit"}


def test_trouble_is_felt_and_passes() -> None:
    found = {case.name: played(SMALL, COSTS, case, 0.1) for case in CASES}
    calm = found["nothing"]
    assert 0 < calm["median_s"] < calm["p99_s"] < calm["longest_s"] < 5
    dead = found["the primary dies; a replica takes over"]
    assert 15 < dead["longest_s"] < 25
    assert 0 < dead["calm_after_s"] < 120
    assert calm_after([MIDDLE - 1, MIDDLE + 1, MIDDLE + 6], [1.0, 9.0, 1.0]) == 5.0


def test_all_of_it_is_said(tmp_path: Path) -> None:
    curves = {"sqlite": {"messages": [{"size": 0, "database_mib": 1}, {"size": 1024, "database_mib": 2}]}}
    (tmp_path / "curves.json").write_text(json.dumps(curves))
    (tmp_path / "costs.json").write_text(json.dumps(as_json(COSTS)))
    assert kept_by(tmp_path / "curves.json") == 1024.0
    curves["postgresql"] = {"messages": [{"size": 0, "database_mib": 1}, {"size": 512, "database_mib": 2}]}
    (tmp_path / "curves.json").write_text(json.dumps(curves))
    assert kept_by(tmp_path / "curves.json") == 2048.0
    said = lines(SMALL, COSTS, 1024.0)
    assert sum(line.startswith("| ") for line in said) == 2 + 3 + len(CASES)
    assert "hub 1.00, PostgreSQL 0.50, Synapse 20.0" in said[0]
    assert any("carries 625 messages" in line and "2500 when" in line for line in said)


def test_the_time_of_children_counts() -> None:
    before = family_ms(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert family_ms(os.getpid()) > before + 10
