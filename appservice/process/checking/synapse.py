"""Synapse's own files, where they can be read: every line of ``homeserver.liaison.yaml``, and the registrations.

What a homeserver does is looked at from outside by :mod:`.homeserver`. Some settings show only when it is
too late: how often a server that was away is tried again, whether a colleague's profile can be read by strangers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from appservice.process.checking.findings import Finding, bad, good, remark
from appservice.process.registration import registration
from appservice.process.settings import MatrixSettings
from bridge.config import BadConfig, read_yaml

USUAL = (Path("/etc/matrix-synapse/homeserver.yaml"), Path("/etc/matrix-synapse/conf.d"))
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30}

WANTED: Mapping[str, tuple[Any, str]] = {
    "experimental_features.msc2409_to_device_messages_enabled": (True, "room keys come late without it"),
    "experimental_features.msc3202_transaction_extensions": (True, "changed devices are seen late without it"),
    "experimental_features.msc4222_enabled": (True, "a client may show a room as an invitation without it"),
    "encryption_enabled_by_default_for_room_type": ("invite", "a room that a client forgets to encrypt is not carried"),
    "require_auth_for_profile_requests": (True, "anybody can read professionals' profiles without it"),
    "limit_profile_requests_to_users_who_share_rooms": (False, "a colleague is nameless before the first message"),
    "max_upload_size": ("100M", "files of the size of matrix.max_files are refused to their writers"),
    "url_preview_enabled": (False, "text leaves by way of previews"),
    "presence.enabled": (False, "it says who is online, and costs traffic"),
    "enable_registration": (False, "anybody can have an account"),
    "federation.destination_min_retry_interval": ("10s", "messages wait long for a server that was away"),
    "federation.destination_retry_multiplier": (2, "messages wait long for a server that was away"),
    "federation.destination_max_retry_interval": ("1m", "messages wait long for a server that was away"),
    "rc_invites.per_room.per_second": (5, "whoever begins many conversations is refused"),
    "rc_invites.per_room.burst_count": (100, "whoever begins many conversations is refused"),
    "rc_invites.per_user.per_second": (1, "whoever begins many conversations is refused"),
    "rc_invites.per_user.burst_count": (50, "whoever begins many conversations is refused"),
}
"""Setting → the value of ``homeserver.liaison.yaml``, and what goes wrong without it."""

_RIGHT_BY_DEFAULT = {"url_preview_enabled", "enable_registration"}
_AT_MOST = {"federation.destination_retry_multiplier"}
_AT_LEAST = {"max_upload_size"}


def findings(files: Sequence[Path], settings: MatrixSettings) -> list[Finding]:
    """``files``: homeserver.yaml and what is read after it (folders: each of their .yaml files)."""
    config: dict[str, Any] = {}
    found: list[Finding] = []
    for path in _each(files):
        try:
            raw = read_yaml(path)
        except BadConfig as problem:
            return [bad(str(problem), "Synapse takes the last of two and drops the first: put both into one section")]
        config |= raw if isinstance(raw, dict) else {}
    if not config:
        mend = "say where they are, on the homeserver's machine: liaison check --synapse homeserver.yaml"
        return [remark("Synapse's own settings were not looked at: its files are not here", mend)]
    found += _settings(config)
    return found + _registrations(config, settings)


def _each(files: Sequence[Path]) -> Iterator[Path]:
    for path in files:
        try:
            yield from sorted(path.glob("*.yaml")) if path.is_dir() else [path] if path.exists() else []
        except PermissionError:
            continue


def _settings(config: Mapping[str, Any]) -> list[Finding]:
    found = []
    for name, (wanted, why) in WANTED.items():
        given = _at(config, name)
        if given is None and name in _RIGHT_BY_DEFAULT:
            continue
        if not _enough(name, given, wanted):
            is_ = "is missing" if given is None else f"is {given}"
            found.append(bad(f"homeserver.yaml: {name} {is_}", f"write {_written(name, wanted)}: {why}"))
    servers = config.get("federation_domain_whitelist")
    if servers is None:
        mend = "list the servers of the trust space there, as in trust.matrix_servers"
        found.append(
            remark("homeserver.yaml: federation_domain_whitelist is missing: it federates with everybody", mend)
        )
    return found or [good(f"homeserver.yaml has all {len(WANTED)} settings")]


def _at(config: Any, name: str) -> Any:
    for part in name.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    return config


def _enough(name: str, given: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(given, bool) or given is None:
        return given is wanted
    if name == "encryption_enabled_by_default_for_room_type":
        return given in ("invite", "all")
    asked, has = _number(wanted), _number(given)
    if asked is None or has is None:
        return bool(given == wanted)
    most = name in _AT_MOST or (isinstance(wanted, str) and name not in _AT_LEAST)
    return has <= asked if most else has >= asked


def _number(value: Any) -> float | None:
    """Seconds or bytes, where a unit is given; Synapse takes bare numbers of durations as milliseconds."""
    if isinstance(value, int | float):
        return float(value)
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d|K|M|G)", str(value))
    return int(match[1]) * _UNITS[match[2]] if match else None


def _written(name: str, wanted: Any) -> str:
    value = str(wanted).lower() if isinstance(wanted, bool) else wanted
    return f"`{name.replace('.', ': {')}: {value}{'}' * name.count('.')}`"


# ---- registrations


def _registrations(config: Mapping[str, Any], settings: MatrixSettings) -> list[Finding]:
    ours, others, found = None, [], []
    for path in config.get("app_service_config_files") or []:
        try:
            raw = yaml.safe_load(Path(path).read_text("utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            found.append(
                bad(f"{path}: cannot be read ({type(error).__name__})", "it must be the homeserver's, and YAML")
            )
            continue
        if not isinstance(raw, dict):
            continue
        if raw.get("id") == settings.id or raw.get("as_token") == settings.read_as_token():
            ours = (path, raw)
        else:
            others.append((path, raw))
    if ours is None:
        mend = "put the file of `liaison registration` into app_service_config_files and restart Synapse"
        return [*found, bad("homeserver.yaml: no registration of this hub is listed", mend)]
    return [*found, *_ours(*ours, settings), *(one for other in others for one in _other(*other, settings))]


def _ours(path: str, raw: Mapping[str, Any], settings: MatrixSettings) -> list[Finding]:
    wanted = registration(settings, settings.read_as_token(), settings.read_hs_token())
    found = []
    for name, value in wanted.items():
        if name == "sender_localpart" and not str(raw.get(name)).startswith(
            (settings.ghost_prefix, settings.mail_ghost_prefix)
        ):
            continue
        if raw.get(name) != value:
            secret = name.endswith("_token")
            mend = f"it is another than the hub's: {'the same in both' if secret else f'write {value}'}"
            found.append(bad(f"{path}: {name}", f"{mend} (`liaison registration` prints the file), restart Synapse"))
    return found or [good(f"{path} is what `liaison registration` prints")]


def _other(path: str, raw: Mapping[str, Any], settings: MatrixSettings) -> Iterator[Finding]:
    """Another appservice that claims our ghosts."""
    namespaces = raw.get("namespaces")
    users = namespaces.get("users") if isinstance(namespaces, dict) else None
    ghosts = [f"@{p}00000000000:{settings.server_name}" for p in (settings.ghost_prefix, settings.mail_ghost_prefix)]
    for one in users or []:
        try:
            claimed = [ghost for ghost in ghosts if re.match(str(one.get("regex")), ghost)]
        except (re.error, AttributeError):
            continue
        if claimed:
            mend = f"narrow its users namespace {one.get('regex')}: {claimed[0]} belongs to this hub alone"
            yield bad(f"{path}: another appservice claims the hub's users", mend)
