"""What of its configuration a worker compares with the others': everything but where each of them listens and logs.

Secrets count by what they are, and not by the file that has them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bridge.config import BadConfig, Config, read_config, read_secret
from bridge.workers.agreement import said

log = logging.getLogger(__name__)
RELEASE = version("liaison-hub")
_OF_A_MACHINE = {"database", "seal", "workers", "traces", "log_format", "log_level"}
_WHERE = {"host", "port", "certificate", "key", "client_certificate", "client_key"}
_SECRET = ("file:", "env:")


class Agreeing:
    """Of one process. ``path``: the configuration's file, which is read again when it changes."""

    def __init__(self, config: Config, path: Path | None) -> None:
        self._config, self._path = config, path
        self._mark = 0  # when the file was written that was read last
        self.last = ""
        """What it said when it was last asked."""

    def now(self) -> str:
        """What this worker says of its configuration, or of the last that could be read. Raises nothing."""
        try:
            self._read()
        except (BadConfig, OSError) as bad:
            log.debug("the configuration is compared as it was: %s", bad)
        try:
            self.last = said(dict(sections(self._config)), self._config.seal.open())
        except BadConfig as bad:
            log.debug("the configuration is not compared: %s", bad)
        return self.last

    def _read(self) -> None:
        if self._path is not None and (mark := self._path.stat().st_mtime_ns) != self._mark:
            self._mark = mark
            self._config = read_config(self._path)


def sections(config: Config) -> Iterator[tuple[str, Any]]:
    """Names and values of what has to be alike; each network, and each of its products, has a name of its own."""
    yield "release", RELEASE
    for name, value in config.model_dump(mode="json").items():
        if name == "networks":
            yield from _networks(value)
        elif name not in _OF_A_MACHINE and not name.endswith("_listen"):
            yield name, _compared(value)


def _networks(networks: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, section in networks.items():
        rest = dict(section)
        products = rest.pop("products", None)
        yield f"networks.{name}", _compared(rest)
        for product, value in (products if isinstance(products, dict) else {}).items():
            yield f"networks.{name}.products.{product}", _compared(value)


def _compared(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _compared(one, str(key)) for key, one in value.items() if key not in _WHERE}
    if isinstance(value, list):
        return [_compared(one, name) for one in value]
    if isinstance(value, str) and (value.startswith(_SECRET) or name.endswith("_file")):
        try:
            return ["secret", read_secret(value, name)]
        except BadConfig:
            return "cannot be read"
    return value
