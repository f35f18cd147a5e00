"""Deliberate deviations of a homeserver's files: each is found, explained in two languages, and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from appservice.process.command import main
from appservice.process.conforming import files_differ, laying
from appservice.process.conforming.choices import Site
from appservice.process.conforming.deviation import Deviation, lines, reason_of, reasons
from appservice.process.conforming.synapse_differs import number
from appservice.process.conforming.synapse_settings import settings

Config = dict[str, Any]
ARGUMENTS = ["--domain", "chu.example", "--server", "a.example", "--database", "postgresql"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site")
    assert main(["homeserver", "init", "--folder", str(made), *ARGUMENTS]) == 0
    return made


@pytest.fixture
def homeserver(folder: Path) -> Iterator[Path]:
    """Where an operator's own settings go; empty again after each test."""
    path = folder / "etc/synapse/conf.d/mine.yaml"
    yield path
    path.unlink(missing_ok=True)


def site(folder: Path) -> Site:
    return laying.chosen(str(folder), {})


def found(folder: Path) -> list[Deviation]:
    one = site(folder)
    return list(files_differ.compare(one, files_differ.places(one)))


def put(path: str, value: Any) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        *above, last = path.split(".")
        for part in above:
            config = config.setdefault(part, {})
        config[last] = value

    return change


def drop(path: str) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        *above, last = path.split(".")
        for part in above:
            config = config[part]
        config[last] = None

    return change


def listener(**change: Any) -> Callable[[Config], None]:
    return lambda config: config["listeners"][0].update(change)


# What an operator does, and the reason by which it is found.
DEVIATIONS: list[tuple[Callable[[Config], None], str]] = [
    (put("server_name", "other.example"), "server_name"),
    (put("public_baseurl", "https://elsewhere.example/"), "public_baseurl"),
    (listener(bind_addresses=["0.0.0.0"]), "listeners.open"),
    (listener(bind_addresses=None), "listeners.open"),
    (listener(x_forwarded=False), "listeners.forwarded"),
    (listener(port=8888), "listeners.missing"),
    (put("database", {"name": "sqlite3", "args": {"database": "/x"}}), "database"),
    (put("macaroon_secret_key", "hunter2"), "secrets.inline"),
    (drop("form_secret_path"), "secrets.missing"),
    (put("enable_registration", True), "enable_registration"),
    (put("enable_registration_without_verification", True), "enable_registration_without_verification"),
    (put("allow_guest_access", True), "allow_guest_access"),
    (put("password_config.policy.minimum_length", 4), "password_config"),
    (put("jwt_config", {"enabled": True, "secret": "x"}), "other_logins"),
    (put("require_auth_for_profile_requests", False), "require_auth_for_profile_requests"),
    (put("limit_profile_requests_to_users_who_share_rooms", True), "limit_profile_requests_to_users_who_share_rooms"),
    (put("user_directory", {"enabled": False}), "user_directory"),
    (put("presence.enabled", True), "presence"),
    (put("federation_domain_whitelist", ["a.example", "stranger.example"]), "federation_domain_whitelist"),
    (drop("federation_domain_whitelist"), "federation_domain_whitelist"),
    (put("trusted_key_servers", [{"server_name": "matrix.org"}]), "trusted_key_servers"),
    (put("federation_verify_certificates", False), "federation_verify_certificates"),
    (put("federation_certificate_verification_whitelist", ["a"]), "federation_certificate_verification_whitelist"),
    (put("federation_client_minimum_tls_version", 1), "federation_client_minimum_tls_version"),
    (put("ip_range_whitelist", ["10.0.0.0/8"]), "ip_range_whitelist"),
    (put("federation.destination_max_retry_interval", "1h"), "federation"),
    (put("encryption_enabled_by_default_for_room_type", "off"), "encryption_enabled_by_default_for_room_type"),
    (put("encryption_enabled_by_default_for_room_type", "invite"), "encryption_enabled_by_default_for_room_type"),
    (put("room_list_publication_rules", [{"action": "allow"}]), "room_list_publication_rules"),
    (put("allow_public_rooms_over_federation", True), "allow_public_rooms_over_federation"),
    (put("retention.enabled", False), "retention"),
    (put("retention.default_policy.max_lifetime", "3d"), "retention"),
    (drop("media_retention"), "media_retention"),
    (put("max_upload_size", "10M"), "max_upload_size"),
    (put("enable_authenticated_media", False), "enable_authenticated_media"),
    (put("url_preview_enabled", True), "url_preview_enabled"),
    (put("push.include_content", True), "push"),
    (put("opentracing", {"enabled": True}), "opentracing"),
    (put("delete_stale_devices_after", "30d"), "delete_stale_devices_after"),
    (put("auto_accept_invites", {"enabled": True}), "auto_accept_invites"),
    (put("app_service_config_files", []), "app_service_config_files"),
    (put("experimental_features.msc3202_transaction_extensions", False), "experimental_features"),
    (put("rc_login.failed_attempts.per_second", 100), "rc_login"),
    (put("rc_message.per_second", 0.2), "rc_message"),
    (put("rc_invites.per_user.burst_count", 5), "rc_invites"),
    (put("modules", []), "modules.policy"),
    (lambda config: config["modules"][0]["config"].update(when_it_fails="allow"), "modules.policy"),
    (put("stream_writers", {"events": ["event-persister-9"]}), "workers"),
    (put("notify_appservices_from_worker", "client-reader-1"), "workers"),
]  # fmt: skip


