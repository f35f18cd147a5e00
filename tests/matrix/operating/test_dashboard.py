"""The dashboard for Grafana asks only for what /metrics has, in expressions that Prometheus understands."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from appservice.operating.overview import Listed, SealStand, WorkerStand
from tests.matrix.operating.rules import PROMTOOL, ROOT
from tests.matrix.operating.test_alerts import exposure

BOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/liaison.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
LISTED = Listed(1, 1, 2_000_000_000)
SEAL = SealStand("k2", ("k1",), 31, 3, 9, 4, 1, 1, 1)
PARTS = {
    "liaison_delivery_seconds",
    "liaison_delivery_seconds_count",
    "liaison_delivery_seconds_sum",
    "liaison_list_old",
}
OURS = re.compile(r"\b(?:liaison|process)_[a-z_]+")


def expressions() -> Iterator[str]:
    """Every expression, with values in place of what Grafana fills in."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$job", "liaison")
    for one in BOARD["annotations"]["list"]:
        yield one["expr"].replace("$job", "liaison")


def known() -> set[str]:
    """The names that a hub's /metrics has, those of the parts of a histogram, too."""
    process = CollectorRegistry()
    ProcessCollector(registry=process)
    whole = exposure(federation=LISTED, workers=(WorkerStand("a", "1", True, 0),), seal=SEAL)
    text = (whole + generate_latest(process)).decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.M))
    histograms = [name for name, kind in kinds.items() if kind == "histogram"]
    return kinds.keys() | {f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")}


def test_every_metric_of_the_dashboard_exists() -> None:
    asked = {name for text in expressions() for name in OURS.findall(text)}
    assert asked - known() == set()
    hidden = {"liaison_federation_list_domains"}
    assert {name for name in known() if name.startswith("liaison_")} - asked - hidden <= PARTS


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(expressions())]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    subprocess.run([PROMTOOL, "check", "rules", str(path)], check=True, capture_output=True)


def test_grafana_can_lay_it_out() -> None:
    assert {"uid", "title", "schemaVersion", "templating", "time", "panels"} <= BOARD.keys()
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    assert {variable["name"] for variable in BOARD["templating"]["list"]} == {"datasource", "job"}
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        x, y, width, height = (panel["gridPos"][name] for name in "xywh")
        cells = {(x + right, y + down) for right in range(width) for down in range(height)}
        assert x + width <= 24
        assert not cells & taken
        taken |= cells
    for panel in PANELS:
        assert panel["type"] in ("stat", "timeseries")
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all({"refId", "expr", "legendFormat"} == target.keys() for target in panel["targets"])
