"""The whole story, told once: every step seen at its far end, the hub killed on the way."""

import re
from pathlib import Path

import pytest

from tests.demo.run import demo

pytestmark = pytest.mark.peers
STEPS = 22


async def test_the_story_ends_well(tmp_path: Path) -> None:
    with demo(tmp_path, "--once") as run:
        status = await run.end(560)

        assert status == 0, run.said
        assert f"{STEPS}/{STEPS} étapes" in run.said
        assert "✘" not in run.said
        assert len(re.findall(r"✔ vu — seen", run.said)) == STEPS
        assert "\033" not in run.said  # no colours in a file
        assert run.left() == []
        assert list(run.temporary.iterdir()) == []
