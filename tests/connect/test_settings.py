"""The configuration of products: what is wrong is named, secrets are never shown."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.capabilities import MAX_TEXT
from bridge.kinds import EVERYWHERE
from bridge.networks.connect import ConnectSettings, build
from bridge.networks.connect.files import room_for
from bridge.networks.connect.profiles import MAX_BY_URL, MAX_FILES, PROFILES, Profile
from bridge.networks.connect.settings import LONG_TEXT
from tests.connect.make import SECRETS, digest, section

SECRET = SECRETS["pandalab"]


def _settings(product: dict[str, Any] | None = None, name: str = "pandalab", **more: Any) -> ConnectSettings:
    whole = section({"pandalab": 9}, **more)
    whole["products"]["pandalab"] |= product or {}
    whole["products"] = {name: whole["products"]["pandalab"]}
    return ConnectSettings.model_validate(whole)


@pytest.mark.parametrize("profile", ["pandalab", "siilo", "arcad", "medipeps", "generic"])
def test_every_profile_builds(profile: str) -> None:
    _, connectors = build(_settings({"profile": profile}))
    connector = connectors["pandalab"]
    assert connector.network == "pandalab"
    assert connector.capabilities == PROFILES[profile].capabilities


def test_capabilities_can_be_changed() -> None:
    _, connectors = build(_settings({"capabilities": {"html": True, "max_text": 1000}}))
    assert connectors["pandalab"].capabilities.html
    assert connectors["pandalab"].capabilities.max_text == 1000
    assert connectors["pandalab"].capabilities.replies  # the rest is the profile's


def test_files_are_carried_unless_switched_off() -> None:
    assert build(_settings())[1]["pandalab"].capabilities.files
    assert build(_settings())[1]["pandalab"].capabilities.max_files == MAX_FILES
    assert not build(_settings({"capabilities": {"files": False}}))[1]["pandalab"].capabilities.files
    assert (
        build(_settings({"capabilities": {"max_files": 1_000_000}}))[1]["pandalab"].capabilities.max_files == 1_000_000
    )


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_no_profile_carries_reactions_yet(profile: Profile) -> None:
    assert profile.capabilities.kinds == EVERYWHERE


@pytest.mark.parametrize("files", [True, False])
def test_there_is_room_for_the_largest_files_twice(files: bool) -> None:
    largest = room_for(1_000_000) + 256 * 1024
    product = {"capabilities": {"max_files": 1_000_000, "files": files}}
    assert _settings(product, max_bodies_bytes=2 * largest).max_bodies_bytes == 2 * largest
    if files:
        with pytest.raises(ValidationError, match=f"max_bodies_bytes: {2 * largest} are needed"):
            _settings(product, max_bodies_bytes=2 * largest - 1)
    else:
        assert _settings(product, max_bodies_bytes=1024).max_bodies_bytes == 1024


def test_the_label_is_the_profiles_unless_given() -> None:
    assert build(_settings())[0].products["pandalab"].label == "PandaLab"
    assert build(_settings({"label": "PandaLab CHU"}))[0].products["pandalab"].label == "PandaLab CHU"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"profile": "whatsapp"}, "profile"),
        ({"webhook_url": "ftp://x"}, "webhook_url"),
        ({"webhook_url": "http://product.example/hook"}, "https"),
        ({"webhook_url": "https://product.example/hook#x"}, "webhook_url"),
        ({"webhook_secrets": []}, "webhook_secrets"),
        ({"webhook_secrets": ["abc"]}, "webhook_secrets"),
        ({"tokens": ["plain-token"]}, "tokens"),
        ({"tokens": []}, "tokens"),
        ({"client_certificate_sha256": ["zz"]}, "client_certificate_sha256"),
        ({"rate_per_second": 0}, "rate_per_second"),
        ({"colour": "blue"}, "colour"),
        ({"capabilities": {"voice": True}}, "voice"),
        ({"capabilities": {"max_files": 0}}, "max_files"),
        ({"capabilities": {"max_files": MAX_BY_URL + 1}}, "max_files"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as raised:
        _settings(change)
    assert where in str(raised.value)


@pytest.mark.parametrize("name", ["matrix", "mailto", "rpps", "Pandalab", "a b", ""])
def test_names_that_are_no_names(name: str) -> None:
    with pytest.raises(ValidationError):
        _settings(name=name)


def test_plain_http_must_be_asked_for() -> None:
    allowed = _settings({"webhook_url": "http://product:80/hook", "webhook_plain_http": True})
    assert allowed.products["pandalab"].webhook_url == "http://product:80/hook"


def test_one_token_is_of_one_product() -> None:
    whole = section({"pandalab": 9, "siilo": 10})
    whole["products"]["siilo"]["tokens"] = whole["products"]["pandalab"]["tokens"]
    with pytest.raises(ValidationError, match="twice"):
        ConnectSettings.model_validate(whole)


@pytest.mark.parametrize("more", [{"max_text_bytes": LONG_TEXT + 1}, {"max_body_bytes": 10}, {"body_timeout_s": 0}])
def test_limits_have_limits(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _settings(**more)


def test_the_longest_text_fits_an_encrypted_event() -> None:
    assert MAX_TEXT * 4 / 3 + 4096 < 65_536


def test_secrets_come_from_files_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    assert build(_settings({"webhook_secrets": [f"file:{tmp_path}/secret", "env:HOOK_SECRET"]}))


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="NO_SUCH"):
        build(_settings({"webhook_secrets": ["env:NO_SUCH"]}))
    with pytest.raises(ValueError, match=r"pandalab\.webhook_secrets: No such file .*nothing"):
        build(_settings({"webhook_secrets": [f"file:{tmp_path}/nothing"]}))


def test_an_authority_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"products\.pandalab\.webhook_ca_file: No such file .*nothing"):
        build(_settings({"webhook_ca_file": f"{tmp_path}/nothing"}))


def test_a_short_secret_is_named_by_place_and_not_quoted() -> None:
    short = "whsec_" + b64encode(b"short-secret").decode()
    with pytest.raises(ValueError, match=r"products\.pandalab\.webhook_secrets") as raised:
        build(_settings({"webhook_secrets": [short]}))
    assert short not in str(raised.value)
    assert raised.value.__cause__ is None


def test_secrets_are_in_no_repr() -> None:
    settings = _settings({"webhook_url": "https://product.example/hook-key-1"})
    api, connectors = build(settings)
    shown = repr(settings) + str(settings) + repr(api.products) + repr(connectors)
    for secret in (SECRET, SECRET[6:], digest("pandalab-token-1"), "hook-key-1"):
        assert secret not in shown


def test_secrets_are_in_no_error() -> None:
    with pytest.raises(ValidationError) as raised:
        _settings({"webhook_secrets": ["plain-secret-1"], "tokens": ["plain-token-1"]})
    assert "plain-secret-1" not in str(raised.value)
    assert "plain-token-1" not in str(raised.value)


def test_a_port_that_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match="webhook_url: its port"):
        _settings({"webhook_url": "https://panda.example:99999/hook"})
