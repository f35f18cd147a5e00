"""Whatever a command finds instead of its database, it says so in a line, and ends with a status."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from appservice.process.command import main
from deploy.world.stub.refusing import refusing
from tests.matrix.process.test_start import written

ERASE = "person erase rpps:10000000001 --report {folder}/report"
OPEN = (
    "run", "adopt", "backup {folder}/copy", "upgrade --check", "audit verify", "seal --lost k9", ERASE,
    "directory status", "directory search anna", "directory show rpps:1", "directory sync",
)  # fmt: skip
"""Commands that open the database, with what they need after it."""
ASK = (
    "status", "queue", "product", "accounts", "reload", "restored", "who @a:b", "why a b", "trace x", "seal",
    "identity @a:b", "keys retire --all", "conversation show x",
)  # fmt: skip
"""Commands that ask the running hub."""
NATIONAL: dict[str, Any] = {"directory": {"kind": "national", "folder": "runs", "api": {"key": "env:HOME"}}}


def walk(folder: Path, capsys: pytest.CaptureFixture[str], url: str, calls: tuple[str, ...]) -> dict[str, str]:
    """Call each, which ends with 1 or 2; what each has said on standard error, in a line."""
    assert main(["audit", "key", str(folder / "audit.key")]) in (0, 1)
    files: dict[str, Any] = {"database": {"url": url}, "audit": {"key_file": str(folder / "audit.key")}}
    national = written(folder, **files, **NATIONAL)
    os.rename(national, folder / "national.yaml")
    plain, found = written(folder, **files), dict[str, str]()
    for call in calls:
        words = call.format(folder=folder).split()
        path = str(folder / "national.yaml") if words[0] == "directory" else plain
        capsys.readouterr()
        status = main([words[0], "-c", path, *words[1:]])
        said = capsys.readouterr()
        lines = [line for line in said.err.splitlines() if " INFO " not in line and " WARNING " not in line]
        assert status in (1, 2), (call, said)
        assert len(lines) == 1, (call, lines)
        assert "SECRET" not in said.err + said.out
        assert "Traceback" not in said.err
        found[call] = lines[0]
    return found


SERVERS = {
    "nobody": "no server answers", "no_password": "does not let this user in",
    "no_database": "no database of this name",
    "full": "no room for another connection", "9.4.1": "PostgreSQL 9 is too old", "12.8": "PostgreSQL 12 is too old",
    "no address": "is no address",
}  # fmt: skip


def server_of(answer: str) -> AbstractContextManager[str]:
    """A server that gives this answer."""
    none = {"nobody": "postgresql://u:SECRET@127.0.0.1:1/x", "no address": "postgresql://u:SECRET@h:port/x"}
    return nullcontext(none[answer]) if answer in none else refusing(answer)


@pytest.mark.parametrize("answer", SERVERS)
def test_a_server_that_refuses_is_named_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    with server_of(answer) as url:
        for call, line in walk(tmp_path, capsys, url, OPEN).items():
            assert SERVERS[answer] in line, call
        (tmp_path / "hub.db").touch()
        for source, target in ((url, f"sqlite:///{tmp_path}/new.db"),):
            assert main(["move", source, target]) == 1
        assert SERVERS[answer] in capsys.readouterr().err
        assert not (tmp_path / "new.db").exists()
        assert not [*tmp_path.glob("*.partial")]


def no_database(path: Path) -> None:
    """A text."""
    path.write_text("this is no database " * 100)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a text": (no_database, "file is not a database"),
    "a folder": (Path.mkdir, "hub.db"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_no_database_is_named_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    make, says = FILES[what]
    path = tmp_path / "hub.db"
    make(path)
    calls = tuple(call for call in OPEN if not call.startswith("directory"))  # it has files of its own
    for call, line in walk(tmp_path, capsys, f"sqlite:///{path}", calls).items():
        assert says in line or "cannot be" in line or "no hub's" in line, call
    assert main(["move", f"sqlite:///{path}", f"sqlite:///{tmp_path}/new.db"]) == 1
    assert main(["move", f"sqlite:///{tmp_path}/none.db", f"sqlite:///{tmp_path}/new.db"]) == 1
    assert "there is no file" in capsys.readouterr().err


def test_what_is_not_there_is_not_made_by_a_command_that_needs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gone.db"
    calls = ("backup {folder}/copy", "audit verify", "seal --lost k9", ERASE)
    for call, line in walk(tmp_path, capsys, f"sqlite:///{path}", calls).items():
        assert str(path) in line or "unable to open" in line, call
    assert not path.exists()
    assert not (tmp_path / "copy.partial").exists()


def test_places_that_cannot_be_written_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()  # a folder below a file cannot be made, by root either
    below = tmp_path / "file/hub.db"
    calls = ("run", "adopt", "backup {folder}/file/copy")
    for call, line in walk(tmp_path, capsys, f"sqlite:///{below}", calls).items():
        assert "Not a directory" in line or "there is no file" in line or "exists" in line, call
    erase = "person erase rpps:1 --report {folder}/no/report"
    line = walk(tmp_path, capsys, f"sqlite:///{tmp_path}/hub.db", (erase,))[erase]
    assert line == f"--report: No such file or directory: {tmp_path}/no/report"


def test_without_a_configuration_and_with_a_spoilt_key_every_command_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = str(tmp_path / "none.yaml")
    for call in (*OPEN, *ASK):
        words = call.format(folder=tmp_path).split()
        assert main([words[0], "-c", none, *words[1:]]) in (1, 2), call
        said = capsys.readouterr()
        assert none in said.err + said.out, call
    path = written(tmp_path, matrix_listen={"port": 1})
    (tmp_path / "seal").write_text("SECRET that is no key")
    for call in (ERASE, "run", "adopt", *ASK):
        words = call.format(folder=tmp_path).split()
        assert main([words[0], "-c", path, *words[1:]]) == 2, call
        said = capsys.readouterr()
        assert "seal.keys.1: the key must be 32 bytes in base64" in said.err or "audit.key_file" in said.err, call
        assert "SECRET" not in said.err
