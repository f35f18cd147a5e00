"""What an operator gets: the example names every option, the unit and the images give the hub no more than it needs."""

import configparser
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from appservice.console.settings import ConsoleSettings
from appservice.process.settings import MatrixSettings
from bridge.config import Config
from bridge.networks.connect.settings import ConnectSettings
from bridge.networks.mail.leg.settings import MailSettings

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
EXAMPLE = (DEPLOY / "hub.example.yaml").read_text()
UNIT = DEPLOY / "systemd/liaison.service"
OWNERS: dict[tuple[str, ...], type[BaseModel]] = {
    ("matrix",): MatrixSettings,
    ("console",): ConsoleSettings,
    ("networks", "connect"): ConnectSettings,
    ("networks", "mail"): MailSettings,
}
# One of two that exclude each other has to be chosen in the example.
CHOSEN = {
    ("matrix", "as_token_file"),
    ("matrix", "hs_token_file"),
    ("directory", "flatfile"),
    ("networks", "connect", "products", "*", "webhook_url"),
    ("networks", "connect", "products", "*", "webhook_secrets"),
    ("networks", "mail", "smtp", "lmtp", "path"),
    ("networks", "mail", "trust", "url"),
    ("traces", "url"),
    ("trust", "federation", "url"),
    ("trust", "federation", "keys"),
}
Path_ = tuple[str, ...]