def test_what_init_wrote_conforms(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found(folder) == []
    assert main(["homeserver", "check", "--folder", str(folder), "--only", "files"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("conforming: ")


@pytest.mark.parametrize(("change", "reason"), DEVIATIONS, ids=[f"{n}-{why}" for n, (_, why) in enumerate(DEVIATIONS)])
def test_a_deviation_is_found_and_nothing_else(
    folder: Path, homeserver: Path, change: Callable[[Config], None], reason: str
) -> None:
    config = settings(site(folder))
    change(config)
    homeserver.write_text(yaml.safe_dump(config))
    seen = found(folder)
    assert {one.reason for one in seen} == {reason}
    for language in ("fr", "en"):
        said = list(lines(seen, language, 1))
        assert len(said) == 3 * len(seen) + 1
        assert "hunter2" not in "".join(said)
        assert not any(re.search(r"\{(is_|key|where|path|url)\}", line) for line in said)


def test_it_says_where_what_why_and_what_to_write(folder: Path, homeserver: Path) -> None:
    homeserver.write_text("enable_registration: true\nretention: {enabled: false}\n")
    said = [*lines(found(folder), "en", 1)]
    assert f"DANGER  {homeserver}: enable_registration is true" in said
    assert "        → write `enable_registration: false`, restart Synapse" in said
    assert "        → write `retention: {enabled: true}`, restart Synapse" in said
    assert any(line.startswith("FAULT") and "retention.default_policy.min_lifetime is missing" in line for line in said)
    assert next(iter(lines(found(folder), "fr", 1))).endswith("enable_registration vaut true")


def test_limits_may_be_wider_where_nobody_is_hurt(folder: Path, homeserver: Path) -> None:
    config = settings(site(folder))
    for path, value in (
        ("rc_message.per_second", 50), ("max_upload_size", "1G"), ("password_config.policy.minimum_length", 20),
        ("federation.destination_max_retry_interval", "30s"), ("rc_login.failed_attempts.burst_count", 3),
        ("database", {"name": "psycopg2", "args": {"host": "db.example", "password": "x"}}),
    ):  # fmt: skip
        put(path, value)(config)
    for name in ("url_preview_enabled", "enable_registration", "dynamic_thumbnails"):
        del config[name]
    homeserver.write_text(yaml.safe_dump(config))
    (folder / "etc/synapse/homeserver.yaml").rename(folder / "kept.yaml")
    try:
        assert found(folder) == []
    finally:
        (folder / "kept.yaml").rename(folder / "etc/synapse/homeserver.yaml")


# ---- other files


def edit(text: str, by: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        before = path.read_text()
        assert text in before
        path.write_text(before.replace(text, by))

    return change


FILES: list[tuple[str, Callable[[Path], None], str]] = [
    ("etc/synapse/log.yaml", edit("level: WARNING\n  handlers", "level: INFO\n  handlers"), "log.level"),
    ("etc/synapse/liaison.yaml", edit("rate_limited: false", "rate_limited: true"), "registration"),
    ("etc/synapse/signing.key", lambda path: path.chmod(0o644), "secrets.readable"),
    ("etc/synapse/liaison.yaml", lambda path: path.chmod(0o604), "secrets.readable"),
    ("etc/nginx/conf.d/liaison.conf", edit("proxy_buffering off", "proxy_buffering on"), "file.changed"),
    ("etc/systemd/system/synapse.service", Path.unlink, "file.missing"),
    ("var/www/liaison/.well-known/matrix/server", Path.unlink, "file.missing"),
    ("etc/liaison/hub.yaml", Path.unlink, "file.missing"),
    ("etc/liaison/hub.yaml", edit("server_name: chu.example", "server_name: chu2.example"), "hub.setting"),
    ("etc/liaison/hub.yaml", edit("public_url: https://matrix", "public_url: https://m"), "hub.setting"),
    ("etc/liaison/hub.yaml", edit("max_files: 100000000", "max_files: 900000000"), "hub.setting"),
    ("etc/liaison/hub.yaml", edit("- a.example", "- '*'"), "hub.setting"),
    ("etc/synapse/homeserver.yaml", edit("server_name:", "a: b: c:"), "file.unreadable"),
    ("etc/synapse/homeserver.yaml", Path.unlink, "file.missing"),
]


@pytest.mark.parametrize(("name", "change", "reason"), FILES, ids=[f"{n}-{one[2]}" for n, one in enumerate(FILES)])
def test_a_file_that_differs_is_found(folder: Path, name: str, change: Callable[[Path], None], reason: str) -> None:
    path = folder / name
    before, mode = (path.read_bytes(), path.stat().st_mode)
    try:
        change(path)
        assert {one.reason for one in found(folder)} >= {reason}
        assert len(found(folder)) <= 2
    finally:
        path.write_bytes(before)
        path.chmod(mode)
    assert found(folder) == []


def test_one_of_the_two_proxies_is_enough(folder: Path) -> None:
    caddy = folder / "etc/caddy/liaison.caddy"
    before = caddy.read_text()
    caddy.unlink()
    assert found(folder) == []
    caddy.write_text(before)


# ---- the catalogue


def test_every_setting_has_a_reason_of_its_own(folder: Path) -> None:
    apart = {"pid_file", "signing_key_path", "log_config", "media_store_path", "suppress_key_server_warning"}
    for name in settings(site(folder)):
        assert name in apart or name.endswith("_path") or name in ("listeners", "modules") or reason_of((name,)) == name


def test_every_reason_says_all_of_it() -> None:
    for name, reason in reasons().items():
        assert {"level", "fr", "en"} <= set(reason) <= {"level", "fr", "en", "seen", "mend"}, name
        assert reason["level"] in ("danger", "fault", "note")
        assert ("seen" in reason) == ("mend" in reason), name
        assert all(text.endswith(".") for text in (reason["fr"], reason["en"])), name


@pytest.mark.parametrize(
    ("text", "value"), [("10s", 10), ("1m", 60), ("1d", 86_400), ("2K", 2048), (3, 3), ("x", None)]
)
def test_durations_and_sizes(text: object, value: float | None) -> None:
    assert number(text) == value
