"""``liaison bench nation``: a nation on paper, by measured costs: which part is the limit, how many machines of each.

The costs are those of :mod:`deploy.bench.grow.costs` (``--measure`` measures them anew on this machine). What people do
is assumed, and said: see :class:`Nation`. The largest site is simulated in its peak hour; other sites are smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from deploy.bench.grow.costs import Costs, as_json, measured
from deploy.bench.grow.queues import Station, Trouble, arrivals, quantile, waits
from deploy.world.synapse import ROOT

_HOUR, _DAY, _YEAR = 3600, 86_400, 365
_SEED = 1
_WINDOW = 5  # s


@dataclass(frozen=True, slots=True)
class Nation:
    """Who there is and what they do. Each homeserver has a hub and a database of its own.

    ``peak``: the share of a day's messages in its busiest hour. ``monday``: a Monday's, of a mean day's.
    ``largest``: the share of one homeserver. ``homeservers``: on how many each message is kept. ``mails``: for each
    message, and ``mail_costs`` of the hub's time for a message. ``busy``: how much of a core may be in use then.
    """

    users: int = 500_000
    messages: int = 10_000_000
    sites: int = 40
    peak: float = 0.14
    monday: float = 1.4
    largest: float = 0.10
    homeservers: float = 1.6
    mails: float = 0.2
    mail_costs: float = 3.0
    busy: float = 0.6

    def peak_rate(self, share: float) -> float:
        """Messages a second in the peak hour of a Monday, of a site with this share of all."""
        return self.messages * share * self.monday * self.peak / _HOUR


@dataclass(frozen=True, slots=True)
class Needs:
    """Cores in use at a rate, of each part."""

    hub: float
    postgres: float
    synapse: float

    @classmethod
    def of(cls, nation: Nation, costs: Costs, rate: float) -> Needs:
        """By the measured costs."""
        hub = rate * (1 + nation.mails * nation.mail_costs)
        return cls(
            hub * costs.hub / 1000, hub * costs.postgres / 1000, rate * nation.homeservers * costs.synapse / 1000
        )

    def cores(self, busy: float) -> dict[str, int]:
        """Whole cores, of which so much may be in use."""
        named = {"hub": self.hub, "postgres": self.postgres, "synapse": self.synapse}
        return {name: max(1, math.ceil(cores / busy)) for name, cores in named.items()}


def carried(nation: Nation, hub_ms: float) -> float:
    """Messages a second, with the mails that belong to them, which a worker carries that has a core for itself."""
    return 1000 / (hub_ms * (1 + nation.mails * nation.mail_costs))


@dataclass(frozen=True, slots=True)
class Case:
    """What happens in the simulated hour, by station."""

    name: str
    trouble: dict[str, Trouble]
    hub_cores: int | None = None  # None: as many as are needed


MIDDLE = 1800.0
CASES = (
    Case("nothing", {}),
    Case("the working hub dies; another takes over", {"hub": Trouble(MIDDLE, 5.0)}),
    Case("the primary dies; a replica takes over", {"postgres": Trouble(MIDDLE, 18.0)}),
    Case("a machine of the homeserver is gone (a quarter of its cores)", {"synapse": Trouble(MIDDLE, 2.0, -1)}),
    Case("the homeserver is restarted", {"synapse": Trouble(MIDDLE, 60.0)}),
)


def stations(nation: Nation, costs: Costs, cores: dict[str, int], case: Case) -> list[Station]:
    """A message's way: the hub takes it, a commit, the hub and the homeserver send it, a commit."""

    def one(name: str, label: str, takes: float, after: float = 0.0) -> Station:
        trouble = case.trouble.get(name)
        if trouble is not None and trouble.lost < 0:
            trouble = replace(trouble, lost=math.ceil(cores[name] / 4))
        return Station(label, cores[name], takes / 1000, after, trouble)

    more = 1 + nation.mails * nation.mail_costs  # what mails take of the same servers
    return [
        one("hub", "hub, in", costs.hub * more / 2),
        one("postgres", "commit", costs.postgres * more / 2, 0.004),
        one("hub", "hub, out", costs.hub * more / 2),
        one("synapse", "homeserver", costs.synapse * nation.homeservers, 0.01),
        one("postgres", "commit, out", costs.postgres * more / 2, 0.004),
    ]


def played(nation: Nation, costs: Costs, case: Case, share: float) -> dict[str, float]:
    """Seconds on the way in the peak hour of a site: the middle, 99 of 100, the longest; until all is as before."""
    random, rate = Random(_SEED), nation.peak_rate(share)
    cores = Needs.of(nation, costs, rate).cores(nation.busy)

    def wave(at: float) -> float:
        return rate * (1 + 0.35 * math.sin(math.pi * at / _HOUR) ** 2) / 1.175

    times = arrivals(wave, rate * 1.2, _HOUR, random)
    took = waits(stations(nation, costs, cores, case), times, random)
    return {
        "median_s": quantile(took, 0.5), "p99_s": quantile(took, 0.99), "longest_s": max(took),
        "calm_after_s": calm_after(times, took) if case.trouble else 0.0,
    }  # fmt: skip


