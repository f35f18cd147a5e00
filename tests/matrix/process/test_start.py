"""What `liaison run` and `liaison check` say of a configuration that cannot work: one line, never a secret."""

from __future__ import annotations

import argparse
import base64
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from appservice.process.command import _COMMANDS, _parser, main
from appservice.process.examine import examine
from bridge.config import BadConfig, read_config

TOKEN = "sha256:" + "0" * 64


def written(
    folder: Path, homeserver: str = "http://127.0.0.1:1", server_name: str = "a.example",
    tokens: tuple[str, str] = ("as-SECRET", "hs-SECRET"), **more: Any,
) -> str:  # fmt: skip
    """A whole configuration, whose homeserver is not there unless it is given, and more."""
    for name, text in (
        ("seal", base64.b64encode(bytes(32)).decode()), ("as", tokens[0]), ("hs", tokens[1]),
        ("hook", "whsec_" + base64.b64encode(bytes(32)).decode()), ("people.csv", "rpps,name\n10000000001,Anna\n"),
    ):  # fmt: skip
        (folder / name).write_text(text + "\n")
    config = {
        "database": {"url": f"sqlite:///{folder}/hub.db"},
        "seal": {"active": "1", "keys": {"1": str(folder / "seal")}},
        "directory": {"flatfile": str(folder / "people.csv")},
        "matrix": {
            "homeserver": homeserver, "server_name": server_name,
            "as_token_file": str(folder / "as"), "hs_token_file": str(folder / "hs"),
        },
        "matrix_listen": {"port": 0}, "connect_listen": {"port": 0},
        "networks": {"connect": {"products": {"pandalab": {
            "webhook_url": "https://p.example", "webhook_secrets": [f"file:{folder}/hook"], "tokens": [TOKEN],
        }}}},
    }  # fmt: skip
    path = folder / "hub.yaml"
    path.write_text(yaml.safe_dump(config | more))
    return str(path)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on standard error that is no line of the log."""
    lines = [line for line in capsys.readouterr().err.splitlines() if " INFO " not in line and " WARNING " not in line]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:SECRET@h/x", "must begin with sqlite:/// or postgresql://"),
        ("postgresql://u:SECRET@h:port/x", "is no address"),
        ("postgresql://u:SECRET@127.0.0.1:1/x", "the database cannot be used"),
        ("sqlite:////proc/none/hub.db", "the database cannot be used"),
        ("sqlite:///{folder}/people.csv", "SQLITE_NOTADB"),
        ("sqlite:///{folder}", "the database cannot be used"),
    ],
)
def test_a_database_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, says: str) -> None:
    path = written(tmp_path, database={"url": url.format(folder=tmp_path)})
    assert main(["run", "-c", path]) in (1, 2)
    line = said(capsys)
    assert line.startswith("database.url")
    assert says in line
    assert "SECRET" not in line


@pytest.mark.parametrize("section", ["matrix_listen", "connect_listen"])
def test_a_port_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str], section: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        more: dict[str, Any] = {section: {"port": taken.getsockname()[1]}}
        assert main(["run", "-c", written(tmp_path, **more)]) == 2
    line = said(capsys)
    assert line.startswith(f"{section}: ")
    assert "in use" in line


def test_check_says_all_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, connect_listen={"certificate": f"{tmp_path}/none.crt"})
    for name, text in (("people.csv", "rpps,name\n1,Anna\n"), ("as", ""), ("hook", "SECRET")):
        (tmp_path / name).write_text(text)
    assert main(["check", "-c", path, "--synapse", str(tmp_path / "none.yaml")]) == 1
    out = capsys.readouterr().out
    for says in (
        "MEND  directory.flatfile: people.csv, line 2", "MEND  matrix.as_token_file",
        "MEND  networks.connect.products.pandalab.webhook_secrets", "MEND  connect_listen: certificate", "none.crt",
    ):  # fmt: skip
        assert says in out
    assert "SECRET" not in out
    assert len(out.splitlines()) > 8


def test_a_start_reads_a_directory_once_and_still_says_what_is_wrong_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path)
    (tmp_path / "people.csv").write_text("rpps,name\n1,Anna\n")
    examine(read_config(Path(path)), people=False)
    with pytest.raises(BadConfig, match="line 2"):
        examine(read_config(Path(path)))
    assert main(["run", "-c", path]) == 2
    assert said(capsys).startswith("directory.flatfile: people.csv, line 2")


def test_check_of_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-c", str(tmp_path / "none.yaml")]) == 1
    fault, remedy = capsys.readouterr().out.splitlines()
    assert fault == f"MEND  {tmp_path}/none.yaml: cannot be read (FileNotFoundError)"
    assert "correct the path" in remedy


def of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Its commands by name."""
    return next(dict(a.choices) for a in parser._actions if isinstance(a, argparse._SubParsersAction))


def test_a_command_alone_has_the_arguments_that_it_has_among_all() -> None:
    every = of(_parser())
    assert {"run", "check", "key", "status", "backup", "trust", "sandbox"} <= set(every)
    for row in _COMMANDS:
        alone = of(_parser(row.name))
        assert list(alone) == list(every)
        assert alone[row.name].format_help() == every[row.name].format_help()
        assert row.module.partition(".")[0] in ("appservice", "bridge", "liaison")


def test_a_command_imports_what_it_needs_and_no_other_command() -> None:
    """Sixty modules more for each of them would make every command take a second."""
    done = "from appservice.process.command import main; main(['key'])"
    looked = f"import sys; {done}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True).stdout
    names = set(said.partition("\n")[2].split())
    assert "appservice.process.command" in names
    assert not names & {"aiohttp", "lxml", "PIL", "jinja2", "vodozemac", *(row.module for row in _COMMANDS)}
