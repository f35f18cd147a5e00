"""The ``matrix`` section of the configuration: which homeserver, which secrets, how patient."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from appservice.client.names import Names
from bridge.config import BadConfig, read_secret


class MatrixSettings(BaseModel):
    """Everything Matrix that an operator can choose; an unknown key is an error. Durations are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    homeserver: str = Field(description="base URL of the client-server API, as the hub reaches it")
    server_name: str = Field(description="the domain in the user ids of this homeserver")
    id: str = Field(default="liaison", min_length=1, description="the appservice's id in its registration")
    as_token: str | None = Field(default=None, repr=False)
    as_token_file: Path | None = None
    hs_token: str | None = Field(default=None, repr=False)
    hs_token_file: Path | None = None
    address: str = Field(default="http://localhost:29300", description="where the homeserver reaches the hub")
    ghost_prefix: str = Field(
        default="rpps_", pattern=r"^[a-z0-9._=/-]+$", description="first part of a ghost's localpart"
    )
    mail_ghost_prefix: str = Field(
        default="mss_", pattern=r"^[a-z0-9._=/-]+$", description="the same for a mailbox of who has no RPPS number"
    )
    account_prefix: str = Field(
        default="ps_", pattern=r"^[a-z0-9._=/-]+$", description="the same for the own account of who logs in nationally"
    )
    login_token_file: Path | None = Field(default=None, description="token of the homeserver's module liaison_login")
    policy_token_file: Path | None = Field(default=None, description="token of the homeserver's module liaison_policy")
    sender_localpart: str | None = Field(default=None, description="from the registration; never a ghost")
    room_version: str | None = Field(default=None, description="of new rooms; None: what the homeserver prefers")
    key_wait_s: float = Field(default=10.0, ge=0, description="how long a room waits for the key of a message")
    key_request_s: float = Field(default=2.0, ge=0, description="when the sender's devices are asked for a missing key")
    join_wait_s: float = Field(
        default=5.0, ge=0, description="how long a new room waits for the other invited people, once one has come"
    )
    settle_s: float = Field(
        default=1.5, ge=0, description="how long a newcomer's client gets to learn the ghosts' keys"
    )
    park_notice_s: float = Field(
        default=60.0, ge=0, description="when the sender is told that a message waits for its key"
    )
    ping_s: float = Field(default=60.0, gt=0, description="how often the way from the homeserver to the hub is tried")
    resend_look_s: float = Field(
        default=82_800.0, ge=0, description="age of a send after which the room is searched first"
    )
    receive_unsigned: bool = Field(
        default=False, description="read messages of devices that their owner has not signed"
    )
    send_unsigned: bool = Field(default=False, description="give room keys to devices that their owner has not signed")
    changed_identity: Literal["refuse", "accept"] = "refuse"
    connections: int = Field(default=64, ge=1, description="simultaneous calls to the homeserver")
    prepare: int = Field(
        default=5_000, ge=0, description="professionals whose users are made at start; others' when they are found"
    )
    warm_parallel: int = Field(default=4, ge=1, description="ghosts that are prepared at once in the background")
    max_files: int = Field(default=100_000_000, ge=0, description="bytes of all files of one message, either way")
    media_wait_s: float = Field(
        default=300.0, ge=0, description="how long a room waits for a file that its server cannot give"
    )
    max_body: int = Field(default=32 * 1024 * 1024, ge=1024, description="bytes of one transaction; more is set aside")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name in ("homeserver", "address"):
            _web_address(name, getattr(self, name))
        if "/_matrix" in self.homeserver:
            raise ValueError("homeserver is the address without /_matrix/…")
        if not re.fullmatch(r"[A-Za-z0-9.\[\]:-]+", self.server_name):
            raise ValueError("server_name is a domain, not a URL")
        for name in ("as_token", "hs_token"):
            if (getattr(self, name) is None) == (getattr(self, f"{name}_file") is None):
                raise ValueError(f"give either {name} or {name}_file")
        prefixes = self.ghost_prefix, self.mail_ghost_prefix
        if self.sender_localpart is not None and self.sender_localpart.startswith(prefixes):
            raise ValueError("sender_localpart must not begin with a ghost prefix: /sync fails for that user")
        if prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0]):
            raise ValueError("ghost_prefix and mail_ghost_prefix must not begin with each other")
        if self.account_prefix.startswith(prefixes) or any(one.startswith(self.account_prefix) for one in prefixes):
            raise ValueError("account_prefix and the prefixes of ghosts must not begin with each other")
        return self

    @property
    def url(self) -> str:
        """The base URL of the client-server API."""
        return self.homeserver

    def read_as_token(self) -> str:
        """Our token towards the homeserver. Raises BadConfig if its file cannot be used."""
        return _secret("as_token", self.as_token, self.as_token_file)

    def read_hs_token(self) -> str:
        """The homeserver's token towards us. Raises BadConfig if its file cannot be used."""
        return _secret("hs_token", self.hs_token, self.hs_token_file)

    def read_login_token(self) -> str | None:
        """The login module's token towards us; None: there is none. Raises BadConfig if its file cannot be used."""
        return None if self.login_token_file is None else _secret("login_token", None, self.login_token_file)

    def read_policy_token(self) -> str | None:
        """The policy module's token towards us; None: there is none. Raises BadConfig if its file cannot be used."""
        return None if self.policy_token_file is None else _secret("policy_token", None, self.policy_token_file)

    def names(self) -> Names:
        """Who stands for whom on this homeserver."""
        return Names(self.ghost_prefix, self.server_name, self.mail_ghost_prefix, self.account_prefix)


def _secret(name: str, value: str | None, path: Path | None) -> str:
    where = f"matrix.{name}" if path is None else f"matrix.{name}_file"
    text = value if value is not None else read_secret(f"file:{path}", where)
    if not re.fullmatch(r"[!-~]+", text):
        raise BadConfig(f"{where}: a token is one line of ASCII without spaces (openssl rand -hex 32 makes one)")
    return text


def _web_address(name: str, text: str) -> None:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # its port is no number, or too high
        good = False
    if not good:
        raise ValueError(f"{name} must begin with http:// or https:// and name a host, and a port below 65536")
