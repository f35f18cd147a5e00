"""The module's section of homeserver.yaml; an unknown key is an error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from liaison_policy.contact import Default
from liaison_policy.rooms import RoomRules
from liaison_policy.signed import PublicKey, read_public


class BadSettings(Exception):
    """One line for the operator: where, and what."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FederationSection(_Section):
    """The signed list, the keys that may sign it (PEM), and how often the file is looked at (s)."""

    offered: Annotated[Path, Field(alias="list")]
    keys: Annotated[list[Path], Field(min_length=1)]
    look_s: Annotated[float, Field(gt=0)] = 5.0


class HubSection(_Section):
    """Where the hub answers (its `matrix_listen`), and the token of `matrix.policy_token_file` there.

    ``fresh_s``: how old an answer may be; ``retry_s``: how long a hub that did not answer is left alone.
    """

    url: str
    token_file: Path
    fresh_s: Annotated[float, Field(ge=0)] = 900.0
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 2.0
    retry_s: Annotated[float, Field(gt=0)] = 15.0

    @field_validator("url")
    @classmethod
    def _web(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and name a host")
        return url.rstrip("/")


class GhostsSection(_Section):
    """As `matrix.ghost_prefix` and `matrix.mail_ghost_prefix` of the hub."""

    prefix: str = "rpps_"
    mail_prefix: str = "mss_"


class RoomsSection(_Section):
    """See :class:`liaison_policy.rooms.RoomRules`."""

    versions: Annotated[list[str], Field(min_length=1)] = ["10", "11", "12"]
    history: Literal["invited", "joined", "shared"] | None = None
    join_rules: list[Literal["knock", "restricted", "knock_restricted"]] = ["knock", "restricted", "knock_restricted"]
    guarded_level: Annotated[int, Field(ge=50, le=100)] = 75
    clear_text: Literal["refuse", "allow"] = "refuse"
    patterns: list[str] = []


class Settings(_Section):
    """Everything that an operator can choose."""

    state: Path
    language: Literal["fr", "en"] = "fr"
    federation: FederationSection | None = None
    servers: list[str] = []
    hub: HubSection | None = None
    ghosts: GhostsSection = GhostsSection()
    contact: Default = Default.ALLOW
    rooms: RoomsSection = RoomsSection()
    externals: list[str] = []
    when_it_fails: Literal["refuse", "allow"] = "refuse"


@dataclass(frozen=True, slots=True)
class Configured:
    """The settings with what their files hold."""

    settings: Settings
    keys: Sequence[PublicKey]
    token: str
    rules: RoomRules


def configured(section: Any) -> Configured:
    """Read a section and the files that it names. Raises BadSettings, which quotes no secret."""
    try:
        settings = Settings.model_validate(section)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BadSettings(f"{'.'.join(map(str, first['loc'])) or 'the section'}: {first['msg']}") from None
    rooms = settings.rooms
    rules = RoomRules(
        frozenset(rooms.versions),
        rooms.history,
        frozenset(rooms.join_rules),
        rooms.guarded_level,
        _patterns(rooms.patterns),
    )
    return Configured(settings, _keys(settings.federation), _token(settings.hub), rules)


def _keys(section: FederationSection | None) -> list[PublicKey]:
    found: list[PublicKey] = []
    for n, path in enumerate(section.keys if section is not None else ()):
        try:
            found.append(read_public(path.read_bytes()))
        except OSError as error:
            raise BadSettings(f"federation.keys.{n}: {error.strerror}: {path}") from None
        except ValueError as error:
            raise BadSettings(f"federation.keys.{n}: {error}: {path}") from None
    return found


def _token(section: HubSection | None) -> str:
    if section is None:
        return ""
    try:
        token = section.token_file.read_text().strip()
    except (OSError, UnicodeError):
        raise BadSettings(f"hub.token_file: cannot be read: {section.token_file}") from None
    if not re.fullmatch(r"[!-~]{16,}", token):
        raise BadSettings("hub.token_file: a token is one line of ASCII, 16 characters or more")
    return token


def _patterns(texts: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    found = []
    for n, text in enumerate(texts):
        try:
            found.append(re.compile(text, re.IGNORECASE))
        except re.error as error:
            raise BadSettings(f"rooms.patterns.{n}: {error}") from None
    return tuple(found)
