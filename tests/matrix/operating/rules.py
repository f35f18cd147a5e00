"""Which alerts fire on what was read of /metrics: Prometheus' own program judges it, in a time of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "deploy/alerts.yaml"
PROMTOOL = shutil.which("promtool", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or "promtool"
MINUTES = 30  # from one reading to the next, and after the last one

Series = tuple[str, tuple[tuple[str, str], ...]]
Reading = bytes | None
"""What an instance answered; None: nothing."""


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def samples(reading: bytes) -> dict[Series, float]:
    """Name and labels of each sample, and its value."""
    found = [one for family in text_string_to_metric_families(reading.decode()) for one in family.samples]
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in found}


def fires(folder: Path, *readings: Reading, beside: Sequence[Reading] = (), minutes: int = MINUTES) -> set[str]:
    """The alerts that fire at the end.

    One reading holds for so many ``minutes``. Of several, values go evenly from each to the next one within them.
    Whatever waits grows older meanwhile. ``beside`` are those of another worker.
    """
    workers = {"a": readings} | ({"b": beside} if beside else {})
    named = set(re.findall(r"liaison_[a-z_]+", " ".join(rule["expr"] for rule in rules())))
    series: list[dict[str, str]] = []
    for worker, some in workers.items():
        of = {"job": "liaison", "instance": worker}
        series.append(_series("up", of, [float(one is not None) for one in some], minutes))
        parsed = [samples(one) if one is not None else {} for one in some]
        for name, labels in sorted({key for one in parsed for key in one if key[0] in named}):
            series.append(_series(name, dict(labels) | of, [one.get((name, labels)) for one in parsed], minutes))
    return _judged(folder, series, minutes * max(len(readings) - 1, 1))


def _series(name: str, labels: Mapping[str, str], values: Sequence[float | None], minutes: int) -> dict[str, str]:
    written = ",".join(f'{key}="{value}"' for key, value in labels.items())
    once = len(values) == 1
    steps = [*values, values[0]] if once else values
    grown = [each for here, there in pairwise(steps) for each in _between(name, here, there, minutes)]
    grown += [grown[-1]] * 2 if once else _between(name, values[-1], values[-1], 2)  # the last one is judged, too
    return {"series": f"{name}{{{written}}}", "values": " ".join("_" if one is None else repr(one) for one in grown)}


def _between(name: str, here: float | None, there: float | None, minutes: int) -> list[float | None]:
    if here is None or there is None:
        return [here] * minutes
    if name.endswith("_timestamp_seconds"):  # the program's time begins with 0
        here, there = here - time.time(), there - time.time()
    older = 60.0 if here and "oldest" in name else 0.0
    return [here + (there - here) * n / minutes + older * n for n in range(minutes)]


def _judged(folder: Path, series: Sequence[Mapping[str, str]], end: int) -> set[str]:
    asked = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{end + 1}m",
        "exp_samples": [],
    }
    test = {"interval": "1m", "input_series": list(series), "promql_expr_test": [asked]}
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "got:" in said, said
    return set(re.findall(r'alertname="(\w+)"', said.partition("got:")[2]))
