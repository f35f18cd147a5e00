"""The configuration: unknown keys, wrong values and missing secrets are said in one line each, without the values."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config import BadConfig, Config, DeliverySettings, read_config, read_secret, validate
from bridge.hub.courier import Patience

KEY = base64.b64encode(bytes(range(32))).decode()
SECRET = "s3cret-value-never-shown"


def written(folder: Path, **more: Any) -> Path:
    """The least that a configuration holds, and more."""
    (folder / "seal.key").write_text(KEY + "\n")
    least = {
        "seal": {"active": "a", "keys": {"a": str(folder / "seal.key")}},
        "directory": {"flatfile": str(folder / "people.csv")},
        "matrix": {"homeserver": "http://localhost:8008"},
    }
    path = folder / "hub.yaml"
    path.write_text(yaml.safe_dump(least | more))
    return path


def test_defaults_are_safe(tmp_path: Path) -> None:
    config = read_config(written(tmp_path))
    assert config.database.url.startswith("sqlite:////")
    assert config.trust.matrix_servers == []
    assert (config.matrix_listen.host, config.connect_listen.host) == ("127.0.0.1", "127.0.0.1")
    assert config.log_level == "INFO"
    assert config.seal.open().active == "a"
    assert config.delivery.patience() == Patience(0.5, 60.0, 259_200.0, 0.15, 32, 600.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("10s", 10), ("5m", 300), ("3h", 10_800), ("3d", 259_200), (7, 7), ("1.5 s", 1.5)],
)
def test_times(text: Any, seconds: float) -> None:
    assert DeliverySettings(give_up=text).give_up == seconds


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"databse": {}}, "databse"),
        ({"database": {"urll": "x"}}, "database.urll"),
        ({"delivery": {"give_up": "3 weeks"}}, "delivery.give_up"),
        ({"delivery": {"first_retry": -1}}, "delivery.first_retry"),
        ({"delivery": {"parallel": 0}}, "delivery.parallel"),
        ({"matrix_listen": {"port": 70_000}}, "matrix_listen.port"),
        ({"log_level": SECRET}, "log_level"),
        ({"seal": {"active": "b", "keys": {"a": SECRET}}}, "seal"),
        ({"seal": {"active": "a", "keys": {}}}, "seal.keys"),
        ({"seal": {"active": "é", "keys": {"é": SECRET}}}, "seal.keys"),
        ({"networks": SECRET}, "networks"),
    ],
)
def test_what_is_wrong_is_named_and_its_value_is_not_shown(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    with pytest.raises(BadConfig) as problem:
        read_config(written(tmp_path, **more))
    assert says in str(problem.value)
    assert str(tmp_path / "hub.yaml") in str(problem.value)
    assert SECRET not in str(problem.value)
    assert "\n" not in str(problem.value)
    assert problem.value.__cause__ is None


def test_several_problems_are_several_lines(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as problem:
        read_config(written(tmp_path, one=1, two=2))
    assert len(str(problem.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("raw", "says"),
    [(b"a: [", "no YAML, line"), (b"\xff\xfe\xff", "cannot be read"), (b"- a", "hub.yaml"), (b"", "seal")],
)
def test_files_that_are_no_configuration(tmp_path: Path, raw: bytes, says: str) -> None:
    path = tmp_path / "hub.yaml"
    path.write_bytes(raw)
    with pytest.raises(BadConfig, match=says):
        read_config(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="FileNotFoundError"):
        read_config(tmp_path / "nothing.yaml")


def test_secrets_from_files_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(f" {SECRET}\n")
    monkeypatch.setenv("A_SECRET", f"{SECRET}\n")
    for source in (str(tmp_path / "secret"), f"file:{tmp_path}/secret", "env:A_SECRET"):
        assert read_secret(source, "here") == SECRET


def test_secrets_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("AN_EMPTY_SECRET", " ")
    for source in (
        f"{tmp_path}/none",
        f"{tmp_path}",
        f"{tmp_path}/empty",
        f"{tmp_path}/binary",
        "env:NONE",
        "env:AN_EMPTY_SECRET",
    ):
        with pytest.raises(BadConfig, match=r"^here: "):
            read_secret(source, "here")


@pytest.mark.parametrize("text", ["", SECRET, base64.b64encode(bytes(31)).decode(), "é"])
def test_a_bad_seal_key_is_said_without_it(tmp_path: Path, text: str) -> None:
    path = written(tmp_path)
    (tmp_path / "seal.key").write_text(text)
    with pytest.raises(BadConfig) as problem:
        read_config(path).seal.open()
    assert "seal.keys.a" in str(problem.value)
    assert not text or text not in str(problem.value)


def test_a_configuration_is_frozen(tmp_path: Path) -> None:
    config = read_config(written(tmp_path))
    with pytest.raises(ValueError):
        config.log_level = "DEBUG"
    assert validate(Config, config.model_dump(), "again") == config


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"matrix_listen": {"key": "/k.pem"}}, "matrix_listen: key is given without certificate"),
        ({"connect_listen": {"client_ca": "/ca.pem"}}, "connect_listen: client_ca is given without certificate"),
        ({"delivery": {"longest_retry": float("inf")}}, "delivery.longest_retry"),
        ({"delivery": {"first_retry": 0}}, "delivery.first_retry"),
        ({"trust": {"matrix_servers": ["https://chu.example"]}}, r"trust.matrix_servers.0: a server name"),
        ({"trust": {"matrix_servers": ["@ben:chu.example"]}}, r"trust.matrix_servers.0: a server name"),
        ({"trust": {"matrix_servers": ["*chu.example"]}}, r"trust.matrix_servers.0: a server name"),
        ({"databse": {}}, "databse: there is no such option"),
        ({"directory": {}}, "directory.flatfile: is missing"),
    ],
)
def test_what_is_wrong_is_said_for_people(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    with pytest.raises(BadConfig, match=says):
        read_config(written(tmp_path, **more))


def test_a_section_may_be_begun_and_keeps_its_defaults(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, delivery=None, connect_listen={"host": "0.0.0.0"}, matrix_listen=None))
    assert (config.matrix_listen.port, config.connect_listen.port) == (29_300, 29_301)
    assert config.delivery == DeliverySettings()


def test_a_section_that_is_given_twice_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text() + "matrix: {homeserver: https://other.example}\n")
    with pytest.raises(BadConfig, match=r"matrix is given twice, line \d+"):
        read_config(path)
