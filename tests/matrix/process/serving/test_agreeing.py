"""What a worker says of its configuration, and that it says which section of another's is not the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from appservice.process.serving.agreeing import Agreeing
from appservice.process.serving.workers import Workers
from bridge.config import read_config
from bridge.db.postgres.standby import Directions
from bridge.workers.agreement import differences
from tests.matrix.process.test_start import TOKEN, written

DATABASE = "postgresql://nobody@127.0.0.1:1/none"


def site(folder: Path, **more: Any) -> Path:
    """The configuration of one machine."""
    folder.mkdir(exist_ok=True)
    hook = {"webhook_url": "http://127.0.0.1:1/", "webhook_secrets": [f"file:{folder}/hook"]}
    products = {"pandalab": hook | {"tokens": [TOKEN]}}
    chosen = {"networks": {"connect": {"products": products}}, "database": {"url": DATABASE}, **more}
    return Path(written(folder, **chosen))


def edited(path: Path, **more: Any) -> Path:
    """The file changes, whatever the clock of the file system knows of it."""
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | more))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    return path


def agreeing(path: Path) -> Agreeing:
    return Agreeing(read_config(path), path)


def test_where_a_worker_listens_and_logs_is_its_own(tmp_path: Path) -> None:
    here = site(tmp_path)
    mine = agreeing(here).now()
    more: dict[str, Any] = {
        "connect_listen": {"port": 1, "host": "::1"}, "log_level": "DEBUG", "workers": {"host": "192.0.2.1"},
        "database": {"url": f"{DATABASE}2"}, "metrics_listen": {"port": 2},
    }  # fmt: skip
    assert differences(mine, agreeing(edited(here, **more)).now()) == ()


async def test_a_worker_that_waits_outlives_whatever_another_release_says_of_itself(tmp_path: Path) -> None:
    workers = Workers(read_config(site(tmp_path)))
    for address in ("no JSON", "{}", '{"at": 1, "places": {"x": 7}}', "[]"):
        await workers._seen(Directions(address, "secret", "no JSON"))
    await workers.stop()


def test_what_must_be_alike_is_compared_by_section(tmp_path: Path) -> None:
    here = site(tmp_path)
    mine, networks = agreeing(here).now(), yaml.safe_load(here.read_text())["networks"]
    networks["connect"]["products"] |= {"siilo": {"tokens": [TOKEN[:-1] + "2"], "events_kept_days": 3}}
    other = agreeing(edited(here, networks=networks, trust={"matrix_servers": ["b.example"]}))
    assert differences(mine, other.now()) == ("networks.connect.products.siilo", "trust")
    assert TOKEN not in mine


def test_a_file_that_changes_is_read_again_and_one_that_is_spoiled_is_not(tmp_path: Path) -> None:
    here = site(tmp_path)
    one = agreeing(here)
    before = one.now()
    edited(here, language="fr")
    assert differences(before, after := one.now()) == ("language",)
    edited(here, language="latin")
    assert one.now() == after
    (tmp_path / "hook").write_text("whsec_" + "QQ" * 16)  # a secret's file
    assert differences(after, one.now()) == ("networks.connect.products.pandalab",)


async def test_a_worker_that_waits_says_it_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    here = site(tmp_path)
    mine = agreeing(here).now()
    waits = Workers(read_config(here), edited(here, language="fr"))
    where = json.dumps({"at": "127.0.0.1:1", "places": {}})
    waits._agreeing.now()
    for _ in range(3):
        await waits._seen(Directions(where, "secret", mine))
    edited(here, language="both")
    waits._agreeing.now()
    await waits._seen(Directions(where, "secret", mine))
    await waits.stop()
    assert [line for line in caplog.messages if "configuration" in line] == [
        "the configuration of another worker (the one that works) differs in language",
        "the configuration of another worker (the one that works) is the same",
    ]