def options(model: type[BaseModel], above: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every option below a model, with its default."""
    for name, field in model.model_fields.items():
        path = (*above, name)
        inner = {at: owner for at, owner in OWNERS.items() if at[: len(path)] == path}
        for at_, owner in inner.items():
            yield from options(owner, at_)
        if inner:
            continue
        if below := model_in(field.annotation):
            many = re.match(r"(dict|list)\[", str(field.annotation))
            yield from options(below, (*path, "*") if many else path)
        else:
            default = field.default_factory() if field.default_factory else field.default  # type: ignore[call-arg]
            given = above and default_of(model, above, name)
            yield path, given if given else default


def default_of(model: type[BaseModel], above: Path_, name: str) -> Any:
    """A section's default may differ from its model's: each listener has a port of its own."""
    parent = Config.model_fields.get(above[0]) if len(above) == 1 else None
    section = parent.default if parent is not None else None
    return getattr(section, name) if isinstance(section, model) else None


def model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := model_in(one))), None)


def uncommented() -> str:
    return re.sub(r"^(\s*)#(?=[A-Za-z\"])", r"\1", EXAMPLE, flags=re.M)


def at(tree: Any, path: Path_) -> Any:
    for name in path:
        tree = next(iter(tree.values() if isinstance(tree, dict) else tree)) if name == "*" else tree[name]
    return tree


ALL = dict(options(Config))


def test_the_walk_finds_the_options() -> None:
    assert {("database", "url"), ("matrix", "ghost_prefix"), ("connect_listen", "port")} <= ALL.keys()
    assert ("networks", "connect", "products", "*", "capabilities", "max_text") in ALL
    assert ("networks", "mail", "teams", "*", "address") in ALL
    assert len(ALL) > 130


@pytest.mark.parametrize("path", ALL, ids=".".join)
def test_the_example_has_every_option_with_its_default(path: Path_) -> None:
    default = ALL[path]
    shown = at(yaml.safe_load(uncommented()), path)
    if default is PydanticUndefined or path in CHOSEN:
        assert shown
        return
    assert shown == (str(default) if isinstance(default, Path) else default)
    with pytest.raises((KeyError, TypeError)):
        at(yaml.safe_load(EXAMPLE), path)  # it is commented


@pytest.mark.parametrize("text", [EXAMPLE, uncommented()], ids=["as it is", "uncommented"])
def test_the_example_is_valid(text: str) -> None:
    config = Config.model_validate(yaml.safe_load(text))
    MatrixSettings.model_validate(config.matrix)
    ConnectSettings.model_validate(config.networks.get("connect", {}))
    if config.console is not None:
        ConsoleSettings.model_validate(config.console)
    if "mail" in config.networks:
        MailSettings.model_validate(config.networks["mail"])


def test_uncommenting_leaves_prose_alone() -> None:
    options_commented = re.findall(r"^\s*#[a-z_]+:", EXAMPLE, re.M)
    prose = [
        line for line in EXAMPLE.splitlines() if re.match(r"\s*#", line) and not re.match(r"\s*#(?: |\w+:|$)", line)
    ]
    assert len(options_commented) > 40
    assert prose == []


# ---- systemd


def unit() -> dict[str, list[str]]:
    parser = configparser.RawConfigParser(strict=False, delimiters="=")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT)
    return {name: [value for _, value in parser.items(name)] for name in parser.sections()}


def test_the_unit_runs_the_hub_without_rights() -> None:
    text = UNIT.read_text()
    assert set(unit()) == {"Unit", "Service", "Install"}
    for line in (
        "ExecStart=/opt/liaison/bin/liaison run -c /etc/liaison/hub.yaml",
        "Restart=always",
        "User=liaison",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "UMask=0077",
        "RuntimeDirectory=liaison",  # of the LMTP socket
    ):
        assert f"{line}\n" in text


def test_with_secure_mail_the_unit_may_listen_on_port_25() -> None:
    added = (DEPLOY / "systemd/mail.conf").read_text()
    for line in (
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "PrivateUsers=no",
    ):
        assert f"{line}\n" in added
    assert "mail.conf" in UNIT.read_text()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^(ExecStart=)\S+", rf"\1{shutil.which('true')}", UNIT.read_text()))
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
    said = [line for line in checked.stderr.splitlines() if UNIT.name in line]
    assert (checked.returncode, said) == (0, [])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_calls_it_well_protected() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT)]
    checked = subprocess.run(command, capture_output=True, text=True)
    if "unrecognized option" in checked.stderr:
        pytest.skip("this systemd cannot say")
    assert checked.returncode == 0, checked.stdout[-500:] + checked.stderr


# ---- images


def pinned(image: str) -> bool:
    name, _, tag = image.rpartition(":")
    host, slash, _ = name.partition("/")
    return bool(name and re.search(r"\d+\.\d+", tag) and tag != "latest" and not (slash and "." in host))


def test_the_image_is_pinned_and_has_no_rights() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert bases
    assert all(pinned(base) for base in bases)
    last_stage = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM ")) :]
    users = [line.split()[1] for line in last_stage if line.startswith("USER ")]
    assert users == ["10001:10001"]
    assert last_stage.index(f"USER {users[0]}") < next(
        i for i, line in enumerate(last_stage) if line.startswith("ENTRYPOINT")
    )
    assert any(line.startswith("HEALTHCHECK ") for line in last_stage)
    assert not any(line.startswith("ADD ") for line in lines)


def test_the_image_copies_what_is_there() -> None:
    for line in (DEPLOY / "Containerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            assert [name for name in line.split()[1:-1] if not (ROOT / name).exists()] == []


COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_the_composition_is_whole() -> None:
    assert set(COMPOSE["services"]) == {"hub", "synapse", "postgres"}
    for service in COMPOSE["services"].values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
        assert {one["source"] for one in service.get("configs", ())} <= set(COMPOSE.get("configs", ()))
        named = {volume.split(":")[0] for volume in service["volumes"] if volume[0] not in "./$"}
        assert named <= set(COMPOSE["volumes"])
    assert "ports" not in COMPOSE["services"]["postgres"]
    assert COMPOSE["networks"]["database"]["internal"] is True


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_is_pinned_and_has_no_rights(name: str) -> None:
    service = COMPOSE["services"][name]
    assert pinned(service["image"])
    assert int(service["user"].split(":")[0]) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert all(port.startswith("${") and "127.0.0.1" in port for port in service.get("ports", ()))


def test_the_environment_names_what_the_composition_asks() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text))
    named = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / ".env.example").read_text(), re.M))
    assert asked == named


def test_the_image_of_the_homeserver_is_the_one_tested() -> None:
    tested = re.search(r"^matrix-synapse==(\S+)", (ROOT / "constraints-synapse.txt").read_text(), re.M)
    assert tested
    assert COMPOSE["services"]["synapse"]["image"].endswith(f":v{tested[1]}")