def calm_after(times: Sequence[float], took: Sequence[float]) -> float:
    """Seconds from the trouble until half of the messages of five seconds are as fast as before, or nearly so."""
    before = quantile([one for at, one in zip(times, took, strict=True) if at < MIDDLE], 0.5)
    window = dict[int, list[float]]()
    for at, one in zip(times, took, strict=True):
        if at >= MIDDLE:
            window.setdefault(int((at - MIDDLE) / _WINDOW), []).append(one)
    return next((_WINDOW * k for k, some in sorted(window.items()) if quantile(some, 0.5) < 1.5 * before), math.inf)


def disks(nation: Nation, costs: Costs, kept: float) -> dict[str, float]:
    """TB a year, of all sites together: what the hubs keep, and what PostgreSQL writes ahead."""
    messages = nation.messages * _YEAR * (1 + nation.mails)
    return {"kept_tb": messages * kept / 1e12, "written_tb": messages * costs.wal_bytes / 1e12}


def lines(nation: Nation, costs: Costs, kept: float) -> list[str]:
    """Everything, as it is printed and stands in docs/scale.md."""
    found = [
        f"a message costs, in ms of processor time: hub {costs.hub:.2f}, PostgreSQL {costs.postgres:.2f}, Synapse "
        f"{costs.synapse:.1f} (a bare PUT: {costs.put:.3f}); {costs.wal_bytes / 1000:.1f} kB are written ahead, "
        f"{kept / 1000:.1f} kB kept",
        "",
        "| | messages/s in the peak hour | hub cores | PostgreSQL cores | Synapse cores |",
        "|---|---|---|---|---|",
    ]
    for name, share in _sites(nation):
        rate = nation.peak_rate(share)
        needs = Needs.of(nation, costs, rate)
        cores = needs.cores(nation.busy)
        used = [f"{getattr(needs, part):.2f} of {cores[part]}" for part in ("hub", "postgres", "synapse")]
        found.append(f"| {name} | {rate:.0f} | {' | '.join(used)} |")
    space = disks(nation, costs, kept)
    paced, full = carried(nation, costs.hub), carried(nation, costs.hub_full)
    largest = nation.peak_rate(nation.largest)
    found += [
        "",
        f"one worker with a core carries {paced:.0f} messages a second and their mails when they come one by one "
        f"({paced / largest:.0f} times the largest site's peak hour), {full:.0f} when they come as fast as they can "
        f"({full / largest:.0f} times)",
        "",
        f"a year: {space['kept_tb']:.1f} TB kept by all hubs, {space['written_tb']:.0f} TB of WAL written",
        "",
    ]
    found += [
        "| in the peak hour of the largest site | half within | 99 of 100 within | the longest | as before after |",
        "|---|---|---|---|---|",
    ]
    for case in CASES:
        took = played(nation, costs, case, nation.largest)
        cells = [_s(took[name]) for name in ("median_s", "p99_s", "longest_s", "calm_after_s")]
        found.append(f"| {case.name} | {' | '.join(cells)} |")
    return found


def _s(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if 0 < seconds < 1 else f"{seconds:.1f} s"


def _sites(nation: Nation) -> Sequence[tuple[str, float]]:
    return (("the largest site", nation.largest), ("a site like most", 1 / nation.sites), ("all together", 1.0))


def kept_by(curves: Path) -> float:
    """Bytes that a message keeps, by the measured curve over messages: on PostgreSQL, where there is one."""
    found = json.loads(curves.read_text())
    points = found["postgresql" if "messages" in found.get("postgresql", {}) else "sqlite"]["messages"]
    first, last = points[0], points[-1]
    return float((last["database_mib"] - first["database_mib"]) * 2**20 / (last["size"] - first["size"]))


def main() -> None:
    """Print it; measure the costs first if asked to."""
    parser = argparse.ArgumentParser(prog="liaison bench nation", description="Which part is a nation's limit.")
    parser.add_argument(
        "--measure", action="store_true", help="the costs anew, on this machine (needs Synapse, PostgreSQL)"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "scale", help="where costs and curves lie")
    asked = parser.parse_args()
    path = asked.folder / "costs.json"
    if asked.measure:
        folder = Path(tempfile.mkdtemp(prefix="liaison-nation-"))
        try:
            path.write_text(json.dumps(as_json(asyncio.run(measured(folder))), indent=1) + "\n")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(lines(Nation(), Costs(**json.loads(path.read_text())), kept_by(asked.folder / "curves.json"))))


if __name__ == "__main__":
    main()
