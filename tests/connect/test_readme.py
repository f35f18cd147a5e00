"""The page for vendors says what is so: its code runs, its requests and webhooks exist."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import yaml

from bridge.content.names import LONGEST_NAME
from bridge.networks.connect import ConnectSettings
from bridge.networks.connect.about import NewEdit
from bridge.networks.connect.contract.openapi import document
from bridge.networks.connect.contract.operations import OPERATIONS
from bridge.networks.connect.files import to_files
from bridge.networks.connect.problems import words
from bridge.networks.connect.profiles import MAX_FILES
from bridge.networks.connect.request_body import SLOWEST
from bridge.networks.connect.settings import CapabilitiesSettings
from bridge.networks.connect.signing import Signer, read_secret
from bridge.networks.connect.wire import MOST_FILES, NewMessage
from tests.connect.make import SECRETS

PAGE = (Path(__file__).parents[2] / "bridge/networks/connect/README.md").read_text("utf-8")


def _block(kind: str, number: int = 0) -> str:
    return str(re.findall(rf"```{kind}\n(.*?)```", PAGE, re.S)[number])


def test_the_check_of_signatures_works() -> None:
    space: dict[str, Any] = {}
    exec(_block("python"), space)
    secret, body, now = SECRETS["pandalab"], b'{"type": "typing"}', int(time.time())
    signature = Signer([b"x" * 32, read_secret(secret)]).sign("w-1", now, body)
    headers = {"webhook-id": "w-1", "webhook-timestamp": str(now), "webhook-signature": signature}
    assert space["genuine"](secret, headers, body)
    assert not space["genuine"](secret, headers, body + b" ")
    assert not space["genuine"](SECRETS["siilo"], headers, body)
    old = Signer([read_secret(secret)]).sign("w-1", now - 400, body)
    late = headers | {"webhook-timestamp": str(now - 400), "webhook-signature": old}
    assert not space["genuine"](secret, late, body)


def test_the_configuration_is_valid() -> None:
    section = yaml.safe_load(_block("yaml"))["networks"]["connect"]
    section["products"]["pandalab"]["tokens"] = ["sha256:" + "0" * 64]
    assert ConnectSettings.model_validate(section).products["pandalab"].profile == "pandalab"


def test_the_request_is_valid() -> None:
    body = _block("sh").partition("-d '")[2].partition("'")[0]
    assert NewMessage.model_validate_json(body).id == json.loads(body)["id"] == "p-1"


def test_the_correction_is_valid() -> None:
    assert NewEdit.model_validate_json(_block("json")).text == "Potassium 3,9"


def test_the_message_with_a_file_is_valid() -> None:
    sent = NewMessage.model_validate_json(_block("json", 1))
    [file] = to_files(sent.files)
    assert (sent.text, file.name, file.mime, file.data) == ("", "bilan.pdf", "application/pdf", b"%PDF-")


def test_what_is_said_of_files_is_so() -> None:
    assert f"up to {MOST_FILES} files" in PAGE
    assert f"have {MAX_FILES // 10**6} MB" in PAGE
    assert f"more than {LONGEST_NAME} bytes" in PAGE
    assert f"for each {SLOWEST // 1024} KiB" in PAGE
    section = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.S)[1])["networks"]["connect"]
    CapabilitiesSettings.model_validate(section["products"]["pandalab"]["capabilities"])
    for code in ("wrong_sha256", "bad_file_name", "files_too_large", "files_not_carried", "id_in_use"):
        assert f"`{code}`" in PAGE
        assert words(code) != words("no such code")


def test_every_request_and_webhook_is_named() -> None:
    for operation in OPERATIONS:
        if not operation.open and (operation.method, operation.name) != ("GET", "user"):
            assert f"`{operation.method} {operation.path}" in PAGE
    for webhook in document()["webhooks"]:
        assert f"| `{webhook}` |" in PAGE
