"""The files of a site as they lie on this machine: homeserver.yaml with what is read after it, the log, all others."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from appservice.process.conforming import hub_differs, secret_files, synapse_differs
from appservice.process.conforming.choices import Site
from appservice.process.conforming.deviation import Deviation, differs, setting
from appservice.process.conforming.files import Text, files
from appservice.process.conforming.synapse_settings import ETC, REGISTRATION
from bridge.config import BadConfig, read_yaml

Found = Iterator[Deviation]
_MEANT = (".yaml", ".csv")  # compared by what they mean, or an operator's own
_PROXIES = ("/etc/nginx/", "/etc/caddy/")


@dataclass(frozen=True, slots=True)
class Settled:
    """homeserver.yaml and what comes after it, as Synapse puts them together: the last of a section wins."""

    config: Mapping[str, Any]
    origin: Mapping[str, str]


def compare(site: Site, homeserver: Sequence[Path]) -> Found:
    """``homeserver``: the files and folders that Synapse reads."""
    try:
        read = _read(homeserver)
    except BadConfig as problem:
        yield differs("file.unreadable", path=homeserver[0], error=problem)
        return
    if not read.config:
        yield differs("file.missing", path=homeserver[0])
        return
    yield from synapse_differs.compare(site, read.config, read.origin)
    yield from _log(read.config.get("log_config"))
    yield from _secrets(site, read.config)
    try:
        wanted = files(site, secret_files.tokens(site))
    except OSError as error:
        yield differs("file.unreadable", path=error.filename, error=type(error).__name__)
    else:
        yield from _registration(site.path(REGISTRATION), wanted, read.config)
        yield from _others(wanted)
    yield from _hub(Path(site.path("/etc/liaison/hub.yaml")), site)


def points(site: Site) -> int:
    """How many things are looked at."""
    return synapse_differs.points(site) + hub_differs.points() + len(secret_files.makers(site)) + 4


def places(site: Site) -> list[Path]:
    """What a site's Synapse reads."""
    return [Path(site.path(f"{ETC}/homeserver.yaml")), Path(site.path(f"{ETC}/conf.d"))]


def _read(files_: Sequence[Path]) -> Settled:
    config: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for path in files_:
        for one in sorted(path.glob("*.yaml")) if path.is_dir() else [path] if path.exists() else []:
            raw = read_yaml(one)
            if isinstance(raw, dict):
                config |= raw
                origin |= dict.fromkeys(raw, str(one))
    return Settled(config, origin)


def _log(path: Any) -> Found:
    if not isinstance(path, str):
        yield differs("file.missing", path="log_config")
        return
    try:
        yield from synapse_differs.log(path, yaml.safe_load(Path(path).read_text("utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        yield differs("file.unreadable", path=path, error=type(error).__name__)


def _registration(path: str, wanted: Mapping[str, Text], config: Mapping[str, Any]) -> Found:
    listed = config.get("app_service_config_files") or []
    if path not in listed:
        yield setting("homeserver.yaml", ("app_service_config_files",), listed, [path])
        return
    try:
        same = yaml.safe_load(wanted[path].text) == yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        yield differs("file.unreadable", path=path, error=type(error).__name__)
        return
    if not same:
        yield differs("registration", path=path)


def _secrets(site: Site, config: Mapping[str, Any]) -> Found:
    named = {str(value) for name, value in config.items() if name.endswith(("_secret_path", "_key_path"))}
    yield from (differs("secrets.given", path=path) for path in secret_files.given(site) if not Path(path).exists())
    own = {str(config.get("signing_key_path")), *(config.get("app_service_config_files") or [])}
    for path in sorted({*secret_files.makers(site), *secret_files.given(site), *named, *own} - {"None"}):
        with suppress(OSError):
            mode = stat.S_IMODE(Path(path).stat().st_mode)
            if mode & 0o007 or mode & 0o020:
                yield differs("secrets.readable", path=path, mode=f"{mode:04o}")


def _others(wanted: Mapping[str, Text]) -> Found:
    """Files that are what init writes, or not; of the two proxies one is enough."""
    proxies = {path: text for path, text in wanted.items() if any(part in path for part in _PROXIES)}
    missing = [path for path in proxies if not Path(path).exists()]
    if len(missing) == len(proxies):
        yield differs("file.missing", path=missing[0])
    for path, text in wanted.items():
        if path in missing or (path.endswith(_MEANT) and "/workers/" not in path):
            continue
        yield from _other(path, text)


def _other(path: str, text: Text) -> Found:
    try:
        if Path(path).read_text("utf-8") != text.text:
            yield differs("file.changed", path=path)
    except FileNotFoundError:
        yield differs("file.missing", path=path)
    except (OSError, ValueError) as error:
        yield differs("file.unreadable", path=path, error=type(error).__name__)


def _hub(path: Path, site: Site) -> Found:
    if not path.exists():
        yield differs("file.missing", path=path)
        return
    try:
        raw = read_yaml(path)
    except BadConfig as problem:
        yield differs("file.unreadable", path=path, error=problem)
        return
    if isinstance(raw, dict):
        yield from hub_differs.compare(site, raw)
