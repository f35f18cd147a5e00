"""The part of the mail section about the trust list: source, authority, signer, CRLs, and how old they may be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.networks.mail.trust.xmlsig import ListSigner

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def _seconds(value: Any) -> Any:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", value.strip())):
        return float(match[1]) * _UNITS[match[2]]
    return value


def _list_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return url
    raise ValueError("give an https:// address")


def _crl_place(place: str) -> str:
    parts = urlsplit(place)
    if parts.scheme in ("http", "https") and parts.hostname:
        return place
    if place.startswith("/"):
        return place
    raise ValueError("give an http:// or https:// address (a CRL is signed), or an absolute path")


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)]
ListUrl = Annotated[str, AfterValidator(_list_url)]
CrlPlace = Annotated[str, AfterValidator(_crl_place)]


class TrustListSettings(BaseModel):
    """Where the trust list comes from and what makes it believed. Times in seconds or as ``26h``.

    ``authority``: PEM bundle, root and intermediates; it is the only authority for the list, the CRLs and the list's
    web server (unless ``tls_authority`` names another one for that). ``signer_cn`` and ``signer_issuer_cn`` pin who
    signs. The list's age counts from the last time its source confirmed it: a good answer, or the file's date.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: ListUrl | None = None
    path: Path | None = None
    authority: Path
    tls_authority: Path | None = None
    signer_cn: str = Field(default="alb.mssante.fr", min_length=1)
    signer_issuer_cn: str = Field(default="AC IGC-SANTE ELEMENTAIRE ORGANISATIONS", min_length=1)
    state: Path
    refresh: Seconds = 3600.0
    retry: Seconds = 300.0
    timeout: Seconds = 120.0
    warn_after: Seconds = 26 * 3600.0
    stale_after: Seconds = 72 * 3600.0
    ahead: Seconds = 300.0  # how far a list's or CRL's own time may lie in the future
    max_drop: float = Field(default=0.10, ge=0, le=1)  # share of rows; a list that loses more is held until accepted
    crls: list[CrlPlace] = Field(default=[], max_length=32)
    crl_grace: Seconds = 72 * 3600.0  # after a CRL's own end
    ocsp: CrlPlace | None = None  # a responder's address; asked only for what no CRL covers
    ocsp_timeout: Seconds = 5.0

    @model_validator(mode="after")
    def _one_source(self) -> TrustListSettings:
        if (self.url is None) == (self.path is None):
            raise ValueError("give either url or path")
        if self.warn_after > self.stale_after:
            raise ValueError("warn_after is not later than stale_after")
        if self.ocsp is not None and self.ocsp.startswith("/"):
            raise ValueError("ocsp is an http:// or https:// address")
        return self

    @property
    def signer(self) -> ListSigner:
        """Who signs."""
        return ListSigner(self.signer_cn, self.signer_issuer_cn)

    @property
    def source(self) -> str:
        """The address or the path."""
        return self.url or str(self.path)
