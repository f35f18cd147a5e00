"""The configuration, which both entries of ``homeserver.yaml`` have: unknown keys are errors. Reads the token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from liaison_login.claims import Acr, Demands
from liaison_login.names import Localparts

_PREFIX = re.compile(r"[a-z][a-z0-9._-]{0,30}[._-]", re.ASCII)
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Settings:
    """``provider`` is Synapse's name of it (``oidc-psc``); ``others`` gives the prefix of each other provider.

    ``last_for``: how long (s) the directory's last answer counts while the hub is away; 0: not at all.
    ``refresh``: how often (s) the directory is asked about everybody who has an account here.
    """

    demands: Demands
    provider: str
    names: Localparts
    hub: str
    token: str = field(repr=False)
    last_for: int
    refresh: int
    others: Mapping[str, str]


def parse(config: Mapping[str, Any]) -> Settings:
    """The settings. Raises ValueError that names the key."""
    left = dict(config)

    def take(name: str, default: Any = None, needed: bool = False) -> Any:
        if needed and not left.get(name):
            raise ValueError(f"{name}: is missing")
        value = left.pop(name, None)
        return default if value is None else value

    without = take("without_acr", "refuse")
    demands = Demands(
        _text("issuer", take("issuer", needed=True)),
        _text("client_id", take("client_id", needed=True)),
        _acr("least_acr", take("least_acr", "eidas1")),
        None if without == "refuse" else _acr("without_acr", without),
        frozenset(_algorithm(one) for one in take("algorithms", ["RS256"])),
    )
    names = Localparts(_prefix("prefix", take("prefix", "ps_")), tuple(take("ghost_prefixes", ["rpps_", "mss_"])))
    others = {f"oidc-{name}": _prefix(f"others.{name}", one) for name, one in take("others", {}).items()}
    token = Path(take("hub_token_file", needed=True)).read_text().strip()
    found = Settings(
        demands, f"oidc-{take('idp_id', 'psc')}", names, _text("hub", take("hub", needed=True)).rstrip("/"), token,
        _seconds("last_for", take("last_for", _DAY)), _seconds("refresh", take("refresh", 300)), others,
    )  # fmt: skip
    if left:
        raise ValueError(f"{', '.join(sorted(left))}: there is no such option")
    if not token:
        raise ValueError("hub_token_file: is empty")
    for name, prefix in others.items():
        if names.reserved(prefix) or names.reserved(f"{prefix}x"):
            raise ValueError(f"others.{name.removeprefix('oidc-')}: {prefix} looks like a professional's prefix")
    return found


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: is a text")
    return value


def _acr(name: str, value: Any) -> Acr:
    if not isinstance(value, str) or value not in Acr.__members__:
        raise ValueError(f"{name}: is one of {', '.join(Acr.__members__)}")
    return Acr[value]


def _algorithm(value: Any) -> str:
    if value not in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"):
        raise ValueError("algorithms: only those with a public key")
    return str(value)


def _prefix(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise ValueError(f"{name}: small letters and digits that end with one of . _ -")
    return value


def _seconds(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name}: is a number of seconds")
    return value
