"""The section ``networks.connect`` of the configuration. Secrets are hidden in every repr and every error."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bridge.connector import Capabilities
from bridge.kinds import EVERYWHERE
from bridge.model import Kind
from bridge.networks.connect.files import room_for
from bridge.networks.connect.profiles import MAX_BY_URL, MAX_FILES, PROFILES, in_bounds

_RESERVED = {"function", "matrix", "mail", "mailto", "rpps", "xmpp"}  # other networks and kinds of handles
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_LOG_DAYS = 14.0  # of a product that has no webhook
_DIGEST = r"^[0-9a-f]{64}$"
LONG_TEXT = 160 * 1024  # bytes as JSON: where it is longer than others take, it goes in parts


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _product_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", name):
        raise ValueError("a product's name is 1 to 32 characters of a-z, 0-9, - and _, and begins with a letter")
    if name in _RESERVED:
        raise ValueError("this name belongs to another network")
    return name


def _secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("whsec_", "file:", "env:")):
        raise ValueError("give whsec_…, file:/path or env:NAME")
    return value


def _token_hash(text: str) -> str:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text):
        raise ValueError("give the token's hash, sha256: and 64 hexadecimal digits; `liaison token` prints both")
    return text


ProductName = Annotated[str, AfterValidator(_product_name)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_secret)]
TokenHash = Annotated[str, AfterValidator(_token_hash)]
Fingerprint = Annotated[str, Field(pattern=_DIGEST)]


class CapabilitiesSettings(_Section):
    """What the product carries, where that differs from its profile."""

    html: bool | None = None
    replies: bool | None = None
    threads: bool | None = None
    typing: bool | None = None
    receipts: bool | None = None
    max_text: Annotated[int, Field(ge=100, le=1_000_000)] | None = None
    files: bool | None = None
    files_by_url: bool | None = None
    max_files: Annotated[int, Field(ge=1, le=MAX_BY_URL)] | None = None
    kinds: list[Literal["edit", "removal", "reaction"]] | None = None
    edit_within: Annotated[int, Field(ge=0)] | None = None
    removal_within: Annotated[int, Field(ge=0)] | None = None

    @property
    def fixed(self) -> dict[str, Any]:
        """What is said here, as the fields of Capabilities."""
        said = self.model_dump(exclude_none=True)
        return said if self.kinds is None else said | {"kinds": EVERYWHERE | {Kind(kind) for kind in self.kinds}}


class NationalLoginSettings(_Section):
    """Identity tokens of Pro Santé Connect that a product passes on. ``audience``: the product's client id there.

    ``jwks_file``: the provider's keys (RFC 7517), kept new by the operator. ``acr``: the weakest login that counts.
    """

    issuer: str = "https://auth.esw.esante.gouv.fr/auth/realms/esante-wallet"
    audience: str
    jwks_file: Path
    acr: Literal["eidas1", "eidas2", "eidas3"] = "eidas1"


class ProductSettings(_Section):
    """One vendor product."""

    profile: str = "generic"
    label: str | None = None
    webhook_url: str | None = Field(default=None, repr=False)  # may hold a secret in its path
    webhook_secrets: list[WebhookSecret] = Field(default=[], max_length=4)
    webhook_timeout_s: float = Field(default=10.0, gt=0, le=120)
    webhook_ca_file: Path | None = None
    webhook_plain_http: bool = False
    events_kept_days: float | None = Field(default=None, gt=0, le=90)
    events_max_bytes: int = Field(default=1024 * 1024 * 1024, ge=1024 * 1024)
    tokens: list[TokenHash] = Field(min_length=1, max_length=4, repr=False)
    client_certificate_sha256: list[Fingerprint] = Field(default=[], max_length=4)
    rate_per_second: float = Field(default=100.0, gt=0)
    burst: int = Field(default=500, ge=1)
    capabilities: CapabilitiesSettings = CapabilitiesSettings()
    listed_as: str | None = Field(default=None, pattern=r"^[a-z0-9.-]+$")
    assertion_keys: list[Path] = Field(default=[], max_length=4)
    national_login: NationalLoginSettings | None = None

    @property
    def carries(self) -> Capabilities:
        """What the profile says, as this configuration changes it."""
        return in_bounds(dataclasses.replace(PROFILES[self.profile].capabilities, **self.capabilities.fixed))

    @property
    def log_days(self) -> float | None:
        """For how long webhooks are kept to be read; None: they are not."""
        return self.events_kept_days or (None if self.webhook_url else _LOG_DAYS)

    @model_validator(mode="after")
    def _is_known_and_reachable(self) -> ProductSettings:
        if self.profile not in PROFILES:
            raise ValueError(f"profile is one of {', '.join(PROFILES)}")
        if self.webhook_url is None:
            return self
        if not self.webhook_secrets:
            raise ValueError("webhook_secrets: at least one is needed where there is a webhook_url")
        url = urlsplit(self.webhook_url)
        try:
            _ = url.port
        except ValueError:
            raise ValueError("webhook_url: its port is no number below 65536") from None
        if url.scheme not in ("https", "http") or not url.hostname or url.fragment:
            raise ValueError("webhook_url is an https:// address without a fragment")
        if url.scheme == "http" and url.hostname not in _LOOPBACK and not self.webhook_plain_http:
            raise ValueError("webhook_url: health data needs https:// (webhook_plain_http: true allows http://)")
        return self


class ConnectSettings(_Section):
    """Every vendor product of this hub, and the limits of the API that they share."""

    products: dict[ProductName, ProductSettings] = {}
    max_body_bytes: int = Field(default=256 * 1024, ge=1024, le=16 * 1024 * 1024)
    max_bodies_bytes: int = Field(default=192 * 1024 * 1024, ge=1024)  # of all larger ones (with files) together
    max_text_bytes: int = Field(default=LONG_TEXT, ge=100, le=LONG_TEXT)
    body_timeout_s: float = Field(default=30.0, gt=0, le=300)
    public_url: str = ""  # of this API, before /connect/v1: in the addresses of files; empty: they begin with a /
    file_address_s: float = Field(default=3600.0, ge=60, le=7 * 86_400)  # that a file's address needs no token
    files_days: int = Field(default=30, ge=1, le=365)  # that a product may fetch a file of a message again
    client_certificate_from_proxy: bool = (
        False  # trust the Client-Cert header (RFC 9440): only behind a proxy that sets it
    )

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in ("https", "http") or not urlsplit(value).hostname):
            raise ValueError("public_url begins with https://")
        return value

    @model_validator(mode="after")
    def _tokens_are_of_one_product(self) -> ConnectSettings:
        tokens = [token for product in self.products.values() for token in product.tokens]
        if len(set(tokens)) != len(tokens):
            raise ValueError("a token is given twice; it can belong to one product only")
        return self

    @model_validator(mode="after")
    def _there_is_room_for_files(self) -> ConnectSettings:
        able = [product.carries for product in self.products.values()]
        largest = max((room_for(min(one.max_files, MAX_FILES)) for one in able if one.files), default=0)
        if largest and self.max_bodies_bytes < 2 * (self.max_body_bytes + largest):
            needed = 2 * (self.max_body_bytes + largest)
            raise ValueError(f"max_bodies_bytes: {needed} are needed for the largest max_files, or less max_files")
        return self


def read_webhook_secret(value: SecretStr) -> str:
    """The secret itself, from the configuration, ``file:/path`` or ``env:NAME``. Raises ValueError or OSError."""
    text = value.get_secret_value()
    if text.startswith("file:"):
        return Path(text.removeprefix("file:")).read_text("ascii").strip()
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} with a webhook secret is not set")
        return os.environ[name].strip()
    return text
