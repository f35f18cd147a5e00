"""`liaison directory`: what an operator types and reads."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appservice.process.checking import national
from bridge.config import BadConfig, Config, validate
from bridge.people.national import command
from tests.people.national.test_records import BOX, DOCTOR, SERVICE, line, written

NOW = datetime(2025, 11, 2, 2, 30, tzinfo=UTC)


def config(folder: Path, **directory: object) -> Config:
    return validate(
        Config,
        {
            "database": {"url": f"sqlite:///{folder}/hub.db"}, "seal": {"active": "1", "keys": {"1": "env:NONE"}},
            "directory": {"kind": "national", **directory}, "matrix": {},
        },
        "test",
    )  # fmt: skip


async def typed(settings: Config, text: str, *paths: Path, now: datetime = NOW) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return await command.main(parser.parse_args([*text.split(), *map(str, paths)]), settings, lambda: now)


async def test_a_directory_is_imported_shown_and_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = config(tmp_path)
    assert await typed(settings, "status") == await typed(settings, "show rpps:1") == 1
    files = [
        written(tmp_path, kind, lines, time="202511010230") for kind, lines in (("A", [DOCTOR]), ("M", [BOX, SERVICE]))
    ]
    assert await typed(settings, "import", *files) == 0
    assert await typed(settings, "import", *files) == 0
    said = capsys.readouterr().out
    assert "Aucun chargement." in said
    assert "Chargement 1 en service." in said
    assert "Rien de nouveau dans ces fichiers." in said
    assert await typed(settings, "search le goff cardio") == 0
    assert "rpps:10001000001" in (said := capsys.readouterr().out)
    assert "Anne-Marie Le Goff — Médecin, Cardiologie (CH EXEMPLE, Vandoeuvre les Nancy)" in said
    assert await typed(settings, "search nobody at all") == 1
    for ident in ("rpps:10001000001", "anne.legoff@ch.mssante.fr"):
        assert await typed(settings, f"show {ident}") == 0
        said = capsys.readouterr().out
        assert "PS_LibreAcces_Personne_activite_202511010230.txt, 2025-11-01 02:30 UTC" in said
        assert "address=anne.legoff@ch.mssante.fr" in said
    assert await typed(settings, "show rpps:10009999990") == 1


async def test_what_is_held_is_reported_and_can_be_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = config(tmp_path, warn_after="26h", stale_after="3d")
    day = written(
        tmp_path, "A", [DOCTOR, line("A", Identification_nationale="810001001014", Nom="B")], time="202511010230"
    )
    assert await typed(settings, "import", day) == 0
    later = written(tmp_path, "A", [DOCTOR], time="202511020230")
    assert await typed(settings, "import", later) == 1
    said = capsys.readouterr().out
    assert "Chargement retenu : rien n'a changé." in said
    assert "far fewer lines: PS_LibreAcces_Personne_activite_202511020230.txt: 1 lines, 2 before" in said
    assert await typed(settings, "status") == 0
    assert await typed(settings, "import --force", later) == 0
    assert await typed(settings, "status", now=datetime(2025, 11, 4, tzinfo=UTC)) == 0
    assert "Annuaire ancien de 46 h." in capsys.readouterr().out
    assert await typed(settings, "status", now=datetime(2025, 11, 6, tzinfo=UTC)) == 1
    day.write_text("something else")
    assert await typed(settings, "import", day) == 2
    assert "file refused" in capsys.readouterr().out


async def test_a_hub_with_a_csv_file_has_no_national_directory(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="hub does not use the national directory"):
        await typed(config(tmp_path, kind="csv", flatfile=tmp_path / "people.csv"), "status")


async def test_the_check_of_a_hub_looks_at_what_is_loaded(tmp_path: Path) -> None:
    settings = config(tmp_path, warn_after="36500d", stale_after="36500d")
    url = settings.database.url
    assert [f.what for f in await national.findings(settings.directory, url)] == [
        "directory: nothing is loaded: nobody is found"
    ]
    assert await typed(settings, "import", written(tmp_path, "A", [DOCTOR], time="202511010230")) == 0
    fine = await national.findings(settings.directory, url)
    assert [(f.ok, f.note, f.what.partition(",")[0]) for f in fine] == [(True, False, "directory: 1 entries")]
    old = config(tmp_path, warn_after="1h", stale_after="36500d").directory
    assert [(f.ok, f.note) for f in await national.findings(old, url)] == [(True, True)]
    assert [f.ok for f in await national.findings(config(tmp_path).directory, url)] == [False]
    missing = await national.findings(settings.directory, "postgresql://nobody@127.0.0.1:1/none")
    assert [f.what for f in missing] == [
        "directory.folder: is missing: an import sorts there", "directory: its tables cannot be read",
    ]  # fmt: skip
    assert await national.findings(config(tmp_path, kind="csv", flatfile="x.csv").directory, url) == []
