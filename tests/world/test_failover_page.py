"""docs/failover.md shows the files that the tests' own cluster is made with, and the programs take them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from deploy.world.patroni.cluster import found
from deploy.world.patroni.configuration import EXAMPLE, QUICK, SENSIBLE, example

PAGE = Path(__file__).resolve().parents[2] / "docs/failover.md"
BLOCKS = dict(re.findall(r"^`([\w.]+)`[^\n]*:\n\n```\w*\n(.*?)^```", PAGE.read_text("utf-8"), re.S | re.M))


def test_the_page_shows_what_the_cluster_of_the_tests_is_made_with() -> None:
    assert BLOCKS.keys() == example().keys()
    for name, made in example().items():
        assert (BLOCKS[name] if isinstance(made, str) else yaml.safe_load(BLOCKS[name])) == made, name


def test_haproxy_takes_its_file(tmp_path: Path) -> None:
    (tmp_path / "haproxy.cfg").write_text(BLOCKS["haproxy.cfg"])
    done = subprocess.run([found("haproxy"), "-c", "-f", tmp_path / "haproxy.cfg"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_patroni_has_time_to_ask_etcd_twice_before_it_gives_its_place_up() -> None:
    """Patroni's documentation, "Dynamic Configuration Settings"; the tests' own timings are shorter on purpose."""
    assert SENSIBLE.loop_wait + 2 * SENSIBLE.retry_timeout <= SENSIBLE.ttl
    assert QUICK.loop_wait + 2 * QUICK.retry_timeout <= QUICK.ttl
    assert len(EXAMPLE.nodes) == len(EXAMPLE.etcd) == 3  # one may go, and two of three still agree
