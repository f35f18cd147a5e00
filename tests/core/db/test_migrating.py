"""Which program works with which database; every migration is judged, and none says more than it keeps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from appservice.process.safekeeping.moving import EVERY
from appservice.process.safekeeping.upgrading import due, lines
from bridge.db import Component, open_database, read_migrations
from bridge.db.migrating import NotJudged, needs, steps, too_new
from bridge.errors import Unavailable

FIRST = "CREATE TABLE kept (id TEXT PRIMARY KEY);"
HARMLESS = "-- needs: 1\nALTER TABLE kept ADD COLUMN more TEXT;"
BREAKS = "ALTER TABLE kept RENAME COLUMN more TO less;"


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("component", EVERY, ids=lambda c: c.name)
def test_every_migration_is_judged_and_keeps_what_it_says(component: Component, engine: str) -> None:
    for number, text in read_migrations(component, engine):
        breaks = [step for step in steps(text) if step.breaks]
        if needs(text, number) < number:
            assert breaks == [], f"{component.name} {number:04} says that an older program works with it"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("DROP TABLE message", "x"), ("ALTER TABLE message DROP COLUMN kind", "xb"),
        ("ALTER TABLE message ALTER COLUMN pos TYPE TEXT", "xbr"), ("ALTER TABLE message RENAME TO other", "xb"),
        ("ALTER TABLE message ADD COLUMN a TEXT NOT NULL", "x"), ("ALTER TABLE message ADD COLUMN a TEXT", ""),
        ("ALTER TABLE message ADD COLUMN a INTEGER NOT NULL DEFAULT 0", ""),
        ("CREATE INDEX message_a ON message (a)", "br"), ("CREATE INDEX CONCURRENTLY message_a ON message (a)", "r"),
        ("CREATE UNIQUE INDEX message_a ON message (a)", "xbr"), ("UPDATE message SET a = 1", "br"),
        ("CREATE TRIGGER t AFTER INSERT ON message BEGIN DELETE FROM x; UPDATE y SET z = 1; END", "b"),
        ("CREATE TRIGGER t AFTER INSERT ON message FOR EACH ROW EXECUTE FUNCTION f()", "b"),
        ("ALTER TABLE message ADD CONSTRAINT c CHECK (a > 0)", "xbr"),
    ],
)  # fmt: skip
def test_what_blocks_or_breaks_is_seen(text: str, what: str) -> None:
    [step] = steps(f"{text};")
    assert "".join(k for k, on in (("x", step.breaks), ("b", step.blocks), ("r", step.reads)) if on) == what
    assert step.table == "message"


def test_what_a_migration_makes_itself_is_in_nobodys_way() -> None:
    text = "CREATE TABLE a (x TEXT); CREATE UNIQUE INDEX b ON a (x); -- CREATE INDEX c ON d (e);\nDROP TABLE a;"
    assert steps(text) == []
    with pytest.raises(NotJudged, match="VACUUM"):
        steps("VACUUM;")


def test_the_rule() -> None:
    known, done = {"bridge": 5}, [("bridge", 5), ("bridge", 6), ("other", 99)]
    assert too_new(known, done, {})
    assert not too_new(known, done, {("bridge", 6): 5})
    assert not too_new(known, done, {("bridge", 6): 4})
    assert too_new(known, [*done, ("bridge", 7)], {("bridge", 6): 5, ("bridge", 7): 6})


def component(folder: Path, *texts: str) -> Component:
    """Some migrations."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "migrations").mkdir(parents=True)
    for n, text in enumerate(texts, 1):
        (folder / "migrations" / f"{n:04}_x.sql").write_text(text)
    return Component("note", folder)


async def test_the_release_before_goes_on_after_a_harmless_migration(url: str, tmp_path: Path) -> None:
    old = component(tmp_path / "old", FIRST)
    for texts in ((FIRST,), (FIRST, HARMLESS)):
        await (await open_database(url, [component(tmp_path / "new", *texts)])).close()
        await (await open_database(url, [old])).close()
    await (await open_database(url, [component(tmp_path / "new", FIRST, HARMLESS, BREAKS)])).close()
    with pytest.raises(Unavailable, match="database_newer"):
        await open_database(url, [old])


def test_an_operator_reads_what_would_run(tmp_path: Path) -> None:
    new = component(tmp_path, FIRST, HARMLESS, "-- needs: 2\nCREATE INDEX kept_more ON kept (more);", BREAKS)
    said = "\n".join(lines(due([new], "sqlite", {"note": 1}), {"kept": 40_000_000}))
    assert "3 migrations would run" in said
    assert "note 0002: the release that runs now works with it" in said
    assert "makes an index: kept, 40000000 rows, about 80 s, and whoever writes to it waits" in said
    assert "note 0004: the release that runs now cannot start after it" in said
    assert "renames: kept" in said
    assert "the way back is the backup" in said
    assert "no migration would run" in lines(due([new], "sqlite", {"note": 4}), {})[0]
    harmless = due([component(tmp_path, FIRST, HARMLESS)], "sqlite", {"note": 1})
    assert "the way back is the same" in "\n".join(lines(harmless, {}))
