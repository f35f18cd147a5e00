"""The section ``console`` of the configuration: where it is, who lets people in, and who may do what."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from bridge.config import BadConfig, ListenSettings, read_secret
from bridge.sections import Seconds

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_SECURE = r"https://[^/\s?#@]+(/[^\s?#]*)?|http://(localhost|127\.0\.0\.1)(:\d+)?(/[^\s?#]*)?"


def is_secure(url: str) -> bool:
    """Whether what goes there goes by TLS, or leaves this machine never."""
    return re.fullmatch(_SECURE, url.partition("?")[0]) is not None


class ConsoleSettings(ListenSettings):
    """An unknown key is an error. Durations are in seconds.

    ``public_url``: the console's address as browsers know it. ``roles_claim``: where the provider says what somebody
    is, ``a.b`` for ``b`` in ``a``; whoever has a value of ``see`` may look, of ``act`` also do. ``name_claim`` names
    them in the audit trail. ``acr``: how strong a login has to be; empty: as the provider likes.
    """

    port: int = Field(default=29_305, ge=0, le=65_535)
    public_url: str
    issuer: str
    discovery: str | None = None
    client_id: str = Field(min_length=1)
    client_secret: str = Field(pattern=r"^(file:/.+|env:[A-Za-z_][A-Za-z0-9_]*)$", repr=False)
    client_auth: Literal["basic", "post"] = "basic"
    ca_file: Path | None = None
    scopes: list[str] = ["openid", "profile"]
    algorithms: list[Algorithm] = Field(default=["RS256", "PS256", "ES256", "EdDSA"], min_length=1)
    acr: list[str] = []
    name_claim: str = "preferred_username"
    roles_claim: str = "groups"
    see: list[str] = []
    act: list[str] = Field(min_length=1)
    idle: Annotated[Seconds, Field(ge=1)] = 900.0
    longest: Annotated[Seconds, Field(ge=1)] = 28_800.0

    @field_validator("public_url", "issuer", "discovery")
    @classmethod
    def _is_secure(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(_SECURE, url):
            raise ValueError("an https:// address without ? and #")
        return url

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if urlsplit(self.public_url).path not in ("", "/"):
            raise ValueError("public_url: the console is at the root of a host of its own: no path")
        if "openid" not in self.scopes:
            raise ValueError("scopes: openid is missing")
        return self

    @property
    def url(self) -> str:
        """The console's own address, without a slash at its end."""
        return self.public_url.rstrip("/")

    @property
    def netloc(self) -> str:
        """The host, and the port if it is not the usual one, as browsers send them."""
        parts = urlsplit(self.public_url)
        usual = {"https": 443, "http": 80}[parts.scheme]
        return parts.netloc.lower() if parts.port != usual else (parts.hostname or "")

    def read_client_secret(self) -> str:
        """Raises BadConfig."""
        return read_secret(self.client_secret, "console.client_secret")

    def prove(self) -> None:
        """Read every file that is named. Raises BadConfig."""
        self.read_client_secret()
        if self.ca_file is not None:
            try:
                ssl.create_default_context(cafile=str(self.ca_file))
            except OSError as error:  # ssl.SSLError is one
                raise BadConfig(f"console.ca_file: {error.strerror}: {self.ca_file}") from None
