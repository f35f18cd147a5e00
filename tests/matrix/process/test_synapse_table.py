"""The table of `liaison check` is the file that operators merge."""

from __future__ import annotations

from typing import Any

import yaml

from appservice.process.checking.synapse import WANTED
from deploy.world.synapse import ROOT


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    return {k: v for part, one in value.items() for k, v in _leaves(one, f"{name}.{part}".strip(".")).items()}


def test_every_line_of_the_file_is_looked_at() -> None:
    written = yaml.safe_load((ROOT / "homeserver_config/homeserver.liaison.yaml").read_text())
    del written["app_service_config_files"]  # the registration, looked at as a whole
    assert {name: value for name, (value, _) in WANTED.items()} == _leaves(written)
