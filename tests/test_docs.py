"""What engineers and users read holds together: links lead somewhere, decisions are numbered, the pages stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("homeserver_config/*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_NAMED = re.compile(r"decisions? (\d+)", re.I)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_decisions_are_numbered_without_a_gap_and_titled_by_their_number() -> None:
    assert [int(p.name[:2]) for p in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for page in DECISIONS:
        assert page.read_text("utf-8").startswith(f"# {int(page.name[:2])}. "), page.name


def test_a_decision_that_is_named_exists() -> None:
    for folder in ("bridge", "appservice", "deploy", "homeserver_config", "docs"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix not in {".py", ".md", ".yaml"} or "node_modules" in path.parts:
                continue
            for number in _NAMED.findall(path.read_text("utf-8")):
                assert int(number) <= len(DECISIONS), f"{path} names decision {number}"


def test_the_architecture_is_one_page() -> None:
    words = (ROOT / "ARCHITECTURE.md").read_text("utf-8").split()
    assert len(words) <= 2250
