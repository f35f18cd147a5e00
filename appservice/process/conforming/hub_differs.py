"""Pure: what of a hub.yaml does not fit its homeserver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from appservice.process.conforming import hub_files
from appservice.process.conforming.choices import Site
from appservice.process.conforming.deviation import Deviation, differs, short

_SAME = (("matrix", "homeserver"), ("matrix", "server_name"), ("matrix", "address"), ("clients_listen", "public_url"))
_DEFAULTS = {("matrix", "address"): "http://localhost:29300", ("matrix", "max_files"): 100_000_000}


def compare(site: Site, given: Mapping[str, Any]) -> Iterator[Deviation]:
    """Only what homeserver and proxy count upon; all else is the operator's."""
    wanted = hub_files.settings(site)
    for path in _SAME:
        is_, right = _at(given, path), _at(wanted, path)
        if is_ != right and (not isinstance(is_, str) or is_.rstrip("/") != right):
            yield _wrong(path, is_, right)
    size = ("matrix", "max_files")
    if isinstance(is_ := _at(given, size), int) and is_ > int(site.max_upload[:-1]) * 1_048_576:
        yield _wrong(size, is_, _at(wanted, size))
    there = set(_at(given, ("trust", "matrix_servers")) or [])
    if there != set(site.servers):
        yield _wrong(("trust", "matrix_servers"), sorted(there), sorted(site.servers))


def points() -> int:
    """How many settings are looked at."""
    return len(_SAME) + 2


def _wrong(path: tuple[str, str], is_: Any, wanted: Any) -> Deviation:
    return differs("hub.setting", key=".".join(path), is_=short(is_), wanted=short(wanted))


def _at(config: Any, path: tuple[str, str]) -> Any:
    found = config
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return _DEFAULTS.get(path) if found is None else found
