"""What `liaison homeserver init` writes, against files that were read by a person; to write them again: GOLDEN=1."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from appservice.process.conforming.choices import Site, site
from appservice.process.conforming.files import RegistrationTokens, Text, files
from bridge.config import BadConfig, Config

GOLDEN = Path(__file__).parent / "golden"
TOKENS = RegistrationTokens("as-token", "hs-token")
SITES: dict[str, dict[str, Any]] = {
    "small": {"domain": "chu.example"},
    "large": {
        "domain": "chu.example", "host": "m.chu.example", "workers": 3, "element": "chat.chu.example",
        "contact": "matrix@chu.example", "servers": ["b.example", "a.example"], "keep_days": 0, "max_upload": "200M",
        "federation_url": "https://federation.example/list.jws", "federation_key": "/etc/ssl/list.pem",
        "federation_ca": "/etc/ssl/federation.pem", "private_networks": ["10.0.0.0/8"],
        "sso_client": "chu",
    },
    "trial": {"domain": "localhost:8448", "host": "localhost:8448", "database": "sqlite", "folder": "/tmp/trial",
              "https_port": 8448, "synapse_port": 18008},
}  # fmt: skip


def made(name: str) -> dict[str, Text]:
    return files(site(SITES[name]), TOKENS)


@pytest.mark.parametrize("name", SITES)
def test_the_files_of_a_site(name: str) -> None:
    """The small one whole; of the others whatever differs from it."""
    known = {path: text.text for path, text in made("small").items()} if name != "small" else {}
    shown = "".join(
        f"==== {path} {text.mode:04o} {text.group}\n{'' if known.get(path) == text.text else text.text}"
        for path, text in made(name).items()
    )
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN"):
        path.write_text(shown, "utf-8")
    assert shown == path.read_text("utf-8")


@pytest.mark.parametrize("name", SITES)
def test_they_are_what_their_readers_understand(name: str) -> None:
    for path, text in made(name).items():
        if path.endswith(".yaml"):
            assert isinstance(yaml.safe_load(text.text), dict)
        if ".well-known" in path or path.endswith(".json"):
            assert isinstance(json.loads(text.text), dict)
        if path.endswith("hub.yaml"):
            Config.model_validate(yaml.safe_load(text.text))


def test_no_setting_is_made_twice() -> None:
    for name in SITES:
        text = next(text.text for path, text in made(name).items() if path.endswith("/homeserver.yaml"))
        keys = re.findall(r"^([a-z_]\w*):", text, re.M)
        assert sorted(keys) == sorted(set(keys))


def test_secrets_stand_in_the_registration_alone_and_it_is_closed() -> None:
    holding = {path: text for path, text in made("large").items() if "as-token" in text.text}
    assert {path: text.mode for path, text in holding.items()} == {"/etc/synapse/liaison.yaml": 0o600}
    assert "as-token" not in repr(TOKENS)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"domain": "https://chu.example"}, "--domain"),
        ({"domain": ""}, "--domain: is missing"),
        ({"contact": "anna"}, "--contact: a mail address"),
        ({"servers": ["a b"]}, "--server: a b"),
        ({"federation_url": "https://x/"}, "--federation-key: give both"),
        ({"sso_issuer": "https://x/"}, "--sso-client: the id"),
        ({"workers": 2, "database": "sqlite"}, "need PostgreSQL"),
        ({"workers": 99}, "--workers: 0 to 32"),
        ({"keep_days": 7}, "--keep-days"),
        ({"certificate": "/etc/x; return 200"}, "--certificate: an absolute path"),
        ({"max_upload": "1G"}, "--max-upload"),
        ({"colour": "red"}, "colour: there is no such setting"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(choice: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(said)):
        site({"domain": "chu.example"} | choice)


def test_with_workers_the_hub_goes_by_way_of_the_proxy_and_every_stream_has_its_writer() -> None:
    made_ = {path.removeprefix("/etc/synapse/"): text.text for path, text in made("large").items()}
    shared = yaml.safe_load(made_["homeserver.yaml"])
    workers = {path[8:-5]: yaml.safe_load(text) for path, text in made_.items() if path.startswith("workers/")}
    assert yaml.safe_load(made_["/etc/liaison/hub.yaml"])["matrix"]["homeserver"] == "http://127.0.0.1:8009"
    writers = {
        one for value in shared["stream_writers"].values() for one in ([value] if isinstance(value, str) else value)
    }
    assert writers | {"main"} == set(shared["instance_map"])
    assert writers | set(shared["federation_sender_instances"]) <= set(workers)
    ports = [one["port"] for own in workers.values() for one in own.get("worker_listeners", [])]
    ports += [one["port"] for one in shared["listeners"]]
    assert len(ports) == len(set(ports))
    nginx = made_["/etc/nginx/conf.d/liaison.conf"]
    served = {own["worker_listeners"][0]["port"] for own in workers.values() if own.get("worker_listeners") and
              "client" in own["worker_listeners"][0]["resources"][0]["names"]}  # fmt: skip
    assert {int(port) for port in re.findall(r"server 127.0.0.1:(\d+);", nginx)} == served | {8008}


@pytest.mark.parametrize(
    ("path", "people", "hub"),
    [
        ("/_matrix/client/v3/rooms/!a:b/send/m.room.message/1", "client_readers", "hub"),
        ("/_matrix/client/v3/sync", "client_readers", "hub"),
        ("/_matrix/client/v3/keys/query", "client_readers", "hub"),
        ("/_matrix/client/v3/keys/upload", "stream_writer", "stream_writer"),
        ("/_matrix/client/v3/sendToDevice/m.room.encrypted/1", "stream_writer", "stream_writer"),
        ("/_matrix/client/v3/rooms/!a:b/receipt/m.read/$c", "stream_writer", "stream_writer"),
        ("/_matrix/client/v3/rooms/!a:b/upgrade", "main", "main"),
        ("/_matrix/client/v1/appservice/liaison/ping", "", "hub"),
        ("/_matrix/client/v3/register", "", "hub"),
        ("/_matrix/media/v3/upload", "", ""),
        ("/_matrix/federation/v1/send/1", "main", "main"),
        ("/_matrix/federation/v1/openid/userinfo", "main", "main"),
        ("/_matrix/federation/v2/invite/!a:b/$c", "federation_reader", ""),
    ],
)
def test_who_serves_a_call(path: str, people: str, hub: str) -> None:
    """By the first pattern that fits, as nginx reads them; the rest is the main process's."""
    public, inside = made("large")["/etc/nginx/conf.d/liaison.conf"].text.split("listen 127.0.0.1:8009")
    for text, expected in ((public, people), (inside.partition("\nserver {")[0], hub)):
        known = re.findall(r'location ~ "(.*)" \{\n +proxy_pass http://(\w+);', text)
        assert next((pool for pattern, pool in known if re.search(pattern, path)), "") == expected


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    units = {Path(path).name: text.text for path, text in made("large").items() if path.endswith(".service")}
    for name, text in units.items():
        text = re.sub(r"(?m)^(ExecStart=)\S+", rf"\1{shutil.which('true')}", text)
        (tmp_path / name.replace("@", "@x")).write_text(text.replace("%i", "x"))
    asked = [tmp_path / name.replace("@", "@x") for name in units]
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", *asked], capture_output=True, text=True)
    said = [line for line in checked.stderr.splitlines() if "synapse" in line and "worker@" not in line]
    assert said == []


def test_the_unit_of_the_hub_is_the_one_of_deploy() -> None:
    known = (Path(__file__).resolve().parents[2] / "deploy/systemd/liaison.service").read_text()
    text = made("small")["/etc/systemd/system/liaison.service"].text
    assert text.replace("synapse.service matrix-synapse.service", "matrix-synapse.service") == known


def test_a_site_is_kept_as_it_is() -> None:
    for chosen in SITES.values():
        one = site(chosen)
        assert site(json.loads(json.dumps(one.kept()))) == one
    assert isinstance(site(SITES["small"]), Site)
