"""`liaison homeserver init` on a disk: again is nothing, changed files stay, secrets are made once and closed."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from appservice.process.command import main

DOMAIN = ["--domain", "chu.example", "--database", "sqlite"]


def init(folder: Path, *more: str) -> int:
    return main(["homeserver", "init", "--folder", str(folder), *more])


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path, *DOMAIN) == 0
    before = tree(tmp_path)
    assert init(tmp_path) == 0
    assert tree(tmp_path) == before
    assert "nothing to do" in capsys.readouterr().out


def test_secrets_are_closed_whatever_the_umask_and_never_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0)
    try:
        assert init(tmp_path, *DOMAIN) == 0
    finally:
        os.umask(before)
    said = capsys.readouterr()
    secret = [tmp_path / "etc/synapse/signing.key", *(tmp_path / "etc/synapse/secrets").iterdir()]
    secret += [tmp_path / "etc/liaison" / name for name in ("seal.key", "as_token", "hs_token", "policy_token")]
    for path in [*secret, tmp_path / "etc/synapse/liaison.yaml"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().strip() not in said.out + said.err
    values = {path.read_text() for path in secret}
    assert (len(values), len(secret)) == (8, 9)  # the hub and the policy module show one another the same
    assert stat.S_IMODE((tmp_path / "etc/synapse/secrets").stat().st_mode) & 0o007 == 0


def test_what_an_operator_changed_is_left_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path, *DOMAIN)
    homeserver = tmp_path / "etc/synapse/homeserver.yaml"
    homeserver.write_text(homeserver.read_text() + "enable_metrics: true\n")
    before = tree(tmp_path)
    assert init(tmp_path, "--keep-days", "90") == 1
    assert tree(tmp_path) == before
    said = capsys.readouterr().err
    assert (str(homeserver) in said, "log.yaml" in said, "conf.d" in said) == (True, False, True)
    homeserver.unlink()
    assert init(tmp_path, "--keep-days", "90") == 0
    assert "max_lifetime: 90d" in homeserver.read_text()


def test_a_file_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "etc/synapse/homeserver.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("server_name: other.example\n")
    assert init(tmp_path, *DOMAIN) == 1
    assert not (tmp_path / "etc/nginx").exists()


def test_the_hubs_beginning_is_the_operators(tmp_path: Path) -> None:
    init(tmp_path, *DOMAIN)
    hub, people = tmp_path / "etc/liaison/hub.yaml", tmp_path / "etc/liaison/people.csv"
    for path in (hub, people):
        path.write_text(path.read_text() + "# mine\n")
    assert init(tmp_path, "--keep-days", "90") == 0
    assert all(path.read_text().endswith("# mine\n") for path in (hub, people))


def test_choices_are_remembered_and_secrets_stay(tmp_path: Path) -> None:
    init(tmp_path, *DOMAIN, "--server", "b.example", "--contact", "it@chu.example")
    token = (tmp_path / "etc/liaison/as_token").read_bytes()
    assert init(tmp_path, "--server", "a.example", "--server", "b.example") == 0
    kept = json.loads((tmp_path / "etc/liaison/homeserver.json").read_text())["site"]
    assert (kept["contact"], kept["servers"]) == ("it@chu.example", ["a.example", "b.example"])
    assert (tmp_path / "etc/liaison/as_token").read_bytes() == token


def test_the_secret_that_a_provider_gives_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "etc/synapse/secrets/psc"
    asked = ["homeserver", "check", "--folder", str(tmp_path), "--only", "files"]
    assert init(tmp_path, *DOMAIN, "--sso-client", "chu") == 0
    assert f"into {path}" in capsys.readouterr().out
    assert main(asked) == 1
    assert f"FAULT   {path} is missing" in capsys.readouterr().out
    path.write_text("from the provider\n")
    path.chmod(0o600)
    assert main(asked) == 0


def test_processes_that_are_needed_no_more_are_taken_away(tmp_path: Path) -> None:
    workers = tmp_path / "etc/synapse/workers"
    assert init(tmp_path, "--domain", "chu.example", "--workers", "2") == 0
    assert len(list(workers.iterdir())) == 8
    assert init(tmp_path, "--workers", "0") == 0
    assert list(workers.iterdir()) == []
    assert not (tmp_path / "etc/systemd/system/synapse-redis.service").exists()


def test_without_a_domain_nothing_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path) == 2
    assert "--domain: is missing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path, *DOMAIN)
    (tmp_path / "etc/caddy/liaison.caddy").unlink()
    (tmp_path / "etc/caddy").rmdir()
    (tmp_path / "etc/caddy").write_text("")
    assert init(tmp_path, *DOMAIN) == 2
    assert "cannot be written" in capsys.readouterr().err
