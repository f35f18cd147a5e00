"""Pure: what of a homeserver.yaml differs from the settings that the same site would be given."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from appservice.process.conforming.choices import Site
from appservice.process.conforming.deviation import Deviation, differs, setting
from appservice.process.conforming.synapse_settings import settings

Found = Iterator[Deviation]
Path = tuple[str, ...]
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_SIZES = {"K": 1024.0, "M": 1024.0**2, "G": 1024.0**3}

RIGHT_BY_DEFAULT = {
    "enable_registration", "enable_registration_without_verification", "allow_guest_access", "url_preview_enabled",
    "federation_verify_certificates", "allow_public_rooms_without_auth", "allow_public_rooms_over_federation",
    "allow_device_name_lookup_over_federation", "include_profile_data_on_invite", "user_directory.enabled",
    "enable_authenticated_media", "dynamic_thumbnails", "room_list_publication_rules", "max_image_pixels",
    "redaction_retention_period", "serve_server_wellknown", "limit_profile_requests_to_users_who_share_rooms",
    "password_config.enabled", "report_stats",
}  # fmt: skip
"""Settings that Synapse has by itself as they should be, when they are missing."""

_AT_MOST = ("federation.", "user_ips_max_age", "redaction_", "forgotten_", "rc_login.", "rc_third_party_invite.")
_AT_LEAST = ("rc_", "max_upload_size", "password_config.policy.minimum_length", "federation_client_minimum_tls_version")
_PLACES = {"pid_file", "signing_key_path", "log_config", "media_store_path", "suppress_key_server_warning"}
_APART = {"listeners", "database", "modules", "oidc_providers", "app_service_config_files", "ip_range_whitelist"}
_PROCESSES = {
    "instance_map", "stream_writers", "federation_sender_instances", "run_background_tasks_on",
    "update_user_directory_from_worker", "pusher_instances", "notify_appservices_from_worker",
}  # fmt: skip
_INLINE = ("macaroon_secret_key", "form_secret", "registration_shared_secret", "worker_replication_secret")
_OTHER_LOGINS = ("jwt_config", "cas_config", "saml2_config", "password_providers")
_HERE = {"127.0.0.1", "::1", "localhost"}

_EXTRA: Mapping[str, Callable[[Any], bool]] = {
    "federation_certificate_verification_whitelist": bool,
    "use_insecure_ssl_client_just_for_testing_do_not_use": bool,
    "auto_join_rooms": bool,
    "auto_accept_invites": lambda value: _on(value, "enabled"),
    "block_non_admin_invites": bool,
    "delete_stale_devices_after": bool,
    "email": lambda value: _on(value, "enable_notifs"),
    "opentracing": lambda value: _on(value, "enabled"),
    "sentry": bool,
}
"""Settings that a conforming homeserver has not, and when they count."""


def _on(value: Any, name: str) -> bool:
    return isinstance(value, dict) and bool(value.get(name))


def compare(site: Site, given: Mapping[str, Any], origin: Mapping[str, str]) -> Found:
    """``origin``: the file that each section of ``given`` came from, for the person who has to change it."""
    wanted = settings(site)

    def where(path: Path) -> str:
        return origin.get(path[0], "homeserver.yaml")

    for path, value in _leaves(wanted):
        is_ = _at(given, path)
        if not _enough(path, is_, value):
            yield setting(where(path), path, is_, value)
    for name, counts in _EXTRA.items():
        if counts(given.get(name)):
            yield setting(where((name,)), (name,), given[name], None)
    yield from _networks(site, given, where)
    if site.federation_url and "federation_domain_whitelist" in given:
        yield differs("federation_static")
    yield from _secrets(given)
    yield from _listeners(given.get("listeners") or [], wanted["listeners"])
    yield from _database(given, wanted, where)
    yield from _logins(site, given, wanted, where)
    yield from _modules(given, wanted)
    if any(given.get(name) != wanted.get(name) for name in _PROCESSES):
        yield setting(where(("instance_map",)), ("workers",), _some(given), _some(wanted) or None)


def points(site: Site) -> int:
    """How many settings are looked at."""
    return len(list(_leaves(settings(site)))) + len(_EXTRA) + len(_INLINE) + len(_APART)


def _some(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: config[name] for name in sorted(_PROCESSES) if name in config}


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            if path or not (name in _PLACES | _APART | _PROCESSES or name.endswith("_path")):
                yield from _leaves(inner, (*path, name))
    else:
        yield path, value


def _at(config: Any, path: Path) -> Any:
    for part in path:
        config = config.get(part) if isinstance(config, dict) else None
    return config


def _enough(path: Path, is_: Any, wanted: Any) -> bool:
    name = ".".join(path)
    if is_ is None:
        return name in RIGHT_BY_DEFAULT
    if isinstance(wanted, list):
        return isinstance(is_, list) and _canonical(is_) == _canonical(wanted)
    if isinstance(wanted, bool) or isinstance(is_, bool):
        return is_ is wanted
    asked, has = number(wanted), number(is_)
    if asked is None or has is None:
        return bool(is_ == wanted)
    if name.startswith(_AT_MOST):
        return has <= asked
    return has >= asked if name.startswith(_AT_LEAST) else has == asked


def _canonical(value: list[Any]) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True, default=str) for one in value)


def number(value: Any) -> float | None:
    """Seconds or bytes where a unit is given; Synapse takes bare numbers of durations as milliseconds."""
    if isinstance(value, int | float):
        return float(value)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w|y|K|M|G)", str(value))
    return float(match[1]) * (_UNITS | _SIZES)[match[2]] if match else None


def _networks(site: Site, given: Mapping[str, Any], where: Callable[[Path], str]) -> Found:
    name = "ip_range_whitelist"
    more = set(given.get(name) or []) - set(site.private_networks)
    if more:
        yield setting(where((name,)), (name,), sorted(more), list(site.private_networks) or None)


def _secrets(given: Mapping[str, Any]) -> Found:
    for name in _INLINE:
        if given.get(name):
            yield differs("secrets.inline", key=name)
        elif name in _INLINE[:2] and not given.get(f"{name}_path"):
            yield differs("secrets.missing", key=name)


def _listeners(given: list[Any], wanted: list[Any]) -> Found:
    for one in given:
        if not isinstance(one, dict) or "port" not in one:
            continue
        # Synapse listens everywhere where nothing is said
        bound = one.get("bind_addresses") or [one.get("bind_address") or "0.0.0.0"]  # noqa: S104
        if not set(bound) <= _HERE:
            yield differs("listeners.open", port=one["port"])
        names = {name for resource in one.get("resources") or [] for name in resource.get("names") or []}
        if names & {"client", "federation"} and not one.get("x_forwarded") and not one.get("tls"):
            yield differs("listeners.forwarded", port=one["port"])
    there = {one.get("port") for one in given if isinstance(one, dict)}
    for one in wanted:
        if one["port"] not in there:
            yield differs("listeners.missing", port=one["port"])


def _database(given: Mapping[str, Any], wanted: Mapping[str, Any], where: Callable[[Path], str]) -> Found:
    name = _at(given, ("database", "name"))
    if name != wanted["database"]["name"] and name != "psycopg2":
        yield setting(where(("database",)), ("database", "name"), name, wanted["database"]["name"])


def _logins(site: Site, given: Mapping[str, Any], wanted: Mapping[str, Any], where: Callable[[Path], str]) -> Found:
    for name in _OTHER_LOGINS:
        value = given.get(name)
        if value and (not isinstance(value, dict) or value.get("enabled", True)):
            yield differs("other_logins", key=name)
    providers = given.get("oidc_providers")
    if site.sso_client and providers != wanted.get("oidc_providers"):
        issuers = [one.get("issuer") for one in providers or [] if isinstance(one, dict)] or None
        yield setting(where(("oidc_providers",)), ("oidc_providers",), issuers, wanted.get("oidc_providers"))


def _modules(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> Found:
    there = _canonical(given.get("modules") or [])
    for one in wanted.get("modules", []):
        if json.dumps(one, sort_keys=True) not in there:
            yield differs(f"modules.{one['module'].partition('.')[0].removeprefix('liaison_')}")


def log(path: str, config: Any) -> Found:
    """A log configuration: below WARNING each call is written with its person and address."""
    if not isinstance(config, dict):
        return
    loggers = {"root": config.get("root"), **(config.get("loggers") or {})}
    for name, one in loggers.items():
        level = one.get("level") if isinstance(one, dict) else None
        if level in ("INFO", "DEBUG", "NOTSET"):
            yield differs("log.level", path=path, logger=name, level=level)
